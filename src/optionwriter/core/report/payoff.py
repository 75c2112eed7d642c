"""Payoff: what a chain will have brought when its open legs expire, over the price at which they are delivered.

Owns the picture and its breakevens; what an option ends worth and what its delivery costs are settlement's and fees'.
Every flow the chain ever had counts at the index of its own instant, the end in USD at the delivery price itself.

Breakevens are solved, not searched. Between the strikes, and the prices at which the delivery fee's cap ends, the
result is a straight line: of the price for linear options and for all results in USD, of 1 / price for inverse
options in coin.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from optionwriter.core.books.chains import Chain, Leg
from optionwriter.core.books.fees import DAILY_DELIVERY_RATE, DELIVERY_RATE, coin_value, option_fee
from optionwriter.core.books.settlement import payoff, settle
from optionwriter.core.market.instruments import Family, Instrument, parse_instrument
from optionwriter.core.market.listing import settlement_period
from optionwriter.core.market.money import EXACT

POINTS = 81
_ROOM = Decimal("0.25")  # on both sides of everything that matters, as a share of it
_EDGE = Decimal("0.08")  # a spot that comes nearer to the edge than this share of the span moves the picture
_FARTHEST = Decimal("1e12")  # USD: a line as good as level meets zero beyond any price
_SLACK = Decimal("1e-18")  # of a price: what the arithmetic may round

_ZERO, _ONE = Decimal(0), Decimal(1)
_Line = Callable[[Decimal], Decimal]


@dataclass(frozen=True, slots=True)
class Payoff:
    """Results at expiry. `pnl` in the settlement currency, `pnl_usd` in dollars, at each of `underlying_price` (USD).

    `breakevens` are those of `pnl`, `breakevens_usd` those of `pnl_usd`; for linear options they are the same but for
    what USDC did since.
    """

    expiry_ms: int
    underlying_price: tuple[Decimal, ...]
    pnl: tuple[Decimal, ...]
    pnl_usd: tuple[Decimal, ...]
    breakevens: tuple[Decimal, ...]
    breakevens_usd: tuple[Decimal, ...]
    strikes: tuple[Decimal, ...]

    def shows(self, spot: Decimal) -> bool:
        """Whether the picture has room on both sides of `spot`."""
        low, high = self.underlying_price[0], self.underlying_price[-1]
        margin = (high - low) * _EDGE
        return low + margin <= spot <= high - margin


def payoff_of(chain: Chain, spot: Decimal, usdc_index: Decimal = _ONE) -> Payoff | None:
    """The chain's payoff around `spot` (USD, above 0); None without open legs, or when they end at different times.

    `usdc_index`: USD a USDC, at which linear options' settlement is valued.
    """
    legs = [(leg, parse_instrument(leg.instrument)) for leg in chain.open_legs]
    if len({option.expiry_ms for _, option in legs}) != 1:
        return None
    result = _Result(chain, legs, usdc_index)
    breakevens = _breakevens(result.coin, result.kinks(), result.inverse)
    breakevens_usd = _breakevens(result.usd, result.kinks(), False)
    grid = _grid(spot, result.strikes, (*breakevens, *breakevens_usd))
    booked = [result.booked(price) for price in grid]
    return Payoff(
        expiry_ms=result.expiry_ms,
        underlying_price=grid,
        pnl=tuple(coin for coin, _ in booked),
        pnl_usd=tuple(usd for _, usd in booked),
        breakevens=breakevens,
        breakevens_usd=breakevens_usd,
        strikes=result.strikes,
    )


def bundle_payoff(chains: Sequence[Chain], spot: Decimal, usdc_index: Decimal = _ONE) -> Payoff | None:
    """The payoff of chains that are one position over two currencies: all in USD; None as payoff_of."""
    results, ended_usd = [], _ZERO
    for chain in chains:
        legs = [(leg, parse_instrument(leg.instrument)) for leg in chain.open_legs]
        if legs:
            results.append(_Result(chain, legs, usdc_index))
        else:
            ended_usd += sum((EXACT.multiply(flow.amount, flow.index) for flow in chain.flows), _ZERO)
    if len({one.expiry_ms for one in results}) != 1:
        return None

    def usd(price: Decimal) -> Decimal:
        return ended_usd + sum((one.usd(price) for one in results), _ZERO)

    strikes = tuple(sorted({strike for one in results for strike in one.strikes}))
    breakevens = _breakevens(usd, sorted({kink for one in results for kink in one.kinks()}), False)
    grid = _grid(spot, strikes, breakevens)
    booked = tuple(ended_usd + sum((one.booked(price)[1] for one in results), _ZERO) for price in grid)
    return Payoff(results[0].expiry_ms, grid, booked, booked, breakevens, breakevens, strikes)


class _Result:
    """A chain's result as a function of the delivery price."""

    def __init__(self, chain: Chain, legs: Sequence[tuple[Leg, Instrument]], usdc_index: Decimal) -> None:
        self._legs = legs
        self.expiry_ms = legs[0][1].expiry_ms
        self.strikes = tuple(sorted({option.strike for _, option in legs}))
        self._usdc_index = usdc_index
        self._daily = settlement_period(legs[0][1].expiry_ms) == "day"
        self._rate = DAILY_DELIVERY_RATE if self._daily else DELIVERY_RATE
        self.inverse = legs[0][1].product.family is Family.INVERSE
        self._flowed = self._flowed_usd = _ZERO
        for flow in chain.flows:
            self._flowed = EXACT.add(self._flowed, flow.amount)
            self._flowed_usd = EXACT.fma(flow.amount, flow.index, self._flowed_usd)

    def booked(self, price: Decimal) -> tuple[Decimal, Decimal]:
        """Coin and USD as they will be booked, to the last digit."""
        ended = _ZERO
        for leg, option in self._legs:
            end = settle(option, leg.position, price, self._daily)
            ended += end.payoff - end.fee
        return self._flowed + ended, self._flowed_usd + ended * self._index(price)

    def coin(self, price: Decimal) -> Decimal:
        """The settlement currency, unrounded."""
        return self._flowed + self._end(price)

    def usd(self, price: Decimal) -> Decimal:
        """Dollars, unrounded."""
        return self._flowed_usd + self._end(price) * self._index(price)

    def _index(self, price: Decimal) -> Decimal:
        return price if self.inverse else self._usdc_index

    def _end(self, price: Decimal) -> Decimal:
        total = _ZERO
        for leg, option in self._legs:
            value = payoff(option.strike, price, option.is_call, self.inverse)
            fee = option_fee(abs(leg.position), value, coin_value(option.product, price), self._rate)
            total += leg.position * value - fee
        return total

    def kinks(self) -> list[Decimal]:
        """The prices at which the line bends: the strikes, and where the delivery fee reaches its rate."""
        found = set()
        for _, option in self._legs:
            found.add(option.strike)
            if self._rate:
                cap = 8 * self._rate if not option.is_call else -8 * self._rate
                found.add(option.strike / (1 + cap))
        return sorted(found)


