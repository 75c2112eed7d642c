"""Attribution: what moved each leg's profit, look by look: delta, gamma, vega, theta, spread, fees, and the residual.

Between two looks a leg's P&L is the change of its marked value and its flows: the books' figures. It is explained by
pricing the option anew (Black-76 at the tape's mark IV and forward) with one thing moved after the other, from the
earlier look to the later: the forward, then volatility, then time. Each part is a whole move, of every order:

- delta: the earlier look's slope times the forward's move; gamma: the rest of that move
- vega: the move of volatility at the later forward; theta: the time that passed, at the later forward and volatility
- in the settlement currency an inverse option is worth P/F coins, so its slope is Δ/F - P/F²
- in USD, and a linear one in USDC, it is worth that coin value at the index: P times index over forward, the ratio held
  at its earlier value
- an expired leg moves to its delivery price, where no volatility is left to move: what remains is time
- spread: what trades of a look gave up against the mark of that look; fees: trading and delivery

The residual is the rest: the basis (in USD), marks that aren't Black-76's, what was filled between looks. The parts add
up to the books' P&L, residual included (a test holds it). Nothing here is looked at by any decision.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from optionwriter.core.books.book import Book
from optionwriter.core.books.chains import Chain, Flow, FlowKind, Leg
from optionwriter.core.decide.state import AgentState
from optionwriter.core.market.black76 import implied_volatility, price_delta_one, price_one
from optionwriter.core.market.instruments import (
    MS_PER_DAY,
    MS_PER_HOUR,
    MS_PER_YEAR,
    Family,
    Instrument,
    parse_instrument,
    utc_day,
)
from optionwriter.core.market.premium import black_usd, premium
from optionwriter.core.report.glimpse import Glimpses

PARTS = ("delta", "gamma", "vega", "theta", "spread", "fees", "residual")
_FEES = (FlowKind.FEE, FlowKind.DELIVERY_FEE)
_GREEKS = 4


class Seen(NamedTuple):
    """An option at a look. `mark` in the settlement currency; USD of that currency and of a coin."""

    at_ms: int
    mark: float
    iv: float
    forward: float
    price_usd: float
    index_price: float


Four = tuple[float, float, float, float]


class Moved(NamedTuple):
    """What four moves explain for one coin long, in the settlement currency and in USD."""

    coin: Four
    usd: Four


class Part(NamedTuple):
    """P&L of one chain's leg on one UTC day by PARTS, settlement currency and USD."""

    coin: tuple[float, ...]
    usd: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class SoldVolatility:
    """A sold leg: volatility that its price implied when it was sold, and what was realised over its life (hourly
    closes, or the looks' own grain), fractions a year; NaN where it isn't known."""

    chain_id: str
    instrument: str
    sold: float
    realised: float


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
    """By (chain, instrument, day as 2026-01-05)."""

    parts: Mapping[tuple[str, str, str], Part]
    volatility: tuple[SoldVolatility, ...]

    def of(self, chain_id: str) -> dict[str, object] | None:
        """One chain's, as plain values: in all, by leg and by day; None for one that was never looked at."""
        own = {key: part for key, part in self.parts.items() if key[0] == chain_id}
        if not own:
            return None
        return {
            **_named(_sum(own.values())),
            "legs": {
                name: _named(_sum(part for key, part in own.items() if key[1] == name))
                for name in dict.fromkeys(key[1] for key in own)
            },
            "days": {
                day: _named(_sum(part for key, part in own.items() if key[2] == day))
                for day in sorted({key[2] for key in own})
            },
        }

    def total(self, chain_ids: Iterable[str]) -> Part:
        """Summed over chains of one currency (or, for USD, of any)."""
        wanted = set(chain_ids)
        return _sum(part for key, part in self.parts.items() if key[0] in wanted)


NOTHING = Attribution({}, ())


@dataclass(slots=True)
class _Leg:
    position: float = 0.0
    seen: Seen | None = None
    sold_iv: float = math.nan
    since_ms: int = 0
    until_ms: int | None = None
    is_sold: bool = False


