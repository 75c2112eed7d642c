"""Glossary: what each figure of a run is called, in which unit it is, and what it means: glossary.toml, read once.

A figure that is not there is shown all the same, under its own name.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

from optionwriter.web.run_curves import RULES
from optionwriter.web.words import label

FILE = Path(__file__).with_name("glossary.toml")
AT_ONE = "at_multiplier_1_"
AT_ONE_NAMES = ("net_profit", "option_pnl", "premium_sold", "max_drawdown", "sharpe", "trades", "win_rate")
AT_ONE_ABOUT = "With implied volatility at the realised one: what stays of it is not the multiplier’s."
HOLDING = "Against holding and plain rules"


class Kind(Enum):
    """How a figure is written."""

    AMOUNT = "amount"  # of its currency
    SHARE = "share"  # a fraction, shown as percent
    COUNT = "count"
    DAYS = "days"
    RATIO = "ratio"


class Told(NamedTuple):
    """A figure in words. `is_result`: gains and losses are coloured, and signed."""

    name: str
    kind: Kind
    about: str
    is_result: bool = False


class Group(NamedTuple):
    """Figures that stand together."""

    title: str
    figures: dict[str, Told]
    is_open: bool = False


def _read() -> tuple[Group, ...]:
    found: Any = tomllib.loads(FILE.read_text(encoding="utf-8"))
    groups = [Group(one["title"], _figures(one["figures"]), one["open"]) for one in found["group"]]
    known = {name: told for one in groups for name, told in one.figures.items()}
    for one in groups:
        if one.title == HOLDING:
            one.figures.update(_rules(_figures(found["rule"])))
    return (*groups, Group("At multiplier 1", _at_one(known)))


def _figures(table: Mapping[str, Sequence[str]]) -> dict[str, Told]:
    return {
        name: Told(title, Kind(kind), about, rest == ["result"])
        for name, (title, kind, about, *rest) in table.items()
    }


def _rules(figures: Mapping[str, Told]) -> dict[str, Told]:
    """The figures of every plain rule, each with the rule's own title."""
    return {
        f"{rule}_{name}": told._replace(
            name=f"{told.name}: {title}" if name == "over" else f"{title}: {told.name}",
            about=f"{told.about} {about}" if name == "over" else told.about,
        )
        for rule, (title, about) in RULES.items()
        for name, told in figures.items()
    }


def _at_one(known: Mapping[str, Told]) -> dict[str, Told]:
    return {
        AT_ONE + name: known[name]._replace(name=f"{known[name].name} at multiplier 1", about=AT_ONE_ABOUT)
        for name in AT_ONE_NAMES
    }


GROUPS = _read()
FIGURES = {name: told for group in GROUPS for name, told in group.figures.items()}


def told_of(metric: str) -> Told:
    """The figure in words; one that is not known here keeps its name, and its unit is read off that."""
    found = FIGURES.get(metric)
    if found is not None:
        return found
    ends = (
        (Kind.SHARE, ("_return", "_drawdown", "_volatility", "_rate", "_share")),
        (Kind.AMOUNT, ("_profit", "_pnl", "_over", "_amount")),
        (Kind.DAYS, ("_days",)),
    )
    kind = next((kind for kind, names in ends if metric.endswith(names)), Kind.RATIO)
    return Told(label(metric), kind, "")