def _breakevens(result: _Line, kinks: Sequence[Decimal], hyperbolic: bool) -> tuple[Decimal, ...]:
    """Where `result` is zero: at a price above 0, ascending. Stretches that are zero all along show their ends."""
    bounds = [kinks[0] / 2, *kinks, kinks[-1] * 2]
    last, found = len(bounds) - 2, set()
    for place, (left, right) in enumerate(pairwise(bounds)):
        root = _root(result, left, right, hyperbolic)
        if root is None or not 0 < root < _FARTHEST:
            continue
        # the outermost lines go on for ever; a root on a bend belongs to both its lines
        after = place == 0 or root >= left * (1 - _SLACK)
        before = place == last or root <= right * (1 + _SLACK)
        if after and before:
            found.add(root.quantize(_grain(root)))
    return tuple(sorted(found))


def _root(result: _Line, left: Decimal, right: Decimal, hyperbolic: bool) -> Decimal | None:
    """Where the straight line through the result at `left` and `right` is zero; None where it is level."""
    at_left, at_right = result(left), result(right)
    if at_left == at_right:
        return None
    if not hyperbolic:
        return left - at_left * (right - left) / (at_right - at_left)
    one, other = 1 / left, 1 / right
    inverse = one - at_left * (other - one) / (at_right - at_left)
    return 1 / inverse if inverse > 0 else None


def _grid(spot: Decimal, strikes: Sequence[Decimal], breakevens: Sequence[Decimal]) -> tuple[Decimal, ...]:
    """Even steps that hold everything that matters, with strikes and near breakevens among them."""
    low, high = min((spot, *strikes)), max((spot, *strikes))
    near = [one for one in breakevens if low / 2 < one < high * 2]
    low, high = min((low, *near)) * (1 - _ROOM), max((high, *near)) * (1 + _ROOM)
    step = (high - low) / (POINTS - 1)
    even = {(low + step * place).quantize(_grain(low)) for place in range(POINTS)}
    return tuple(sorted({*even, *strikes, *near}))


def _grain(price: Decimal) -> Decimal:
    """The step of a price that is shown."""
    return Decimal("0.01") if price >= 100 else Decimal("0.000001")
