"""Option names in columns: read into product, expiry, strike and type, and made where a file has only the parts.

Takes every product that is spelt as the exchange spells options, also those this project does not trade.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache

import polars as pl

from optionwriter.core.market.instruments import expiry_at, expiry_code, strike_code

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_OPTION = re.compile(r"([A-Z0-9]+(?:_[A-Z]+)?)-(\d{1,2})([A-Z]{3})(\d{2})-(\d+(?:[d.]\d+)?)-([CP])")
_SCHEMA = {
    "instrument_name": pl.String(),
    "underlying": pl.String(),
    "expiry_ms": pl.Int64(),
    "strike": pl.Float64(),
    "option_type": pl.String(),
}


@lru_cache(maxsize=65_536)
def option_parts(name: str) -> tuple[str, int, float, str] | None:
    """(product, expiry in ms, strike, C or P); None where it is no option's name."""
    match = _OPTION.fullmatch(name)
    if match is None:
        return None
    code, day, month, year, strike, letter = match.groups()
    try:
        expiry = expiry_at(date(2000 + int(year), _MONTHS.index(month) + 1, int(day)))
        price = float(Decimal(strike.replace("d", ".")))
    except (ValueError, InvalidOperation):
        return None
    return (code, expiry, price, letter) if price > 0 and not day.startswith("0") else None


def linear(code: str) -> bool:
    """Whether a product's options are priced in USDC rather than in the coin."""
    return "_" in code


def expiry_of(text: str) -> int | None:
    """An expiry as names spell it, 6DEC25, or as a day, 2025-12-06; in ms, 08:00 UTC."""
    parts = option_parts(f"X-{text.strip().upper()}-1-C")
    if parts is not None:
        return parts[1]
    try:
        found = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        return None
    return expiry_at((found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC).date())


def name_of(code: str, expiry_ms: int, strike: float, letter: str) -> str:
    """The exchange's name of an option."""
    return f"{code}-{expiry_code(expiry_ms)}-{strike_code(Decimal(repr(strike)))}-{letter}"


def with_parts(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with underlying, expiry_ms, strike and option_type read from its names; null where they are none."""
    names = frame["instrument_name"].unique(maintain_order=True).drop_nulls()
    found = [(name, *parts) for name in names.to_list() if (parts := option_parts(name)) is not None]
    table = pl.DataFrame(found, schema=_SCHEMA, orient="row")
    own = frame.drop([name for name in _SCHEMA if name != "instrument_name" and name in frame.columns])
    return own.join(table, on="instrument_name", how="left", maintain_order="left")
