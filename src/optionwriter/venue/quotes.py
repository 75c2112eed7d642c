"""Quotes: the feed's market as the engine trades on it, and how much of it has been taken.

Prices come from the feed alone. What takers and makers consume of a quote is remembered for the rest of its minute,
so that liquidity is finite; the next minute's quote is whole again (a choice of this engine).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from optionwriter.core.books.account import Side
from optionwriter.core.books.settlement import payoff
from optionwriter.core.market.chain import OptionChain
from optionwriter.core.market.instruments import Family, Instrument, InstrumentError, parse_instrument
from optionwriter.ports import Feed
from optionwriter.venue.errors import FeedError, VenueError, invalid
from optionwriter.venue.rules import MS_PER_MINUTE, last_settlement
from optionwriter.venue.values import ZERO, exact, known, rounded

PERCENT_GRAIN = Decimal("0.01")  # of volatilities on the wire


@dataclass(frozen=True, slots=True)
class Quote:
    """One option's quote. A side that is not quoted has price None and size 0; sizes are whole lots."""

    instrument: Instrument
    at_ms: int
    index: Decimal
    forward: Decimal
    mark: Decimal
    mark_iv: Decimal  # percent
    bid: Decimal | None
    ask: Decimal | None
    bid_size: Decimal
    ask_size: Decimal
    open_interest: Decimal
    volume: Decimal

    def opposite(self, side: Side) -> tuple[Decimal | None, Decimal]:
        """(price, size) that an order of `side` would trade with."""
        return (self.ask, self.ask_size) if side is Side.BUY else (self.bid, self.bid_size)


@dataclass(slots=True)
class Liquidity:
    """What has been taken of each quote's side in its minute. `version` changes whenever that does."""

    minute: int = -1
    taken: dict[tuple[str, Side], Decimal] = field(default_factory=dict)
    version: int = 0

    def at(self, at_ms: int) -> None:
        """Forgets what belongs to an earlier minute."""
        minute = at_ms // MS_PER_MINUTE
        if minute != self.minute:
            self.minute = minute
            if self.taken:
                self.taken.clear()
                self.version += 1

    def left(self, name: str, side: Side, size: Decimal) -> Decimal:
        """What an order of `side` still finds of `size`."""
        return max(ZERO, size - self.taken.get((name, side), ZERO))

    def take(self, name: str, side: Side, amount: Decimal) -> None:
        """An order of `side` took `amount`."""
        self.taken[(name, side)] = self.taken.get((name, side), ZERO) + amount
        self.version += 1


