"""Instruments: names, expiries, contract rules, tick and size grids.

Owns the reading and writing of Deribit's instrument names and every grid a price or an amount must lie on.
Sources: FACTS §3 (recorded 2026-09-20 for BTC; ETH minimum recorded 2021; BTC_USDC and ETH_USDC measured on
December 2025 captures). An option always expires at 08:00:00 UTC.

Two circles: PRODUCTS is what the project trades, and `product` and `parse_instrument` know nothing else;
RECORDED_PRODUCTS is what it reads and keeps besides, for `recorded_product` and `parse_recorded` alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation
from enum import StrEnum
from functools import lru_cache

MS_PER_HOUR = 3_600_000
MS_PER_DAY = 86_400_000
MS_PER_YEAR = 365 * MS_PER_DAY  # ACT/365, as Deribit's mark prices (FACTS §4)
EXPIRY_HOUR_UTC = 8
_FRIDAY = 4

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_NAME = re.compile(r"([A-Z]+(?:_[A-Z]+)?)-(\d{1,2})([A-Z]{3})(\d{2})-(\d+(?:d\d+)?)-([CP])")


class InstrumentError(ValueError):
    """A name that is no option of a known product, or a number off its grid."""


class Family(StrEnum):
    """How an option is quoted and settled."""

    INVERSE = "inverse"  # priced and settled in the coin
    LINEAR = "linear"  # priced and settled in USDC


class OptionType(StrEnum):
    """Call or put, as Deribit spells it."""

    CALL = "call"
    PUT = "put"


@dataclass(frozen=True, slots=True)
class TickStep:
    """From prices above `above`, the tick is `tick`."""

    above: Decimal
    tick: Decimal


@dataclass(frozen=True, slots=True)
class Product:
    """One option book of the exchange: all options with the same underlying and family.

    `code` heads the instrument names ("BTC", "BTC_USDC"). `amount_step` is in coins of the underlying.
    """

    code: str
    underlying: str
    family: Family
    settlement_currency: str
    index_name: str
    tick_size: Decimal
    tick_steps: tuple[TickStep, ...]
    min_amount: Decimal
    amount_step: Decimal

    def tick_at(self, price: Decimal) -> Decimal:
        """The tick that a price must be a multiple of (tick_size_steps, FACTS §3)."""
        tick = self.tick_size
        for step in self.tick_steps:
            if price > step.above:
                tick = step.tick
        return tick

    def price_on_grid(self, price: Decimal) -> bool:
        """Whether the exchange takes this price (else error 10043)."""
        return price > 0 and price % self.tick_at(price) == 0

    def floor_price(self, price: Decimal) -> Decimal:
        """The highest price on the grid that is not above `price` (0 when there is none)."""
        tick = self.tick_at(price)
        return (price / tick).to_integral_value(rounding=ROUND_FLOOR) * tick

    def ceil_price(self, price: Decimal) -> Decimal:
        """The lowest price on the grid that is not below `price`."""
        tick = self.tick_at(price)
        up = (price / tick).to_integral_value(rounding=ROUND_CEILING) * tick
        coarse = self.tick_at(up)
        return up if coarse == tick else (up / coarse).to_integral_value(rounding=ROUND_CEILING) * coarse

    def amount_on_grid(self, amount: Decimal) -> bool:
        """Whether the exchange takes this amount (else error 10002 or 10021)."""
        return amount >= self.min_amount and amount % self.amount_step == 0

    def floor_amount(self, amount: Decimal) -> Decimal:
        """The largest tradable amount that is not above `amount`; 0 below the minimum. Never rounds up."""
        whole = (amount / self.amount_step).to_integral_value(rounding=ROUND_FLOOR) * self.amount_step
        return whole if whole >= self.min_amount else Decimal(0)


_D = Decimal
PRODUCTS: dict[str, Product] = {
    p.code: p
    for p in (
        Product("BTC", "BTC", Family.INVERSE, "BTC", "btc_usd", _D("0.0001"),
                (TickStep(_D("0.005"), _D("0.0005")),), _D("0.1"), _D("0.1")),
        Product("ETH", "ETH", Family.INVERSE, "ETH", "eth_usd", _D("0.0001"),
                (TickStep(_D("0.005"), _D("0.0005")),), _D("1"), _D("1")),
        Product("BTC_USDC", "BTC", Family.LINEAR, "USDC", "btc_usdc", _D("5"), (), _D("0.01"), _D("0.01")),
        Product("ETH_USDC", "ETH", Family.LINEAR, "USDC", "eth_usdc", _D("0.2"), (), _D("0.1"), _D("0.1")),
    )
}  # fmt: skip

# Read and recorded, never traded. SOL and PAXG: tick from every quote of the December 2025 captures, step from every
# open interest there; XRP: as recorded 2026-09-20 (FACTS §3), the captures agree; AVAX and TRX: contract sizes as
# announced in January 2026 (100 and 10,000 coins), ticks assumed: the captures hold no quote of theirs.
_QUOTED_ONLY = tuple(
    Product(
        f"{coin}_USDC", coin, Family.LINEAR, "USDC", f"{coin.lower()}_usdc", _D(tick), (), _D(lot), _D(lot)
    )
    for coin, tick, lot in (
        ("SOL", "0.1", "10"),
        ("XRP", "0.0005", "1000"),
        ("AVAX", "0.001", "100"),
        ("TRX", "0.0001", "10000"),
        ("PAXG", "0.5", "1"),
    )
)
RECORDED_PRODUCTS: dict[str, Product] = {**PRODUCTS, **{one.code: one for one in _QUOTED_ONLY}}


def product(code: str) -> Product:
    """The product named `code`; InstrumentError names the known ones."""
    try:
        return PRODUCTS[code]
    except KeyError:
        raise InstrumentError(f"unknown product {code!r}: known are {', '.join(PRODUCTS)}") from None


def recorded_product(code: str) -> Product:
    """The product named `code`, of those that are recorded too; InstrumentError names the known ones."""
    try:
        return RECORDED_PRODUCTS[code]
    except KeyError:
        raise InstrumentError(f"unknown product {code!r}: known are {', '.join(RECORDED_PRODUCTS)}") from None


@dataclass(frozen=True, slots=True)
class Instrument:
    """One listed option."""

    name: str
    product: Product
    expiry_ms: int
    strike: Decimal
    option_type: OptionType

    @property
    def is_call(self) -> bool:
        """Whether it is a call."""
        return self.option_type is OptionType.CALL

    def days_to_expiry(self, at_ms: int) -> float:
        """Days from `at_ms` to the expiry; negative after it."""
        return (self.expiry_ms - at_ms) / MS_PER_DAY


def expiry_at(day: date) -> int:
    """Epoch milliseconds of 08:00:00 UTC on `day`."""
    return int(datetime(day.year, day.month, day.day, EXPIRY_HOUR_UTC, tzinfo=UTC).timestamp() * 1000)


def next_expiry_instant(at_ms: int) -> int:
    """The first 08:00:00 UTC strictly after `at_ms`."""
    offset = EXPIRY_HOUR_UTC * MS_PER_HOUR
    return (at_ms - offset) // MS_PER_DAY * MS_PER_DAY + MS_PER_DAY + offset


def is_daily(expiry_ms: int) -> bool:
    """Whether an expiry is a daily, which pays no delivery fee: every one that is no Friday (FACTS §3, §4)."""
    return utc_day(expiry_ms).weekday() != _FRIDAY


def is_last_friday(expiry_ms: int) -> bool:
    """Whether an expiry is a month's: its last Friday."""
    return not is_daily(expiry_ms) and utc_day(expiry_ms).month != utc_day(expiry_ms + 7 * MS_PER_DAY).month


