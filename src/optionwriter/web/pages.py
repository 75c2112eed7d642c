"""Pages: how templates are rendered; everything in them is escaped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import ChainableUndefined, Environment, FileSystemLoader

from optionwriter.web import format as shown
from optionwriter.web.live.market import rest
from optionwriter.web.words import SHARE, label, unit

HERE = Path(__file__).resolve().parent
FILTERS = ("places", "exact", "amount", "price", "strike", "percent", "points", "sign", "short", "utc", "day",
           "clock", "span", "ago", "share", "words")  # fmt: skip


class Missing(ChainableUndefined):
    """A value that an older or newer agent does not publish: nothing, and shown as what is not known."""

    def __str__(self) -> str:
        return shown.UNKNOWN


class Pages:
    """Renders the templates of the pages' folders."""

    def __init__(self) -> None:
        self._env = Environment(
            loader=FileSystemLoader(HERE),
            autoescape=True,
            undefined=Missing,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._env.filters.update({name: getattr(shown, name) for name in FILTERS})
        self._env.filters.update(label=label, unit=unit, measure=_measure, rest=rest, json=_json)

    def render(self, template: str, **values: Any) -> HTMLResponse:
        """The page, or a part of one."""
        return HTMLResponse(self.text(template, **values))

    def text(self, template: str, **values: Any) -> str:
        """The same as text, for a file."""
        return self._env.get_template(template).render(**values)


def _measure(value: Any, name: str) -> str:
    """A value in the unit that its name says; a word as it is."""
    if isinstance(value, str) and shown.number_of(value) is None:
        return shown.words(value)
    kind = unit(name)
    if kind == SHARE:
        return shown.percent(value)
    return f"{shown.short(value)} {kind}".strip()


def _json(value: Any) -> str:
    """A value for a script to read from an attribute."""
    return json.dumps(value, allow_nan=False, separators=(",", ":"))
