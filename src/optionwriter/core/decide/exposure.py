"""Exposure: how much risk the account carries, in the units in which limits are written.

Counts every short leg, ours or external, and every order that may still fill as if it had; what would reduce counts
only once it has filled, except inside a bundle, whose closing leg fills before its opening leg goes out. Where a
delta or a volatility is unknown the worst one stands in. Decimal throughout; floats cross by their spelling.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from optionwriter.core.books.account import Side
from optionwriter.core.books.book import open_chains
from optionwriter.core.books.fees import coin_value
from optionwriter.core.books.margin import initial_margin, maintenance_margin
from optionwriter.core.decide.cover import Pending, cover_per_coin, net_cover_per_coin
from optionwriter.core.decide.crossing import exact
from optionwriter.core.decide.state import AgentState, price_of
from optionwriter.core.market.black76 import price_one, vega_one
from optionwriter.core.market.instruments import MS_PER_YEAR, Instrument, OptionType, parse_instrument

_ZERO = Decimal(0)
_ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Short:
    """An amount of one option that is short, or would be; negative where a closing leg takes some away.

    `strategy_id` is whose it is, "" for what is not ours; `claim` what it binds of its currency's cash, own premium
    counted.
    """

    option: Instrument
    amount: Decimal
    strategy_id: str = ""
    claim: Decimal = _ZERO


class ExposureError(ValueError):
    """A number that the exposure needs is missing."""


def shorts_of(state: AgentState, pending: Iterable[Pending]) -> list[Short]:
    """All short options of the account, with the sells that may still fill; ours by strategy, the rest under ""."""
    ours = _ours(state)
    found: list[Short] = []
    for one in state.held:
        whole = max(_ZERO, -min(one.amount, one.ours))
        shares = ours.get(one.option.name, {})
        rest = max(_ZERO, whole - sum(shares.values(), _ZERO))
        each = cover_per_coin(one.option) or _ZERO
        found += [
            Short(one.option, amount, owner, amount * each)
            for owner, amount in (*shares.items(), ("", rest))
            if amount
        ]
    found += [
        short_order(parse_instrument(order.instrument), order.amount, order.price, order.strategy_id)
        for order in pending
        if order.side is Side.SELL and not order.reduce_only and _known(state, order.instrument)
    ]
    return found


def short_order(option: Instrument, amount: Decimal, price: Decimal, strategy_id: str) -> Short:
    """What an order that sells to open makes short, its own premium counted."""
    return Short(option, amount, strategy_id, amount * (net_cover_per_coin(option, price) or _ZERO))


def _ours(state: AgentState) -> dict[str, dict[str, Decimal]]:
    """What our chains are short of, by instrument and strategy, positive amounts."""
    found: dict[str, dict[str, Decimal]] = {}
    for chain in open_chains(state.book):
        for leg in chain.open_legs:
            if leg.position < 0:
                shares = found.setdefault(leg.instrument, {})
                shares[chain.strategy_id] = shares.get(chain.strategy_id, _ZERO) - leg.position
    return found


def notional_usd(state: AgentState, short: Short) -> Decimal:
    """amount × index for a call, amount × strike for a put, USD. Errors: ExposureError without an index."""
    if not short.option.is_call:
        return short.amount * short.option.strike
    return short.amount * index_of(state, short.option)


def notional_of(state: AgentState, shorts: Iterable[Short], underlying: str, kind: OptionType) -> Decimal:
    """Short notional of one type on one underlying, over both families, USD."""
    return sum(
        (
            notional_usd(state, one)
            for one in shorts
            if one.option.product.underlying == underlying and one.option.option_type is kind
        ),
        _ZERO,
    )


def expiry_notional(state: AgentState, shorts: Iterable[Short], underlying: str, expiry_ms: int) -> Decimal:
    """Short notional of one underlying at one expiry, both types, USD."""
    return sum(
        (
            notional_usd(state, one)
            for one in shorts
            if one.option.product.underlying == underlying and one.option.expiry_ms == expiry_ms
        ),
        _ZERO,
    )


def net_delta(state: AgentState, shorts: Iterable[Short], underlying: str) -> Decimal:
    """Net delta of the options alone, coins: what is short with its delta turned, what is long with its own."""
    total = sum(
        (
            -one.amount * delta_of(state, one.option)
            for one in shorts
            if one.option.product.underlying == underlying
        ),
        _ZERO,
    )
    return total + sum(
        (
            one.amount * delta_of(state, one.option)
            for one in state.held
            if one.amount > 0 and one.option.product.underlying == underlying
        ),
        _ZERO,
    )


def delta_of(state: AgentState, option: Instrument) -> Decimal:
    """Delta of one coin held, signed; ±1 where the chain doesn't give it."""
    worst = _ONE if option.is_call else -_ONE
    chain = state.chain(option.product.code)
    row = chain.table.row_of.get(option.name) if chain is not None else None
    if chain is None or row is None:
        return worst
    _, _, delta = price_of(chain, row, state.at_ms)
    return exact(delta) if math.isfinite(delta) else worst