@dataclass(slots=True)
class AttributionMaker:
    """Looks at one state after the other, each with the books as the look's orders left them."""

    _legs: dict[tuple[str, str], _Leg] = field(default_factory=dict)
    _flows: dict[str, int] = field(default_factory=dict)  # how many of a chain's flows were counted
    _parts: dict[tuple[str, str, str], list[list[float]]] = field(default_factory=dict)
    _index: dict[str, dict[int, float]] = field(default_factory=dict)  # underlying -> instant -> index
    _open: set[str] = field(default_factory=set)  # chains, at the last look

    def look(self, state: AgentState, book: Book) -> None:
        """Explains what happened since the last look."""
        for name, one in state.underlyings.items():
            self._index.setdefault(name, {})[state.at_ms] = float(one.index)
        open_now = set(book.open_ids)
        held = self._open | open_now  # what ends worth nothing has no flow at its end
        for chain_id, chain in book.chains.items():
            if chain.legs and (chain_id in held or len(chain.flows) != self._flows.get(chain_id, 0)):
                self._chain(state, chain)
        self._open = open_now

    def passing(self, state: AgentState, book: Book) -> PassingLegs:
        """Makes ready for steps at which the books stay as in the last look, at `state`."""
        open_now = set(book.open_ids)
        legs = tuple(
            _Passed(chain, parse_instrument(name), own, _ended(chain, name))
            for chain_id, chain in book.chains.items()
            if chain_id in open_now
            for name in dict.fromkeys(leg.instrument for leg in chain.legs)
            if (own := self._legs[chain_id, name]).position
        )
        return PassingLegs(
            self, tuple(self._index[name] for name in state.underlyings), tuple(state.underlyings), legs
        )

    def found(self) -> Attribution:
        """What was explained so far."""
        parts = {key: Part(tuple(coin), tuple(usd)) for key, (coin, usd) in self._parts.items()}
        return Attribution(parts, tuple(self._volatilities()))

    def _chain(self, state: AgentState, chain: Chain) -> None:
        counted = self._flows.get(chain.chain_id, 0)
        new = chain.flows[counted:]
        self._flows[chain.chain_id] = len(chain.flows)
        for name in dict.fromkeys(leg.instrument for leg in chain.legs):
            own = self._legs.setdefault((chain.chain_id, name), _Leg())
            flows = [one for one in new if one.instrument == name]
            if own.position or flows or chain.open_leg(name) is not None:
                self._leg(state, chain, parse_instrument(name), own, flows)

    def _leg(self, state: AgentState, chain: Chain, option: Instrument, own: _Leg, flows: list[Flow]) -> None:
        open_leg = chain.open_leg(option.name)
        after = float(open_leg.position) if open_leg is not None else 0.0
        ended = _ended(chain, option.name)
        seen = _seen(state, option)
        if option.expiry_ms <= state.at_ms and ended is not None and ended.delivery_price is not None:
            seen = Seen(option.expiry_ms, 0.0, 0.0, float(ended.delivery_price), *_prices(state, option))
        elif not math.isfinite(seen.mark):  # no mark now: what it was worth last stands
            seen = own.seen or seen._replace(mark=0.0)
        self.explain(state.at_ms, _Passed(chain, option, own, ended), after, seen, flows)

    def explain(self, at_ms: int, leg: _Passed, after: float, seen: Seen, flows: Sequence[Flow]) -> None:
        """Adds what moved a leg since its last look, to `after` coins and to what is seen now."""
        _, option, own, ended = leg
        coin, usd = [0.0] * len(PARTS), [0.0] * len(PARTS)
        total_coin = sum(float(one.amount) for one in flows)
        total_usd = sum(float(one.amount * one.index) for one in flows)
        total_coin += after * seen.mark - own.position * (own.seen.mark if own.seen else 0.0)
        total_usd += after * seen.mark * seen.price_usd
        if own.position and own.seen is not None:
            total_usd -= own.position * own.seen.mark * own.seen.price_usd
            for place, (of_coin, of_usd) in enumerate(zip(*moved(option, own.seen, seen), strict=True)):
                coin[place], usd[place] = own.position * of_coin, own.position * of_usd
        traded = [one for one in flows if one.kind is FlowKind.PREMIUM]
        if traded and all(one.at_ms == at_ms for one in traded):
            worth = (after - own.position) * seen.mark
            coin[_GREEKS] = sum(float(one.amount) for one in traded) + worth
            usd[_GREEKS] = sum(float(one.amount * one.index) for one in traded) + worth * seen.price_usd
        fees = [one for one in flows if one.kind in _FEES]
        coin[5] = sum(float(one.amount) for one in fees)
        usd[5] = sum(float(one.amount * one.index) for one in fees)
        coin[6], usd[6] = total_coin - sum(coin), total_usd - sum(usd)
        for column, more in zip(self._of_day(leg, min(at_ms, seen.at_ms)), (coin, usd), strict=True):
            for place, value in enumerate(more):
                column[place] += value
        if not own.since_ms and ended is not None:
            own.since_ms, own.is_sold = ended.opened_ms, ended.sold
            own.sold_iv = _implied(option, float(ended.entry_price), seen)
        own.until_ms = ended.closed_ms if ended is not None else None
        own.position, own.seen = after, seen

    def explain_still(self, leg: _Passed, looks: Iterable[Seen]) -> None:
        """As `explain`, look after look, of a leg that is held, with nothing that happens to it between them."""
        own, position, before = leg.own, leg.own.position, leg.own.seen
        today, coin, usd = -1, [0.0], [0.0]
        for seen in looks:
            assert before is not None  # what is held was seen
            if seen.at_ms // MS_PER_DAY != today:
                today = seen.at_ms // MS_PER_DAY
                coin, usd = self._of_day(leg, seen.at_ms)
            found = moved(leg.option, before, seen)
            worth, was = position * seen.mark, position * before.mark
            _add_moves(coin, found.coin, position, worth - was)
            _add_moves(usd, found.usd, position, worth * seen.price_usd - was * before.price_usd)
            before = seen
        own.seen = before

    def _of_day(self, leg: _Passed, at_ms: int) -> list[list[float]]:
        """The parts of the leg on that day, settlement currency and USD."""
        key = (leg.chain.chain_id, leg.option.name, utc_day(at_ms).isoformat())
        found = self._parts.get(key)
        if found is None:
            found = self._parts[key] = [[0.0] * len(PARTS), [0.0] * len(PARTS)]
        return found

    def _volatilities(self) -> Iterable[SoldVolatility]:
        for (chain_id, name), leg in self._legs.items():
            if leg.is_sold and leg.seen is not None:
                index = self._index.get(parse_instrument(name).product.underlying, {})
                end = leg.until_ms if leg.until_ms is not None else leg.seen.at_ms
                realised = realised_over(index, leg.since_ms, end)
                yield SoldVolatility(chain_id, name, leg.sold_iv, realised)


