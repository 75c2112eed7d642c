"""Figures: a run's metrics as people read them: which stand first, in which unit, with their standard errors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from optionwriter.core.report.run import USD, MetricRow
from optionwriter.core.report.run_diff import Difference
from optionwriter.web import format as shown
from optionwriter.web.lab.glossary import FIGURES, GROUPS, Kind, told_of

LEADS = ("net_profit", "max_drawdown", "trades", "win_rate", "profit_factor", "sharpe")
BESIDE = {"net_profit": "total_return", "max_drawdown": "max_drawdown_amount"}  # shown under the figure
OTHERS = "Further figures"
Found = dict[tuple[str, str], MetricRow]


def name_of(metric: str) -> str:
    """The metric's name in words."""
    return told_of(metric).name


def text_of(metric: str, value: float | None, currency: str, signed: bool = False) -> str:
    """A metric's value in its unit; a dash when it can't be known."""
    if value is None:
        return shown.UNKNOWN
    kind = told_of(metric).kind
    if kind is Kind.SHARE:
        return shown.percent(value, 2, signed)
    if kind is Kind.AMOUNT:
        return f"{shown.amount(value, currency, signed)} {currency}"
    if kind is Kind.COUNT:
        return shown.places(value, 0, signed)
    if kind is Kind.DAYS:
        return f"{shown.places(value, 1, signed)} d"
    return shown.places(value, 2, signed)


def figure(one: MetricRow) -> dict[str, str]:
    """One metric with its name, what it means, text, standard error and the class of its colour."""
    told = told_of(one.name)
    return {
        "key": one.name,
        "name": told.name,
        "about": told.about,
        "text": text_of(one.name, one.value, one.currency, told.is_result),
        "error": "" if one.error is None else text_of(one.name, one.error, one.currency),
        "sign": shown.sign(one.value) if told.is_result else "",
    }


def summaries(metrics: Sequence[MetricRow], style: str) -> list[dict[str, Any]]:
    """For USD, then each currency: the tiles that stand first, and every figure in its group, none left out."""
    found = {(one.currency, one.name): one for one in metrics if one.exit_style == style}
    currencies = sorted({currency for currency, _ in found}, key=lambda one: (one != USD, one))
    return [
        {
            "currency": currency,
            "leads": [_lead(found, currency, name) for name in LEADS if (currency, name) in found],
            "groups": _groups(found, currency),
        }
        for currency in currencies
    ]


def _groups(found: Found, currency: str) -> list[dict[str, Any]]:
    mine = [name for own, name in found if own == currency]
    told = [(one.title, one.is_open, [name for name in one.figures if name in mine]) for one in GROUPS]
    told.append((OTHERS, False, sorted(name for name in mine if name not in FIGURES)))
    return [
        {"title": title, "is_open": is_open, "rows": [figure(found[currency, name]) for name in names]}
        for title, is_open, names in told
        if names
    ]


def _lead(found: Found, currency: str, name: str) -> dict[str, str]:
    beside = found.get((currency, BESIDE.get(name, "")))
    return {**figure(found[currency, name]), "beside": "" if beside is None else figure(beside)["text"]}


def differences_shown(rows: Iterable[Difference]) -> list[dict[str, str]]:
    """Two runs' metrics as rows of a table: those that both have first, in the order of their groups."""
    order = {name: place for place, name in enumerate(dict.fromkeys((*LEADS, *FIGURES)))}

    def place(one: Difference) -> tuple[object, ...]:
        alone = one.first is None or one.second is None
        usd_first = (one.currency != USD, one.currency)
        return alone, one.exit_style, usd_first, order.get(one.name, len(order)), one.name

    return [
        {
            "exit_style": one.exit_style,
            "currency": one.currency,
            "name": name_of(one.name),
            "about": told_of(one.name).about,
            "first": text_of(one.name, one.first, one.currency),
            "second": text_of(one.name, one.second, one.currency),
            "change": text_of(one.name, one.change, one.currency, True),
            "sign": shown.sign(one.change) if told_of(one.name).is_result else "",
            "value": "" if one.change is None else str(one.change),
        }
        for one in sorted(rows, key=place)
    ]
