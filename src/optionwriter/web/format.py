"""Format: published values as people read them. The one place where numbers and instants become words on a page.

Values come as decimal text or floats and leave as text: digits grouped, a true minus sign, a dash for what is not
known. Nothing is computed here but the rounding that is shown and the age of an instant.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

UNKNOWN = "—"
MINUS = "−"
DOLLARS = frozenset(("USD", "USDC", "USDT"))
COIN_PLACES = 6


def number_of(value: Any) -> Decimal | None:
    """The finite number that a published value is, else None."""
    if value is None or isinstance(value, bool):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def places(value: Any, digits: int = 2, signed: bool = False) -> str:
    """A number to so many places."""
    number = number_of(value)
    if number is None:
        return UNKNOWN
    text = f"{number:{'+' if signed else ''},.{digits}f}"
    if not text.strip("+-0.,"):
        text = text.lstrip("+-")  # no -0.00
    return text.replace("-", MINUS)


def exact(value: Any, most: int = 8) -> str:
    """All the digits that say something, of at most so many places."""
    number = number_of(value)
    if number is None:
        return UNKNOWN
    text = places(number, most)
    return text.rstrip("0").rstrip(".") if "." in text else text


def amount(value: Any, currency: str, signed: bool = False) -> str:
    """An amount of a currency, without its name: dollars to the cent, coin to six places."""
    return places(value, 2 if currency in DOLLARS else COIN_PLACES, signed)


def price(value: Any, currency: str) -> str:
    """An option's price: dollars to the cent, coin as quoted, four places at least."""
    if currency in DOLLARS:
        return places(value)
    text = exact(value, COIN_PLACES)
    whole, point, rest = text.partition(".")
    return f"{whole}.{rest:0<4}" if point else text


def strike(value: Any) -> str:
    """A strike, or a whole number of dollars."""
    return exact(value, 4)


def percent(fraction: Any, digits: int = 1, signed: bool = False) -> str:
    """A fraction as percent."""
    number = number_of(fraction)
    return UNKNOWN if number is None else f"{places(number.scaleb(2), digits, signed)}%"


def points(value: Any, digits: int = 1, signed: bool = False) -> str:
    """What already is in percent."""
    number = number_of(value)
    return UNKNOWN if number is None else f"{places(number, digits, signed)}%"


def sign(value: Any) -> str:
    """The class that colours a result: gain, loss or flat."""
    number = number_of(value)
    return "flat" if number is None or number == 0 else "gain" if number > 0 else "loss"


def short(value: Any, digits: int = 3) -> str:
    """A diagnostic number to so many significant digits."""
    number = number_of(value)
    if number is None:
        return UNKNOWN
    if number == 0:
        return "0"
    most = max(0, digits - 1 - number.adjusted())
    return exact(number, min(most, 8)) if abs(number) < 1_000_000 else places(number, 0)


def utc(text: Any) -> str:
    """2026-01-17T08:00:00Z as 2026-01-17 08:00 UTC."""
    return UNKNOWN if not text else f"{str(text)[:16].replace('T', ' ')} UTC"


def day(text: Any) -> str:
    """The date of an instant."""
    return UNKNOWN if not text else str(text)[:10]


def clock(text: Any) -> str:
    """The time of day of an instant, UTC."""
    return UNKNOWN if not text else str(text)[11:16]


def span(seconds: float) -> str:
    """A duration as people say it."""
    for size, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} s"


def ago(at_ms: Any, now_ms: Any) -> str:
    """How long before `now_ms` an instant was; "" when either is not known."""
    then, now = number_of(at_ms), number_of(now_ms)
    if then is None or now is None:
        return ""
    return f"{span(max(0.0, float(now - then) / 1000))} ago"


def share(value: Any, most: Any = 1) -> str:
    """A part of a whole as the width of a bar, 0 to 100."""
    number, whole = number_of(value), number_of(most)
    if number is None or whole is None or whole <= 0:
        return "0"
    return f"{min(Decimal(1), abs(number) / whole) * 100:.2f}"


def words(text: Any) -> str:
    """A name of the code's as words."""
    return str(text).replace("_", " ")
