"""Pages: how templates are rendered; everything in them is escaped, numbers are shown as people read them."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

HERE = Path(__file__).resolve().parent
UNKNOWN = "–"


def _number(value: Any) -> Decimal | None:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def places(value: Any, digits: int = 2, signed: bool = False) -> str:
    """A number to so many places, thousands apart; a dash for what is not known."""
    number = _number(value)
    if number is None:
        return UNKNOWN
    text = f"{number:{'+' if signed else ''},.{digits}f}"
    return text if text.strip("+-0.,") else text.lstrip("+-")  # no -0.00


def exact(value: Any) -> str:
    """All the digits that say something."""
    number = _number(value)
    if number is None:
        return UNKNOWN
    text = f"{number:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(fraction: Any, digits: int = 0) -> str:
    """A fraction as percent."""
    number = _number(fraction)
    return UNKNOWN if number is None else f"{number:.{digits}%}"


def sign(value: Any) -> str:
    """The class that colours a result: gain, loss or flat."""
    number = _number(value)
    return "flat" if number is None or number == 0 else "gain" if number > 0 else "loss"


def utc(text: Any) -> str:
    """2026-01-17T08:00:00Z as 2026-01-17 08:00 UTC."""
    return UNKNOWN if not text else f"{str(text)[:16].replace('T', ' ')} UTC"


class Pages:
    """Renders the templates of the pages' folders."""

    def __init__(self) -> None:
        self._env = Environment(
            loader=FileSystemLoader(HERE),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._env.filters.update(
            places=places,
            exact=exact,
            percent=percent,
            sign=sign,
            utc=utc,
            words=lambda text: text.replace("_", " "),
        )

    def render(self, template: str, **values: Any) -> HTMLResponse:
        """The page."""
        return HTMLResponse(self._env.get_template(template).render(**values))
