"""Rules in force, as sentences of a name, its bounds and a unit, by the group that they stand in."""

from __future__ import annotations

from typing import Any

from optionwriter.web.format import UNKNOWN, percent, short, words
from optionwriter.web.words import SHARE, label, unit

Row = dict[str, Any]
GROUPS = (
    ("gates", "Gates to open"),
    ("roll_gates", "Gates to roll into"),
    ("score", "Score"),
    ("manage", "Management"),
    ("roll", "Rolls"),
)
# What stands in a strategy's head, or is no rule.
PLAIN = ("style", "min_score", "chooser", "epsilon", "profile")


def rules_of(strategy: Row) -> Row:
    """The strategy with its rules as groups of rows."""
    groups = [
        {"key": key, "name": name, "rows": rows}
        for key, name in GROUPS
        if (rows := _rows(strategy.get(key) or {}))
    ]
    return {**strategy, "groups": groups, "facts": _facts(strategy)}


def _facts(strategy: Row) -> list[tuple[str, str]]:
    found = [("Writes", ", ".join(label(one) for one in strategy.get("writes", ())))]
    found.append(("On", ", ".join(strategy.get("underlyings", ()))))
    for key in PLAIN:
        value = strategy.get(key)
        if value is not None and value != "":
            name = {"style": "Execution", "min_score": "Least score", "epsilon": "Exploration"}.get(
                key, label(key)
            )
            found.append((name, _value(value)))
    return found


def _rows(rules: Row) -> list[Row]:
    """One row a rule; what has a least and a most stands in one."""
    rows = []
    for name, value in rules.items():
        if isinstance(value, dict):
            rows += [{**row, "label": f"{label(name)}: {row['label'].lower()}"} for row in _rows(value)]
            continue
        base, end = _split(name)
        kind = unit(base)
        partner = rules.get(name.replace("_min", "_max")) if end == "min" else None
        if end == "max" and name.replace("_max", "_min") in rules:
            continue  # stands with its least
        if partner is not None:
            text = f"{_value(value, kind)} – {_value(partner, kind)}"
        else:
            text = {"min": "≥ ", "max": "≤ "}.get(end, "") + _value(value, kind)
        rows.append({"name": name, "label": label(base), "text": text, "unit": "" if kind == SHARE else kind})
    return rows


def _split(name: str) -> tuple[str, str]:
    """premium_min_usd as premium_usd and min."""
    for end in ("min", "max"):
        if name.endswith(f"_{end}") or f"_{end}_" in name:
            return name.replace(f"_{end}", "", 1), end
    return name, ""


def _value(value: Any, kind: str = "") -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(_value(one, kind) for one in value) or UNKNOWN
    shown = short(value, 4)
    if shown == UNKNOWN:
        return words(value) if isinstance(value, str) else UNKNOWN
    return percent(value, 1).replace(".0%", "%") if kind == SHARE else shown
