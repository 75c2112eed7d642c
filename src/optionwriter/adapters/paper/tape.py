"""The quotes that paper trades on: what a source must give, and one quote as exact numbers.

Owns the price at which paper fills. `spread_share` is how much of the spread a fill keeps: 0 crosses it (sells at the
bid, buys at the ask), 0.5 is the mid; a price between ticks goes to the worse one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from optionwriter.core.books.account import Side
from optionwriter.core.market.chain import OptionChain
from optionwriter.core.market.instruments import Instrument, InstrumentError, parse_instrument

_ZERO = Decimal(0)
_PRICED = ("btc", "eth")


class QuoteSource(Protocol):
    """The little of ports.Feed that paper needs; a recorded or live market can be seen as one."""

    def index(self, index_name: str, at_ms: int) -> float:
        """The index, USD."""
        ...

    def quotes(self, product_code: str, names: Sequence[str], at_ms: int) -> OptionChain:
        """Quotes of the named options."""
        ...

    def delivery_price(self, index_name: str, expiry_ms: int) -> float:
        """The 30-minute average before `expiry_ms`, USD."""
        ...


def exact(value: float) -> Decimal:
    """The number that a float's shortest text shows, which is the one a wire would carry."""
    return Decimal(repr(float(value)))


@dataclass(frozen=True, slots=True)
class PaperQuote:
    """One option's quote. A side that isn't quoted has price None and size 0; sizes are whole lots."""

    option: Instrument
    index: Decimal
    forward: Decimal
    mark: Decimal
    bid: Decimal | None
    ask: Decimal | None
    bid_size: Decimal
    ask_size: Decimal

    def opposite(self, side: Side, spread_share: Decimal) -> tuple[Decimal | None, Decimal]:
        """(price, size) that an order of `side` trades at when `spread_share` of the spread is kept."""
        price, size = (self.ask, self.ask_size) if side is Side.BUY else (self.bid, self.bid_size)
        if price is None or spread_share == 0 or self.bid is None or self.ask is None:
            return price, size
        inside = price - side.sign * spread_share * (self.ask - self.bid)
        product = self.option.product
        return (product.ceil_price(inside) if side is Side.BUY else product.floor_price(inside)), size


@dataclass(slots=True)
class Tape:
    """A source, with the answers of the last instant kept."""

    source: QuoteSource
    _at_ms: int = -1
    _kept: dict[str, PaperQuote | None] = field(default_factory=dict)

    def quote(self, name: str, at_ms: int) -> PaperQuote | None:
        """One option's quote; None for one without a mark, which nobody can trade or value."""
        return self.quotes((name,), at_ms)[name]

    def quotes(self, names: Iterable[str], at_ms: int) -> dict[str, PaperQuote | None]:
        """Quotes by name."""
        if at_ms != self._at_ms:
            self._at_ms = at_ms
            self._kept.clear()
        wanted = tuple(names)
        missing: dict[str, list[str]] = {}
        for name in wanted:
            if name not in self._kept:
                missing.setdefault(parse_instrument(name).product.code, []).append(name)
        for code, absent in missing.items():
            chain = self.source.quotes(code, tuple(absent), at_ms)
            for name in absent:
                self._kept[name] = _read(chain, name)
        return {name: self._kept[name] for name in wanted}

    def delivery_price(self, index_name: str, expiry_ms: int) -> Decimal:
        """At which an expiry is settled."""
        return exact(self.source.delivery_price(index_name, expiry_ms))

    def usd_value(self, currency: str, at_ms: int) -> Decimal:
        """One unit of a currency in USD; USDC's is the quotient of a coin's two indices, for it has none of its own:
        Bitcoin's, or where the tape has none, Ether's. Errors: InstrumentError for a currency that the tape lacks."""
        if currency != "USDC":
            return exact(self.source.index(f"{currency.lower()}_usd", at_ms))
        for place, coin in enumerate(_PRICED):
            try:
                pair = [exact(self.source.index(f"{coin}_{unit}", at_ms)) for unit in ("usd", "usdc")]
            except InstrumentError:
                if place == len(_PRICED) - 1:
                    raise
                continue
            return (pair[0] / pair[1]).quantize(Decimal("1e-6"))
        raise AssertionError  # one of them returned or raised


def _read(chain: OptionChain, name: str) -> PaperQuote | None:
    row = chain.table.row_of.get(name)
    if row is None or chain.mark[row] != chain.mark[row] or chain.forward[row] != chain.forward[row]:
        return None
    option = parse_instrument(name)

    def side(price: float, size: float) -> tuple[Decimal | None, Decimal]:
        if not price > 0:  # NaN too
            return None, _ZERO
        lots = option.product.floor_amount(exact(size)) if size == size else _ZERO
        return exact(price), lots

    bid, bid_size = side(chain.bid[row], chain.bid_size[row])
    ask, ask_size = side(chain.ask[row], chain.ask_size[row])
    return PaperQuote(
        option=option,
        index=exact(chain.index_price),
        forward=exact(chain.forward[row]),
        mark=exact(chain.mark[row]),
        bid=bid,
        ask=ask,
        bid_size=bid_size,
        ask_size=ask_size,
    )
