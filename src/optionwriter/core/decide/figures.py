"""Figures: what the limits measure, as sums over short options; the account's and a strategy's alike.

Owns the meaning of each bound (limits.Bounds). Keeps: every figure is a plain sum over the short options, so what an
item adds is known without what is there, what room is left can be divided by what one more coin takes, and the order
of summing does not matter. What would not add up is kept apart as sides: each scenario of the stress, each sign of the
net delta. Bought options are left out: a wing lowers none of these figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

from optionwriter.core.decide import exposure
from optionwriter.core.decide.exposure import Short
from optionwriter.core.decide.limits import Bounds, Cap, Code, Stress
from optionwriter.core.decide.state import AgentState
from optionwriter.core.market.instruments import Family, expiry_code

_ZERO = Decimal(0)
_HUNDRED = Decimal(100)
ACCOUNT = "account"


class Figure(NamedTuple):
    """What is measured: the bound's name, what of ("BTC", "BTC 17JAN26", a currency, the account), which side."""

    name: str
    subject: str
    side: str = ""


class Use(NamedTuple):
    """A figure, how much of it is used, and its limit."""

    figure: Figure
    used: Decimal
    limit: Decimal


CODES: Mapping[str, Code] = {
    "max_call_notional_per_underlying": Code.CALL_NOTIONAL,
    "max_put_notional_per_underlying": Code.PUT_NOTIONAL,
    "max_expiry_exposure": Code.EXPIRY_EXPOSURE,
    "max_total_short_notional": Code.TOTAL_NOTIONAL,
    "max_covered_share": Code.COVERED_SHARE,
    "max_margin_used_pct": Code.MARGIN_USED,
    "max_net_delta_abs": Code.NET_DELTA,
    "max_vega_usd": Code.VEGA,
    "max_stress_loss": Code.STRESS_LOSS,
    "max_chains_total": Code.CHAINS_TOTAL,
    "max_lots_per_order": Code.LOTS,
}
UNITS: Mapping[str, str] = {
    "max_covered_share": "coins",
    "max_margin_used_pct": "of the currency",
    "max_net_delta_abs": "coins",
    "max_vega_usd": "USD a volatility point",
    "max_chains_total": "chains",
    "max_lots_per_order": "lots",
}  # USD for the others


def weigh(
    state: AgentState, short: Short, bounds: Bounds, stress: Stress
) -> Iterator[tuple[Figure, Decimal]]:
    """What one short option adds to each figure that is bound, each figure once.

    Covered coins and margin are in the settlement currency: the share or percentage is in the limit (`limit_of`).
    Errors: ExposureError where it can't be known.
    """
    option, amount = short.option, short.amount
    underlying, currency = option.product.underlying, option.product.settlement_currency
    per_type = "max_call_notional_per_underlying" if option.is_call else "max_put_notional_per_underlying"
    if getattr(bounds, per_type) is not None:
        yield Figure(per_type, underlying), exposure.notional_usd(state, short)
    if bounds.max_expiry_exposure is not None:
        at_expiry = f"{underlying} {expiry_code(option.expiry_ms)}"
        yield Figure("max_expiry_exposure", at_expiry), exposure.notional_usd(state, short)
    if bounds.max_total_short_notional is not None:
        yield Figure("max_total_short_notional", ACCOUNT), exposure.notional_usd(state, short)
    if bounds.max_covered_share is not None and option.is_call and option.product.family is Family.INVERSE:
        yield Figure("max_covered_share", currency), short.claim
    if bounds.max_margin_used_pct is not None:
        yield Figure("max_margin_used_pct", currency), exposure.margin_of(state, option, amount)
    if bounds.max_net_delta_abs is not None:
        delta = amount * exposure.delta_of(state, option)
        yield Figure("max_net_delta_abs", underlying, "long"), -delta
        yield Figure("max_net_delta_abs", underlying, "short"), delta
    if bounds.max_vega_usd is not None:
        yield Figure("max_vega_usd", ACCOUNT), amount * exposure.vega_of(state, option)
    if bounds.max_stress_loss is not None:
        names, moves = zip(*_scenarios(stress), strict=True)
        losses = exposure.stress_losses_of(state, option, moves, float(stress.vol_points) / 100)
        for side, loss in zip(names, losses, strict=True):
            yield Figure("max_stress_loss", ACCOUNT, side), amount * loss


def _scenarios(stress: Stress) -> tuple[tuple[str, float], ...]:
    move = float(stress.spot_pct) / 100
    return (("down", -move), ("unmoved", 0.0), ("up", move))


def readings(
    state: AgentState, shorts: Iterable[Short], bounds: Bounds, stress: Stress
) -> dict[Figure, Decimal]:
    """Every bound figure over the short options. Errors: ExposureError."""
    total: dict[Figure, Decimal] = {}
    for short in shorts:
        for figure, value in weigh(state, short, bounds, stress):
            total[figure] = total.get(figure, _ZERO) + value
    return total


def limit_of(state: AgentState, bounds: Bounds, figure: Figure) -> Decimal:
    """The figure's limit in its own unit: USD, coins of the currency, or as the bound says. 0 without an account."""
    bound: Cap | Decimal | int = getattr(bounds, figure.name)
    if isinstance(bound, Cap):
        return bound.in_usd(state.equity_usd)
    if figure.name in ("max_covered_share", "max_margin_used_pct"):
        found = state.account.currency(figure.subject)
        if found is None:
            return _ZERO
        if figure.name == "max_covered_share":
            return bound * max(_ZERO, min(found.balance, found.margin_balance))
        return bound * max(_ZERO, found.margin_balance) / _HUNDRED
    return Decimal(bound)


def uses(state: AgentState, shorts: Iterable[Short], bounds: Bounds, stress: Stress) -> list[Use]:
    """How much of each limit is used, the worst of its sides; in the order of the bounds, then by subject.

    A limit of which nothing is used is there too, except those of single expiries.
    """
    worst = dict.fromkeys(_standing(state, bounds), _ZERO)
    for figure, value in readings(state, shorts, bounds, stress).items():
        whole = figure._replace(side="")
        worst[whole] = max(value, worst.get(whole, _ZERO))
    order = list(CODES)
    return [
        Use(figure, worst[figure], limit_of(state, bounds, figure))
        for figure in sorted(worst, key=lambda one: (order.index(one.name), one.subject))
    ]


def _standing(state: AgentState, bounds: Bounds) -> Iterator[Figure]:
    """The figures that are there whatever is held."""
    coins = tuple(state.underlyings)
    subjects = {
        "max_call_notional_per_underlying": coins,
        "max_put_notional_per_underlying": coins,
        "max_net_delta_abs": coins,
        "max_covered_share": tuple(one for one in coins if state.account.currency(one) is not None),
        "max_margin_used_pct": tuple(one.currency for one in state.account.currencies),
        "max_total_short_notional": (ACCOUNT,),
        "max_vega_usd": (ACCOUNT,),
        "max_stress_loss": (ACCOUNT,),
    }
    for name, _ in bounds.stated():
        for subject in subjects.get(name, ()):
            yield Figure(name, subject)
