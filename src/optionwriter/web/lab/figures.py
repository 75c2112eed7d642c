"""Figures: a run's metrics as people read them: which stand first, in which unit, with their standard errors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from optionwriter.core.report.run import MetricRow
from optionwriter.core.report.run_diff import Difference
from optionwriter.web import format as shown
from optionwriter.web.words import label

USD = "USD"
LEADS = ("net_profit", "max_drawdown", "trades", "win_rate", "profit_factor", "sharpe")
FURTHER = (
    "option_pnl", "over_holding", "holding_net_profit", "annual_return", "volatility", "sortino", "calmar",
    "gross_profit", "gross_loss", "average_trade", "max_drawdown_days", "fees", "premium_sold", "premium_kept",
    "given_up", "settlements_in_the_money", "rolls", "turnover", "time_exposed", "fees_saved", "idle_yield",
    "conversions", "at_multiplier_1_net_profit", "at_multiplier_1_option_pnl",
)  # fmt: skip
BESIDE = {"net_profit": "total_return", "max_drawdown": "max_drawdown_amount"}  # shown under the figure
SHARES = frozenset(
    ("total_return", "annual_return", "volatility", "max_drawdown", "win_rate", "premium_kept", "time_exposed",
     "holding_total_return", "holding_max_drawdown", "holding_volatility", "at_multiplier_1_win_rate")
)  # fmt: skip
AMOUNTS = frozenset(
    ("net_profit", "option_pnl", "max_drawdown_amount", "gross_profit", "gross_loss", "average_trade", "fees",
     "premium_sold", "given_up", "over_holding", "holding_net_profit", "fees_saved", "idle_yield", "conversions",
     "at_multiplier_1_option_pnl", "at_multiplier_1_premium_sold")
)  # fmt: skip
COUNTS = frozenset(
    ("trades", "rolls", "settlements", "settlements_in_the_money", "settlements_official", "settlements_path_average",
     "settlements_price_0800", "fills", "fills_repriced", "fills_converted", "at_multiplier_1_trades")
)  # fmt: skip
RESULTS = frozenset(
    ("net_profit", "option_pnl", "total_return", "annual_return", "average_trade", "over_holding",
     "holding_net_profit", "holding_total_return", "at_multiplier_1_net_profit", "at_multiplier_1_option_pnl")
)  # fmt: skip
NAMES = {
    "net_profit": "Net profit", "max_drawdown": "Deepest fall", "trades": "Positions", "win_rate": "Winners",
    "profit_factor": "Profit factor", "over_holding": "Over holding", "holding_net_profit": "Holding alone",
    "annual_return": "Return a year", "volatility": "Volatility a year", "max_drawdown_days": "Longest under water",
    "premium_sold": "Premium sold", "premium_kept": "Premium kept", "given_up": "Given up beyond strikes",
    "settlements_in_the_money": "Settled in the money", "time_exposed": "Time with something short",
    "gross_profit": "Gross profit", "gross_loss": "Gross loss", "average_trade": "Average position",
    "option_pnl": "Options alone", "total_return": "Total return", "max_drawdown_amount": "Deepest fall, amount",
    "fees_saved": "Fees saved by combos", "idle_yield": "Earned on idle cash (not in the profit)",
    "conversions": "Converted by the wheel (USD: its cost, not in the profit)",
    "fills": "Fills", "fills_repriced": "Fills at repriced quotes",
    "fills_converted": "Fills at quotes converted from inverse options",
    "settlements": "Settlements", "settlements_official": "Settled at the official price",
    "settlements_path_average": "Settled at the half hour’s average",
    "settlements_price_0800": "Settled at the price of 08:00 UTC",
    "at_multiplier_1_net_profit": "Net profit at multiplier 1",
    "at_multiplier_1_option_pnl": "Options alone at multiplier 1",
    "at_multiplier_1_premium_sold": "Premium sold at multiplier 1",
    "at_multiplier_1_max_drawdown": "Deepest fall at multiplier 1",
    "at_multiplier_1_sharpe": "Sharpe at multiplier 1", "at_multiplier_1_trades": "Positions at multiplier 1",
    "at_multiplier_1_win_rate": "Winners at multiplier 1",
}  # fmt: skip


SHARE_ENDS = ("_total_return", "_max_drawdown", "_volatility", "realised_over_life")
AMOUNT_ENDS = ("_net_profit", "_over")
FIRST = frozenset((*LEADS, *FURTHER, *BESIDE.values()))


def _is_share(metric: str) -> bool:
    return metric in SHARES or metric.endswith(SHARE_ENDS) or metric.startswith("iv_")


def _is_amount(metric: str) -> bool:
    return metric in AMOUNTS or metric.endswith(AMOUNT_ENDS) or metric.startswith("attributed_")


def name_of(metric: str) -> str:
    """The metric's name in words."""
    return NAMES.get(metric) or label(metric)


