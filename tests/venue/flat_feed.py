"""A small deterministic market for the engine's tests: an analytic path, one volatility, quotes that can be pinned.

Prices come from Black's formula written out here, so that the engine's greeks and marks meet an independent one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np

from optionwriter.core.market.chain import InstrumentTable, OptionChain
from optionwriter.core.market.history import Candles, VolatilityIndex
from optionwriter.core.market.instruments import (
    MS_PER_DAY,
    MS_PER_HOUR,
    MS_PER_YEAR,
    Family,
    OptionType,
    option_name,
    parse_instrument,
    product,
)

START = 1_767_225_600_000  # 2026-01-01 00:00:00 UTC
MINUTE = 60_000


@dataclass(frozen=True)
class Pin:
    """A quote set by hand from an instant on; None leaves that side unquoted."""

    from_ms: int
    bid: float | None
    ask: float | None
    bid_size: float = 10.0
    ask_size: float = 10.0
    mark: float | None = None


@dataclass
class FlatFeed:
    """ports.Feed over sines. `wave` scales the path's moves; `iv` is a fraction."""

    start_ms: int = START
    end_ms: int = START + 60 * MS_PER_DAY
    products: tuple[str, ...] = ("BTC", "ETH", "BTC_USDC", "ETH_USDC")
    iv: float = 0.5
    wave: float = 1.0
    expiries: int = 5
    strikes: int = 9
    pins: dict[str, list[Pin]] = field(default_factory=dict)
    calls: int = 0

    def pin(
        self,
        name: str,
        from_ms: int,
        bid: float | None,
        ask: float | None,
        bid_size: float = 10.0,
        ask_size: float = 10.0,
        mark: float | None = None,
    ) -> None:
        """Sets a quote from an instant on."""
        self.pins.setdefault(name, []).append(Pin(from_ms, bid, ask, bid_size, ask_size, mark))

    def _path(self, underlying: str, at_ms: int) -> float:
        days = (at_ms - START) / MS_PER_DAY
        move = 0.04 * math.sin(days * 0.9) + 0.015 * math.sin(days * 7.3 + 1) + 0.004 * math.sin(days * 91)
        return {"BTC": 80_000.0, "ETH": 3_000.0}[underlying] * math.exp(self.wave * move)

    def index(self, index_name: str, at_ms: int) -> float:
        return round(self._path(index_name.split("_")[0].upper(), at_ms), 2)

    def listed(self, product_code: str, at_ms: int) -> tuple[str, ...]:
        base, step = (80_000, 2_000) if "BTC" in product_code else (3_000, 100)
        first = (at_ms - 8 * MS_PER_HOUR) // MS_PER_DAY * MS_PER_DAY + MS_PER_DAY + 8 * MS_PER_HOUR
        names = []
        for day in range(self.expiries):
            for rung in range(-(self.strikes // 2), self.strikes // 2 + 1):
                for kind in OptionType:
                    strike = Decimal(base + step * rung)
                    names.append(option_name(product_code, first + day * MS_PER_DAY, strike, kind))
        return tuple(names)

    def forward(self, product_code: str, expiry_ms: int, at_ms: int) -> float:
        carry = 1 + 0.05 * (expiry_ms - at_ms) / MS_PER_YEAR
        return round(self._path(product_code.split("_")[0], at_ms) * carry, 4)

    def quotes(self, product_code: str, names: Sequence[str], at_ms: int) -> OptionChain:
        self.calls += 1
        one = product(product_code)
        table = InstrumentTable.of(one, tuple(names))
        rows = [self._row(name, at_ms) for name in names]
        columns = np.array(rows, dtype=np.float64).reshape(len(rows), 9).T
        return OptionChain(table, at_ms, self.index(one.index_name, at_ms), *columns)

    def _row(self, name: str, at_ms: int) -> tuple[float, ...]:
        option = parse_instrument(name)
        assert option.expiry_ms > at_ms, f"{name} asked for after its expiry"
        one = option.product
        forward = self.forward(one.code, option.expiry_ms, at_ms)
        worth = black(
            forward, float(option.strike), (option.expiry_ms - at_ms) / MS_PER_YEAR, self.iv, option.is_call
        )
        price = worth / forward  # in coin; a linear option costs as much, at the index
        price *= 1.0 if one.family is Family.INVERSE else self.index(one.index_name, at_ms)
        mark = round(price, 8)
        exact = Decimal(repr(mark))
        bid = float(one.floor_price(exact * Decimal("0.97"))) or math.nan
        ask = float(one.ceil_price(max(exact * Decimal("1.03"), one.tick_size)))
        sizes = (10.0, 10.0)
        for pin in self.pins.get(name, ()):
            if at_ms >= pin.from_ms:
                bid = math.nan if pin.bid is None else pin.bid
                ask = math.nan if pin.ask is None else pin.ask
                sizes = (pin.bid_size, pin.ask_size)
                mark = mark if pin.mark is None else pin.mark
        return (forward, mark, self.iv, bid, ask, *sizes, 25.0, 3.0)

    def chain(self, product_code: str, at_ms: int) -> OptionChain:
        return self.quotes(product_code, self.listed(product_code, at_ms), at_ms)

    def delivery_price(self, index_name: str, expiry_ms: int) -> float:
        underlying = index_name.split("_")[0].upper()
        points = [self._path(underlying, expiry_ms - k * 6_000) for k in range(300)]
        return round(math.fsum(points) / len(points), 2)

    def estimated_delivery_price(self, index_name: str, at_ms: int) -> float:
        return self.index(index_name, at_ms)

    def candles(self, underlying: str, start_ms: int, end_ms: int) -> Candles:
        first = -(-start_ms // MS_PER_HOUR) * MS_PER_HOUR
        opens = np.arange(first, max(first, end_ms - MS_PER_HOUR + 1), MS_PER_HOUR, dtype=np.int64)
        start = np.array([self._path(underlying, int(t)) for t in opens])
        end = np.array([self._path(underlying, int(t) + MS_PER_HOUR) for t in opens])
        return Candles(opens, start, np.maximum(start, end), np.minimum(start, end), end)

    def volatility_index(self, underlying: str, start_ms: int, end_ms: int) -> VolatilityIndex:
        first = -(-start_ms // MS_PER_HOUR) * MS_PER_HOUR
        at = np.arange(first, end_ms + 1, MS_PER_HOUR, dtype=np.int64)
        return VolatilityIndex(at, 40 + np.sin(at / 7e6))


def black(forward: float, strike: float, years: float, iv: float, is_call: bool) -> float:
    """Black's price in USD, rate 0."""
    spread = iv * math.sqrt(years)
    d1 = math.log(forward / strike) / spread + spread / 2
    call = forward * cdf(d1) - strike * cdf(d1 - spread)
    return call if is_call else call - forward + strike


def cdf(x: float) -> float:
    """The normal distribution function."""
    return (1 + math.erf(x / math.sqrt(2))) / 2
