"""Values: the small vocabulary of the wire, exact numbers out of feeds and requests, and how they are written.

A float becomes the Decimal that its shortest text shows (0.0005 and not 0.000500000000000000010…): that is the number
the wire carries, in both directions. A Decimal is written as a JSON number without an exponent and without needless
zeros (0.0005, 2.0), so that reading it back gives the same decimal; a float as its shortest text.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TypeAlias

import msgspec

JsonValue: TypeAlias = object
Json: TypeAlias = dict[str, JsonValue]

ZERO = Decimal(0)
_AS_IS = frozenset((str, int, float, bool, type(None), msgspec.Raw))


def exact(value: float) -> Decimal:
    """The decimal number that the wire shows for `value`; it must be finite."""
    return Decimal(repr(float(value)))


def known(value: float) -> Decimal | None:
    """The same; None for NaN, a column's missing number."""
    return None if value != value else exact(value)


def rounded(value: Decimal, places: int) -> Decimal:
    """`value` at `places` decimals, half-even, as numbers for show are rounded on the wire."""
    return value.quantize(Decimal(1).scaleb(-places))


def number_text(value: Decimal) -> str:
    """The JSON number that stands for `value`: 2.0, 0.00000012, -1.5."""
    if not value.is_finite():
        raise ValueError(f"{value} is no number for the wire")
    if not value:
        return "0.0"  # and never -0.0
    text = f"{value:f}"
    if "." not in text:
        return f"{text}.0"
    text = text.rstrip("0")
    return f"{text}0" if text.endswith(".") else text


def plain(value: JsonValue) -> JsonValue:
    """The value with every Decimal in it as its number's text."""
    if type(value) in _AS_IS:
        return value
    if isinstance(value, Decimal):
        return msgspec.Raw(number_text(value).encode())
    if isinstance(value, dict):
        return {key: one if type(one) in _AS_IS else plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value


def written(value: JsonValue) -> msgspec.Raw:
    """The value as the wire shows it, done once and for all."""
    return msgspec.Raw(msgspec.json.encode(plain(value)))