def text_of(metric: str, value: float | None, currency: str, signed: bool = False) -> str:
    """A metric's value in its unit; a dash when it can't be known."""
    if value is None:
        return shown.UNKNOWN
    if _is_share(metric):
        return shown.percent(value, 2, signed)
    if _is_amount(metric):
        return f"{shown.amount(value, currency, signed)} {currency}"
    if metric in COUNTS:
        return shown.places(value, 0, signed)
    if metric.endswith("_days"):
        return f"{shown.places(value, 1, signed)} d"
    return shown.places(value, 2, signed)


def figure(one: MetricRow) -> dict[str, str]:
    """One metric with its name, text, standard error and the class of its colour."""
    signed = one.name in RESULTS
    error = "" if one.error is None else text_of(one.name, one.error, one.currency)
    return {
        "key": one.name,
        "name": name_of(one.name),
        "text": text_of(one.name, one.value, one.currency, signed),
        "error": error,
        "sign": shown.sign(one.value) if signed else "",
    }


def summaries(metrics: Sequence[MetricRow], style: str) -> list[dict[str, Any]]:
    """For USD, then each currency: the tiles that stand first, and the further figures, none left out."""
    found = {(one.currency, one.name): one for one in metrics if one.exit_style == style}
    currencies = sorted({currency for currency, _ in found}, key=lambda one: (one != USD, one))
    return [
        {
            "currency": currency,
            "leads": [_lead(found, currency, name) for name in LEADS if (currency, name) in found],
            "further": [figure(found[currency, name]) for name in FURTHER if (currency, name) in found]
            + [figure(row) for (own, name), row in found.items() if own == currency and name not in FIRST],
        }
        for currency in currencies
    ]


def _lead(found: dict[tuple[str, str], MetricRow], currency: str, name: str) -> dict[str, str]:
    beside = found.get((currency, BESIDE.get(name, "")))
    return {**figure(found[currency, name]), "beside": "" if beside is None else figure(beside)["text"]}


def differences_shown(rows: Iterable[Difference]) -> list[dict[str, str]]:
    """Two runs' metrics as rows of a table: those that both have first, the first figures before the further."""
    order = {name: place for place, name in enumerate((*LEADS, *FURTHER))}

    def place(one: Difference) -> tuple[object, ...]:
        alone = one.first is None or one.second is None
        return (
            alone,
            one.exit_style,
            one.currency != USD,
            one.currency,
            order.get(one.name, len(order)),
            one.name,
        )

    return [
        {
            "exit_style": one.exit_style,
            "currency": one.currency,
            "name": name_of(one.name),
            "first": text_of(one.name, one.first, one.currency),
            "second": text_of(one.name, one.second, one.currency),
            "change": text_of(one.name, one.change, one.currency, True),
            "sign": shown.sign(one.change) if one.name in RESULTS else "",
            "value": "" if one.change is None else str(one.change),
        }
        for one in sorted(rows, key=place)
    ]