@dataclass(slots=True)
class MarketView:
    """The feed, with the last instant's answers kept."""

    feed: Feed
    _chains: dict[str, OptionChain] = field(default_factory=dict)
    _quotes: dict[str, Quote] = field(default_factory=dict)
    _quotes_ms: int = -1
    _settled: dict[str, tuple[int, Decimal | None]] = field(default_factory=dict)
    _names: dict[str, tuple[tuple[str, ...], frozenset[str]]] = field(default_factory=dict)

    def index(self, name: str, at_ms: int) -> Decimal:
        """An index, USD."""
        return exact(self.feed.index(name, at_ms))

    def listed(self, product_code: str, at_ms: int) -> frozenset[str]:
        """Names of the product's open options."""
        if product_code not in self.feed.products:
            return frozenset()
        names = self.feed.listed(product_code, at_ms)
        kept = self._names.get(product_code)
        if kept is None or kept[0] != names:
            kept = (names, frozenset(names))
            self._names[product_code] = kept
        return kept[1]

    def chain(self, product_code: str, at_ms: int) -> OptionChain:
        """Quotes of everything listed."""
        chain = self._chains.get(product_code)
        if chain is None or chain.at_ms != at_ms:
            chain = self.feed.chain(product_code, at_ms)
            self._chains[product_code] = chain
        return chain

    def quote(self, name: str, at_ms: int) -> Quote:
        """One option's quote."""
        return self.quotes((name,), at_ms)[name]

    def quotes(self, names: Iterable[str], at_ms: int) -> dict[str, Quote]:
        """Quotes by name; each is fetched once an instant. Errors: FeedError for an option without a mark."""
        if self._quotes_ms != at_ms:
            self._quotes.clear()
            self._quotes_ms = at_ms
        wanted = tuple(names)
        missing: dict[str, list[str]] = {}
        for name in wanted:
            if name in self._quotes:
                continue
            instrument = parse_instrument(name)
            if instrument.expiry_ms <= at_ms:
                self._quotes[name] = self._delivered(instrument, at_ms)
            else:
                missing.setdefault(instrument.product.code, []).append(name)
        for code, absent in missing.items():
            chain = self.feed.quotes(code, tuple(absent), at_ms)
            for name in absent:
                self._quotes[name] = read_quote(chain, name)
        return {name: self._quotes[name] for name in wanted}

    def settlement_marks(self, names: Iterable[str], at_ms: int) -> dict[str, Decimal | None]:
        """The marks at the latest 08:00 UTC, None for an option that wasn't listed then."""
        settled_ms = last_settlement(at_ms)
        wanted = tuple(names)
        missing: dict[str, list[str]] = {}
        for name in wanted:
            kept = self._settled.get(name)
            if kept is None or kept[0] != settled_ms:
                self._settled[name] = (settled_ms, None)
                code = parse_instrument(name).product.code
                if settled_ms >= self.feed.start_ms and name in self.listed(code, settled_ms):
                    missing.setdefault(code, []).append(name)
        for code, absent in missing.items():
            chain = self.feed.quotes(code, tuple(absent), settled_ms)
            for name in absent:
                self._settled[name] = (settled_ms, read_quote(chain, name).mark)
        return {name: self._settled[name][1] for name in wanted}

    def _delivered(self, instrument: Instrument, at_ms: int) -> Quote:
        """An expired option is worth its payoff at the delivery price, and nobody quotes it."""
        product = instrument.product
        price = exact(self.feed.delivery_price(product.index_name, instrument.expiry_ms))
        value = payoff(instrument.strike, price, instrument.is_call, product.family is Family.INVERSE)
        return Quote(
            instrument, at_ms, price, price, rounded(value, 8), ZERO, None, None, ZERO, ZERO, ZERO, ZERO
        )

    def tradable(self, name: str, at_ms: int) -> Instrument:
        """The instrument of an order. Refusals: malformed, unknown (10020), expired (10012)."""
        try:
            instrument = parse_instrument(name)
        except InstrumentError:
            raise invalid("instrument_name", "wrong format") from None
        code = instrument.product.code
        if instrument.expiry_ms <= at_ms:
            before = max(self.feed.start_ms, instrument.expiry_ms - 1)
            raise VenueError(10012 if name in self.listed(code, before) else 10020)
        if name not in self.listed(code, at_ms):
            raise VenueError(10020)
        return instrument

    def known(self, name: str, at_ms: int) -> Instrument:
        """An open option named by a public request. Refusals: malformed, or 13020 not_found."""
        try:
            return self.tradable(name, at_ms)
        except VenueError as refusal:
            if refusal.code in (10012, 10020):
                raise VenueError(13020) from None
            raise


def read_quote(chain: OptionChain, name: str) -> Quote:
    """A chain's row as exact numbers. Errors: FeedError when the mark or its volatility is missing."""
    row = chain.table.row_of[name]
    instrument = parse_instrument(name)
    mark, mark_iv = known(chain.mark[row]), known(chain.mark_iv[row])
    if mark is None or mark_iv is None:
        raise FeedError(
            f"the feed gives no mark for {name} at {chain.at_ms}: the sample is torn, make it anew"
        )
    bid, ask = known(chain.bid[row]), known(chain.ask[row])
    floor = instrument.product.floor_amount
    return Quote(
        instrument=instrument,
        at_ms=chain.at_ms,
        index=exact(chain.index_price),
        forward=exact(chain.forward[row]),
        mark=mark,
        mark_iv=(mark_iv * 100).quantize(PERCENT_GRAIN).normalize(),
        bid=bid or None,
        ask=ask or None,
        bid_size=ZERO if not bid else floor(known(chain.bid_size[row]) or ZERO),
        ask_size=ZERO if not ask else floor(known(chain.ask_size[row]) or ZERO),
        open_interest=known(chain.open_interest[row]) or ZERO,
        volume=known(chain.volume[row]) or ZERO,
    )
