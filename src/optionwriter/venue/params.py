"""Params: a request's named parameters, read leniently in form and strictly in value.

Query strings carry every value as text, bodies carry JSON: both are read. Unknown parameters are ignored (whether the
exchange does so is not documented: assumed). A value that makes no sense is -32602 with its name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

import msgspec

from optionwriter.venue.errors import invalid
from optionwriter.venue.values import exact

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_MAX_MAGNITUDE = 30  # powers of ten: far beyond any amount, price or instant, and safe to compute with


@dataclass(frozen=True, slots=True)
class Params:
    """Typed reading of one request's parameters."""

    raw: Mapping[str, object]

    def has(self, name: str) -> bool:
        """Whether it was sent, and not as null."""
        return self.raw.get(name) is not None

    def text(self, name: str, default: str = "") -> str:
        """A string; numbers are taken as their text (order ids of BTC are plain digits)."""
        value = self.raw.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise invalid(name, "must be a string")
        return str(value)

    def required(self, name: str) -> str:
        """A string that must be there."""
        value = self.text(name)
        if not value:
            raise invalid(name, "value required")
        return value

    def choice(self, name: str, allowed: Sequence[str], default: str = "") -> str:
        """One of `allowed`."""
        value = self.text(name, default)
        if value not in allowed:
            raise invalid(name, f"must be one of {', '.join(allowed)}")
        return value

    def number(self, name: str) -> Decimal | None:
        """A finite number as the wire shows it, None when it wasn't sent."""
        value = self.raw.get(name)
        if value is None:
            return None
        try:
            number = _decimal(value)
        except InvalidOperation:
            number = None
        if number is None or not number.is_finite() or (number and abs(number.adjusted()) > _MAX_MAGNITUDE):
            raise invalid(name, "must be a number")
        return number

    def integer(self, name: str, default: int, low: int | None = None, high: int | None = None) -> int:
        """A whole number in [low, high]."""
        value = self.number(name)
        if value is None:
            return default
        if value != value.to_integral_value():
            raise invalid(name, "must be an integer")
        if (low is not None and value < low) or (high is not None and value > high):
            raise invalid(name, f"must be between {low} and {high}")
        return int(value)

    def texts(self, name: str) -> list[str]:
        """One string or several: a list in a body, JSON's list as a query's text; empty when it wasn't sent."""
        value = self.raw.get(name)
        if isinstance(value, str) and value.startswith("["):
            try:
                value = msgspec.json.decode(value)
            except msgspec.DecodeError:
                raise invalid(name, "must be a string or a list of strings") from None
        several = value if isinstance(value, list) else [] if value is None else [value]
        if not all(isinstance(one, str) for one in several):
            raise invalid(name, "must be a string or a list of strings")
        return [str(one) for one in several]

    def instant(self, name: str) -> int:
        """Epoch milliseconds that must be there."""
        if not self.has(name):
            raise invalid(name, "value required")
        return self.integer(name, 0)

    def flag(self, name: str, default: bool = False) -> bool:
        """A boolean, also as the text true or false."""
        value = self.raw.get(name)
        if value is None:
            return default
        if isinstance(value, bool):
            return value
        if value in ("true", "false"):
            return value == "true"
        raise invalid(name, "must be a boolean")


def _decimal(value: object) -> Decimal | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return exact(value)
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        return None
    if isinstance(value, (int, str, Decimal)):
        return Decimal(value)
    return None


CURRENCIES = (
    "BTC",
    "ETH",
    "USDC",
    "USDT",
    "EURR",
    "SOL",
    "XRP",
    "STETH",
    "ETHW",
    "USYC",
    "PAXG",
    "BNB",
    "USDE",
)


def currency_of(params: Params, default: str | None = None, extra: Sequence[str] = ()) -> str:
    """The `currency` parameter, upper-cased; those without a market here are known and empty."""
    if not params.has("currency"):
        if default is None:
            raise invalid("currency", "value required")
        return default
    value = params.text("currency")
    for one in (*CURRENCIES, *extra):
        if value.upper() == one.upper():
            return one
    raise invalid("currency", "not supported")