class _Passed(NamedTuple):
    """A leg, and what its chain has of it: the latest of that name."""

    chain: Chain
    option: Instrument
    own: _Leg
    ended: Leg | None


@dataclass(frozen=True, slots=True)
class PassingLegs:
    """Legs over steps at which nothing happens to them (glimpse.Passing)."""

    maker: AttributionMaker
    index: tuple[dict[int, float], ...]
    underlyings: tuple[str, ...]
    legs: tuple[_Passed, ...]

    def look(self, seen: Glimpses) -> None:
        """Explains what happened since the last look, step after step; every leg has a mark."""
        instants = seen.at_ms.tolist()
        for name, column in zip(self.underlyings, self.index, strict=True):
            column.update(zip(instants, seen.index[name].tolist(), strict=True))
        for leg in self.legs:
            price = seen.price_usd(leg.option.product.settlement_currency)
            prices = [math.nan] * len(instants) if price is None else price.tolist()
            rows, index = seen.rows[leg.option.name], seen.index[leg.option.product.underlying].tolist()
            columns = (rows.mark.tolist(), rows.iv.tolist(), rows.forward.tolist(), prices, index)
            self.maker.explain_still(leg, map(Seen, instants, *columns))


def _add_moves(column: list[float], parts: Four, position: float, total: float) -> None:
    """Adds what moved a position to a day's parts; the rest of `total` is residual."""
    delta, gamma, vega, theta = parts
    own = position * delta, position * gamma, position * vega, position * theta
    column[0] += own[0]
    column[1] += own[1]
    column[2] += own[2]
    column[3] += own[3]
    column[6] += total - sum(own)


def _ended(chain: Chain, name: str) -> Leg | None:
    return next((leg for leg in reversed(chain.legs) if leg.instrument == name), None)