def margin_of(state: AgentState, option: Instrument, amount: Decimal) -> Decimal:
    """Standard initial margin of `amount` coins short, settlement currency. Errors: ExposureError without a mark."""
    chain = state.chain(option.product.code)
    row = chain.table.row_of.get(option.name) if chain is not None else None
    if chain is None or row is None or not math.isfinite(float(chain.mark[row])):
        raise ExposureError(f"{option.name} has no mark, so its margin is unknown")
    mark = exact(float(chain.mark[row]))
    forward = exact(float(chain.forward[row]))
    worth = coin_value(option.product, forward)
    keeping = maintenance_margin(mark, worth, option.is_call)
    return amount * initial_margin(option.strike, forward, mark, worth, option.is_call, keeping)


def vega_of(state: AgentState, option: Instrument) -> Decimal:
    """USD by which one coin's option moves with one point of volatility.

    Where the chain gives no volatility the worst one stands in: index × 0.01 × √(years / 2π), the vega at the money.
    Errors: ExposureError without an index.
    """
    forward, iv, years = _pricing(state, option)
    if math.isfinite(iv):
        return exact(vega_one(forward, float(option.strike), years, iv))
    return exact(0.01 * forward * math.sqrt(years / (2 * math.pi)))


def stress_loss_of(state: AgentState, option: Instrument, spot_move: float, vol_move: float) -> Decimal:
    """USD that one coin short loses when the forward moves by `spot_move` and the volatility by `vol_move`, fractions.

    Black-76 after the shock less Black-76 before it; negative is a gain. Where the chain gives no volatility the most
    an option can be worth stands in (a call its forward, a put its strike), less its intrinsic value now.
    Errors: ExposureError without an index.
    """
    return stress_losses_of(state, option, (spot_move,), vol_move)[0]


def stress_losses_of(
    state: AgentState, option: Instrument, spot_moves: Iterable[float], vol_move: float
) -> list[Decimal]:
    """stress_loss_of for each of the spot moves, the option priced once before them. Errors: ExposureError."""
    forward, iv, years = _pricing(state, option)
    strike, is_call = float(option.strike), option.is_call
    shocked = [forward * (1 + move) for move in spot_moves]
    if math.isfinite(iv):
        before = price_one(forward, strike, years, iv, is_call)
        return [exact(price_one(one, strike, years, iv + vol_move, is_call) - before) for one in shocked]
    before = price_one(forward, strike, 0.0, 0.0, is_call)
    return [exact((one if is_call else strike) - before) for one in shocked]


def volatility_known(state: AgentState, option: Instrument) -> bool:
    """Whether the chain gives a volatility from which vega and stress follow."""
    return math.isfinite(_pricing(state, option)[1])


def _pricing(state: AgentState, option: Instrument) -> tuple[float, float, float]:
    """(forward, volatility, years): the index where there is no forward, NaN where there is no volatility.

    An option that has expired has no volatility left: 0.
    """
    years = max(0, option.expiry_ms - state.at_ms) / MS_PER_YEAR
    forward, iv = float(index_of(state, option)), math.nan
    chain = state.chain(option.product.code)
    row = chain.table.row_of.get(option.name) if chain is not None else None
    if chain is not None and row is not None:
        seen, iv = float(chain.forward[row]), float(chain.mark_iv[row])
        forward = seen if math.isfinite(seen) and seen > 0 else forward
    if years <= 0:
        return forward, 0.0, 0.0
    return forward, iv if math.isfinite(iv) and iv > 0 else math.nan, years


def index_of(state: AgentState, option: Instrument) -> Decimal:
    """The index of the option's underlying, USD. Errors: ExposureError."""
    index = state.index(option.product.underlying)
    if index is None or index <= 0:
        raise ExposureError(f"{option.product.underlying} has no index, so {option.name} can't be valued")
    return index


def _known(state: AgentState, name: str) -> bool:
    return name not in state.foreign
