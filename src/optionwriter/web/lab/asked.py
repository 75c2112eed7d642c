"""Asked: the form's fields: what everybody decides stands first, the rest in groups under "More settings"."""

from __future__ import annotations

from typing import Any

from optionwriter.bootstrap.lab import Choices
from optionwriter.web.words import label

Row = dict[str, Any]
FIRST = ("preset", "changes", "exit_styles", "btc", "eth", "usdc")
RECORDED = ("live_deribit", "real_scraper")
GROUPS: tuple[
    tuple[str, tuple[str, ...], tuple[str, ...]], ...
] = (  # title, fields, the sources that it is for
    ("Fills and fees", ("fill", "spread_share", "wait_minutes", "combo"), ()),
    ("Strategy", ("mode", "wheel_convert", "convert_cost"), ()),
    ("Cash that covers nothing", ("idle_yield_btc", "idle_yield_eth", "idle_yield_usdc"), ()),
    ("Synthetic market", ("model", "iv_multiplier", "listing"), ("synthetic",)),
    ("Smile", ("smile", "skew"), ("synthetic", "sample")),
    ("Recorded chains", ("data", "failed_days"), RECORDED),
    ("Steps", ("step_minutes", "fast_forward"), ()),
)
OTHERS = "Further settings"
PERIOD = ("2026-01-05", "2026-03-01")
_TYPES = {"number", "integer"}
_CURRENCIES = ("btc", "eth", "usdc")


def form(choices: Choices) -> Row:
    """The form's fields. What stands in no group yet is there all the same."""
    fields = {name: _field(name, schema, choices) for name, schema in choices.fields.items()}
    known = {*FIRST, *(name for _, names, _ in GROUPS for name in names)}
    groups = [*GROUPS, (OTHERS, tuple(name for name in fields if name not in known), ())]
    return {
        "sources": choices.sources,
        "strategies": choices.strategies,
        "underlyings": choices.underlyings,
        "drivers": choices.drivers,
        "first": [fields[name] for name in FIRST if name in fields],
        "groups": [
            {"title": title, "fields": found, "sources": sources}
            for title, names, sources in groups
            if (found := [fields[name] for name in names if name in fields])
        ],
        "from": PERIOD[0],
        "to": PERIOD[1],
    }


def _field(name: str, schema: Row, choices: Choices) -> Row:
    """One setting as the form asks for it, from its schema."""
    kinds = [schema, *schema.get("anyOf", ())]
    number: Row = next((one for one in kinds if one.get("type") in _TYPES), {})
    default = schema.get("default", "")
    options = schema.get("enum", ())
    kind = "select" if options else "number" if number else "text"
    if name == "preset":
        kind, options = "select", choices.presets
    elif name == "exit_styles":
        kind, options = "checks", choices.exit_styles
    elif schema.get("type") == "boolean":
        kind, options, default = "select", ("false", "true"), str(default).lower()
    elif schema.get("type") == "object":
        kind, default = "lines", ""
    return {
        "name": name,
        "label": _label(name),
        "kind": kind,
        "options": [{"value": one, "name": _option(one)} for one in options],
        "default": default,
        "help": schema.get("description", ""),
        "min": number.get("minimum"),
        "max": number.get("maximum"),
    }


def _label(name: str) -> str:
    """In words; a coin in capitals."""
    *before, last = name.split("_")
    if last not in _CURRENCIES:
        return label(name)
    return f"{label('_'.join(before))} {last.upper()}" if before else f"Opening {last.upper()}"


def _option(value: str) -> str:
    return {"true": "yes", "false": "no"}.get(value, value.replace("_", " "))
