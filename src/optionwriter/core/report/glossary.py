"""Glossary: every metric's name and what it is. A metric more is a line here; docs/backtesting.md prints the same."""

from __future__ import annotations

from collections.abc import Mapping

_BENCHMARK = {
    "net_profit": "what it earned",
    "total_return": "its return over the whole period",
    "max_drawdown": "its deepest fall, as a share",
    "volatility": "its volatility a year",
    "over": "what the run earned over it",
    "sharpe": "its Sharpe ratio",
}
_RULES = {
    "benchmark_otm": "the monthly 10 % out-of-the-money call",
    "benchmark_atm": "the 30-day call at the money",
}
_AT_ONE = ("net_profit", "option_pnl", "premium_sold", "max_drawdown", "sharpe", "trades", "win_rate")

GLOSSARY: Mapping[str, str] = {
    "net_profit": "change of equity without deposits and withdrawals",
    "total_return": "return over the whole period, compounded by day",
    "annual_return": "the same a year of 365 days",
    "volatility": "standard deviation of daily returns, a year's",
    "max_drawdown": "deepest fall below the highest value before, as a share of it",
    "max_drawdown_amount": "deepest fall as an amount",
    "max_drawdown_days": "longest time below an earlier peak, days",
    "sharpe": "mean over standard deviation of daily returns, a year's",
    "sortino": "mean over the root mean square of the daily losses, a year's",
    "calmar": "annual return over the deepest fall of the daily values",
    "trades": "positions (chains) that traded, open ones included",
    "gross_profit": "sum of the positions that won",
    "gross_loss": "sum of those that lost, without its sign",
    "profit_factor": "gross profit over gross loss",
    "win_rate": "share of the positions that won",
    "average_trade": "mean result of a position",
    "option_pnl": "sum of the positions' results at the last prices",
    "fees": "trading and delivery fees paid",
    "premium_sold": "what all sales brought before fees",
    "premium_kept": "option P&L over premium sold: the share that was captured",
    "given_up": "what was given up beyond the strikes, in coin the coins",
    "rolls": "times that a leg was bought back and sold anew",
    "settlements": "options that were settled at expiry",
    "settlements_in_the_money": "those of them that paid their buyer",
    "settlements_official": "settled at the official delivery price",
    "settlements_path_average": "settled at the half hour's average of the path shown",
    "settlements_price_0800": "settled at the price of 08:00 UTC",
    "fees_saved": "what single legs would have paid more than combos",
    "idle_yield": "earned on idle cash, left out of every other figure",
    "conversions": "what a wheel's conversions brought of a currency; in USD what they cost",
    "fills": "trades",
    "fills_repriced": "trades at prices moved on from the last snapshot",
    "fills_converted": "trades in linear options whose quotes are converted from inverse ones",
    "attributed_delta": "P&L explained by the forward's move",
    "attributed_gamma": "P&L explained by the rest of that move",
    "attributed_vega": "P&L explained by volatility's move",
    "attributed_theta": "P&L explained by time",
    "attributed_spread": "paid to the other side when trading",
    "attributed_fees": "fees, with their sign",
    "attributed_residual": "P&L that nothing of these explains",
    "iv_sold": "volatility that the sale prices implied, mean over legs",
    "realised_over_life": "volatility of the index over the legs' lives, mean",
    "iv_less_realised": "the difference of both, mean",
    "holding_net_profit": "what holding the opening amounts earned",
    "holding_total_return": "its return over the whole period",
    "holding_max_drawdown": "its deepest fall, as a share",
    "holding_volatility": "its volatility a year",
    "over_holding": "what the run earned over holding: `option_pnl` and `flows_gained`",
    "flows_gained": "what the coins of premiums, fees and payoffs gained in USD after their day",
    "turnover": "notional traded over mean equity",
    "time_exposed": "share of the time with something short",
    **{
        f"{rule}_{name}": f"{told} ({words})"
        for rule, words in _RULES.items()
        for name, told in _BENCHMARK.items()
    },
    **{f"at_multiplier_1_{name}": f"{name} of the same run at iv_multiplier 1" for name in _AT_ONE},
}

_COUNTED = ("trades", "rolls", "settlements", "fills")
_AMOUNTS = (
    "net_profit", "max_drawdown_amount", "gross_profit", "gross_loss", "average_trade", "option_pnl", "fees",
    "premium_sold", "given_up", "fees_saved", "idle_yield", "conversions", "flows_gained", "over", "over_holding",
)  # fmt: skip
_MONEY_DIGITS, _COIN_DIGITS, _RATIO_DIGITS = 2, 6, 4


def digits_of(name: str, currency: str) -> int:
    """Digits after the point that a metric is read with: none of counts, 2 of dollars, 6 of coins, 4 of ratios."""
    name = name.removeprefix("at_multiplier_1_")
    for rule in ("holding_", *(f"{one}_" for one in _RULES)):
        name = name.removeprefix(rule)
    if name.startswith(_COUNTED):
        return 0
    if name in _AMOUNTS or name.startswith("attributed_"):
        return _MONEY_DIGITS if currency in ("USD", "USDC") else _COIN_DIGITS
    return _RATIO_DIGITS