def moved(option: Instrument, before: Seen, after: Seen) -> Moved:
    """What the moves of forward, volatility and time explain of one coin's way from `before` to `after`."""
    strike, is_call = float(option.strike), option.is_call
    years = max(0, option.expiry_ms - before.at_ms) / MS_PER_YEAR
    left = max(0, option.expiry_ms - after.at_ms) / MS_PER_YEAR
    forward, step = before.forward, after.forward - before.forward
    # At its end an option has no volatility left to move: only time.
    iv = after.iv if left else before.iv
    price, delta = price_delta_one(forward, strike, years, before.iv, is_call)
    stages = (
        price + delta * step,  # the slope alone, in USD
        price_one(after.forward, strike, years, before.iv, is_call),
        price_one(after.forward, strike, years, iv, is_call),
        price_one(after.forward, strike, left, iv, is_call),
    )
    if not math.isfinite(sum(stages)):
        return Moved((0.0,) * 4, (0.0,) * 4)  # the whole move is residual
    if option.product.family is not Family.INVERSE:
        start = premium(False, price, forward, before.index_price)
        usdc = _steps(start, [premium(False, one, forward, before.index_price) for one in stages])
        return Moved(usdc, _times(usdc, before.price_usd))
    plain = _steps(price, stages)
    slope = delta / forward - price / forward**2
    coin = (price / forward + slope * step, *(one / after.forward for one in stages[1:]))
    return Moved(_steps(price / forward, coin), _times(plain, before.price_usd / forward))


def _steps(start: float, stages: Sequence[float]) -> Four:
    first, second, third, last = stages
    return first - start, second - first, third - second, last - third


def _times(parts: Four, factor: float) -> Four:
    first, second, third, last = parts
    return first * factor, second * factor, third * factor, last * factor


def realised_over(index: Mapping[int, float], start_ms: int, end_ms: int) -> float:
    """Realised volatility, a fraction a year, of the prices on full hours from `start_ms` to `end_ms`; NaN for fewer
    than three. Root of the sum of squared log returns over the time that they span; no mean is taken off."""
    hours = sorted(one for one in index if one % MS_PER_HOUR == 0 and start_ms <= one <= end_ms)
    if len(hours) < 3:
        return math.nan
    returns = np.diff(np.log([index[one] for one in hours]))
    return math.sqrt(float(np.sum(returns**2)) / ((hours[-1] - hours[0]) / MS_PER_YEAR))


def _implied(option: Instrument, price: float, seen: Seen) -> float:
    """The volatility at which the option has that price, at a look."""
    in_usd = black_usd(option.product.family is Family.INVERSE, price, seen.forward, seen.index_price)
    years = max(0, option.expiry_ms - seen.at_ms) / MS_PER_YEAR
    return float(implied_volatility(in_usd, seen.forward, float(option.strike), years, option.is_call)[0])


def _prices(state: AgentState, option: Instrument) -> tuple[float, float]:
    """USD of the settlement currency and of the coin, NaN where not known."""
    price = state.price_usd(option.product.settlement_currency)
    index = state.index(option.product.underlying)
    return math.nan if price is None else float(price), math.nan if index is None else float(index)


def _seen(state: AgentState, option: Instrument) -> Seen:
    chain = state.chain(option.product.code)
    row = chain.table.row_of.get(option.name) if chain is not None else None
    prices = _prices(state, option)
    if chain is None or row is None:
        return Seen(state.at_ms, 0.0, math.nan, math.nan, *prices)
    return Seen(
        state.at_ms, float(chain.mark[row]), float(chain.mark_iv[row]), float(chain.forward[row]), *prices
    )


def _sum(parts: Iterable[Part]) -> Part:
    found = list(parts)
    if not found:
        return Part((0.0,) * len(PARTS), (0.0,) * len(PARTS))
    coin = tuple(math.fsum(column) for column in zip(*(one.coin for one in found), strict=True))
    usd = tuple(math.fsum(column) for column in zip(*(one.usd for one in found), strict=True))
    return Part(coin, usd)


def _named(part: Part) -> dict[str, object]:
    return {
        "coin": dict(zip(PARTS, part.coin, strict=True)),
        "usd": dict(zip(PARTS, part.usd, strict=True)),
    }
