"""Same trades: every trade of a recorded backtest at the prices that the markets between it and the synthetic one had.

Decisions stay the recorded run's, so nothing takes another way: what is left of the difference is price alone. Each
trade is priced on the recorded chain of its instant (its listing, forward and index), with one thing changed at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from optionwriter.adapters.tapes.recorded_models import RecordedLevel, RecordedSmile, RecordedSurfaces
from optionwriter.adapters.tapes.recut import with_spreads
from optionwriter.adapters.tapes.sample_files import SampleData, load_sample
from optionwriter.adapters.tapes.synthetic import SyntheticFeed
from optionwriter.adapters.tapes.synthetic_models import Anchored, Model
from optionwriter.bootstrap.sources import past_of, surfaces_of
from optionwriter.core.books.account import Side
from optionwriter.core.books.facts import Fact, Filled, Settled
from optionwriter.core.books.settlement import payoff
from optionwriter.core.market.chain import OptionChain
from optionwriter.core.market.instruments import Family, parse_instrument
from optionwriter.core.market.quotes import quote_columns
from optionwriter.core.market.surface import years_to
from optionwriter.core.market.synthetic import typical_shape
from optionwriter.core.report.run import RunSpec
from optionwriter.ports import Feed

PRICES = ("synthetic", "level", "skew", "spread", "recorded")


@dataclass(frozen=True, slots=True)
class SameTrades:
    """What the same trades were worth, USD, without fees: at each of PRICES with synthetic delivery prices, then with
    the recorded ones. `unquoted`: trades for which a step had nobody on that side; they have its mark there."""

    trades: int
    unquoted: int
    flows_usd: Mapping[str, float]
    payoffs_usd: Mapping[str, float]  # synthetic, recorded

    @property
    def changes(self) -> dict[str, float]:
        """What each source is worth; `rest` is what the trades' own prices differ by from the last step's."""
        flows = [self.flows_usd[name] for name in PRICES]
        found = {
            name: after - before for name, before, after in zip(PRICES[1:4], flows, flows[1:], strict=False)
        }
        found["settlement"] = self.payoffs_usd["recorded"] - self.payoffs_usd["synthetic"]
        return {**found, "rest": flows[-1] - flows[-2]}


def same_trades(spec: RunSpec, recorded: Feed, instants: Sequence[int], facts: Iterable[Fact]) -> SameTrades:
    """Prices the run's trades. `instants`: the snapshots, ascending. Errors: InstrumentError."""
    sample = load_sample()
    known = {name: surfaces_of(sample.recorded[name]) for name in spec.underlyings}
    shapes = {name: typical_shape(ones) for name, ones in known.items()}
    surfaces = {name: RecordedSurfaces(ones) for name, ones in known.items()}
    models: tuple[Model, ...] = (Anchored(shapes), RecordedLevel(surfaces, shapes), RecordedSmile(surfaces))
    made = SyntheticFeed(
        {name: past_of(sample.recorded[name]) for name in spec.underlyings}, sample.books, models[0],
        start_ms=spec.start_ms, end_ms=spec.end_ms, seed=spec.seed,
    )  # fmt: skip
    flows, payoffs = dict.fromkeys(PRICES, 0.0), {"synthetic": 0.0, "recorded": 0.0}
    trades = unquoted = 0
    for fact in facts:
        body = fact.body
        if isinstance(body, Filled):
            prices, missing = _prices(sample, models, recorded, instants, fact.at_ms, body)
            sign = 1.0 if body.side is Side.SELL else -1.0
            for name, price in zip(PRICES, prices, strict=True):
                flows[name] += sign * float(body.amount * body.currency_index) * price
            trades, unquoted = trades + 1, unquoted + missing
        elif isinstance(body, Settled):
            for name, feed in (("synthetic", made), ("recorded", recorded)):
                payoffs[name] += _payoff_usd(feed, body)
    return SameTrades(trades, unquoted, flows, payoffs)


def _prices(
    sample: SampleData,
    models: Sequence[Model],
    recorded: Feed,
    instants: Sequence[int],
    at_ms: int,
    trade: Filled,
) -> tuple[list[float], int]:
    """The trade's price at each of PRICES, and whether one of them is a mark for want of a quote."""
    own = parse_instrument(trade.instrument).product
    chain = recorded.chain(own.code, at_ms)
    row = chain.table.row_of[trade.instrument]
    past = past_of(sample.recorded[own.underlying])
    found, missing = [], 0
    for model in models:
        iv = model.iv(past, own.underlying, at_ms, chain.index_price, chain.table, chain.forward)
        years = years_to(chain.table.expiry_ms, at_ms)
        quoted = quote_columns(
            chain.table, sample.books[own.code], chain.index_price, chain.forward, years, iv
        )
        made = OptionChain(chain.table, at_ms, chain.index_price, chain.forward, *quoted)
        found.append(made)
    last = instants[max(int(np.searchsorted(instants, at_ms, side="right")) - 1, 0)]
    found.append(with_spreads(found[-1], recorded.chain(own.code, last)))
    prices = []
    for one in found:
        side = one.bid if trade.side is Side.SELL else one.ask
        known = bool(np.isfinite(side[row]))
        missing |= not known
        prices.append(float(side[row] if known else one.mark[row]))
    return [*prices, float(trade.price)], int(missing)


def _payoff_usd(feed: Feed, settled: Settled) -> float:
    """What the leg's end is worth at the feed's delivery price."""
    one = parse_instrument(settled.instrument)
    inverse = one.product.family is Family.INVERSE
    delivery = feed.delivery_price(one.product.index_name, one.expiry_ms)
    value = payoff(float(one.strike), delivery, one.is_call, inverse)
    return float(settled.position) * value * (delivery if inverse else float(settled.currency_index))