def utc_day(at_ms: int) -> date:
    """The UTC calendar day of an instant."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)).date()


@lru_cache(maxsize=4_096)
def expiry_code(expiry_ms: int) -> str:
    """An expiry as names spell it: 5AUG23, no leading zero."""
    day = utc_day(expiry_ms)
    return f"{day.day}{_MONTHS[day.month - 1]}{day.year % 100:02d}"


def strike_code(strike: Decimal) -> str:
    """A strike as names spell it: 80000, or 1d325 for 1.325."""
    text = f"{strike.normalize():f}"
    return text.replace(".", "d")


def option_name(code: str, expiry_ms: int, strike: Decimal, option_type: OptionType) -> str:
    """The exchange's name of an option."""
    letter = "C" if option_type is OptionType.CALL else "P"
    return f"{code}-{expiry_code(expiry_ms)}-{strike_code(strike)}-{letter}"


@lru_cache(maxsize=65_536)
def parse_instrument(name: str) -> Instrument:
    """Reads an option's name, e.g. BTC-27MAR26-80000-C, XRP_USDC-21SEP26-1d325-C.

    Errors: InstrumentError names what is wrong; names of products this project doesn't trade are refused.
    """
    return _parse(name, product)


@lru_cache(maxsize=65_536)
def parse_recorded(name: str) -> Instrument:
    """The same for every product that is recorded. Errors: InstrumentError."""
    return _parse(name, recorded_product)


def _parse(name: str, known: Callable[[str], Product]) -> Instrument:
    match = _NAME.fullmatch(name)
    if match is None:
        raise InstrumentError(f"{name!r} is no option name such as BTC-27MAR26-80000-C")
    code, day, month, year, strike, letter = match.groups()
    if month not in _MONTHS or day.startswith("0"):
        raise InstrumentError(
            f"{name!r} has no valid expiry: days have no leading zero, months are JAN to DEC"
        )
    try:
        expiry = date(2000 + int(year), _MONTHS.index(month) + 1, int(day))
        price = Decimal(strike.replace("d", "."))
    except (ValueError, InvalidOperation) as error:
        raise InstrumentError(f"{name!r}: {error}") from None
    if price <= 0:
        raise InstrumentError(f"{name!r} has no strike above zero")
    option_type = OptionType.CALL if letter == "C" else OptionType.PUT
    return Instrument(name, known(code), expiry_at(expiry), price, option_type)
