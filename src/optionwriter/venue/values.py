"""Values: the small vocabulary of the wire, and exact numbers out of feeds and requests.

A float becomes the Decimal that its shortest text shows (0.0005 and not 0.000500000000000000010…): that is the number
the wire carries, in both directions.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TypeAlias

JsonValue: TypeAlias = object
Json: TypeAlias = dict[str, JsonValue]

ZERO = Decimal(0)


def exact(value: float) -> Decimal:
    """The decimal number that the wire shows for `value`; it must be finite."""
    return Decimal(repr(float(value)))


def known(value: float) -> Decimal | None:
    """The same; None for NaN, a column's missing number."""
    return None if value != value else exact(value)


def rounded(value: Decimal, places: int) -> Decimal:
    """`value` at `places` decimals, half-even, as numbers for show are rounded on the wire."""
    return value.quantize(Decimal(1).scaleb(-places))
