"""Rules in force, as sentences of a name, its bounds and a unit, by the group that they stand in."""

from __future__ import annotations

from typing import Any

from optionwriter.web.format import UNKNOWN, short, words
from optionwriter.web.words import label, unit

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
        {"name": name, "rows": rows} for key, name in GROUPS if (rows := _rows(strategy.get(key) or {}))
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
        base = name.removesuffix("_min")
        if name.endswith("_max") and f"{name.removesuffix('_max')}_min" in rules:
            continue
        if name.endswith("_min") and f"{base}_max" in rules:
            text = f"{_value(value)} – {_value(rules[f'{base}_max'])}"
        elif name.endswith("_min"):
            text = f"≥ {_value(value)}"
        elif name.endswith("_max"):
            base = name.removesuffix("_max")
            text = f"≤ {_value(value)}"
        else:
            base, text = name, _value(value)
        rows.append({"name": name, "label": label(base), "text": text, "unit": unit(base)})
    return rows


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(_value(one) for one in value) or UNKNOWN
    shown = short(value, 4)
    return words(value) if shown == UNKNOWN and isinstance(value, str) else shown
