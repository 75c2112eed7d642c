"""Money in the loop: cash as whole booked units, prices as whole units of the grid, amounts as whole lots.

Owns the rounding: a float is put on its grain as the books put the exact number there, half-even. What an exact
product would hit (a whole, a half) the float misses by its last bits, so both are met within TINY; nothing real lies
that near without being it.
"""

from __future__ import annotations

import math

from optionwriter.core.compiled import compiled_part

TINY = 1e-9


@compiled_part
def booked(value: float) -> int:
    """The nearest whole number, halves to the even one."""
    low = math.floor(value)
    part = value - low
    tiny = TINY * (abs(value) if abs(value) > 1.0 else 1.0)
    tiny = tiny if tiny < 1e-3 else 1e-3
    if abs(part - 0.5) <= tiny:
        return int(low) if int(low) % 2 == 0 else int(low) + 1
    return int(low) if part < 0.5 else int(low) + 1


@compiled_part
def whole(value: float) -> int:
    """The largest whole number not above `value`, 0 for what is not above 0."""
    if not value > 0.0:
        return 0
    return math.floor(min(value, 1e15) * (1.0 + 1e-13) + 1e-12)


@compiled_part
def exceeds(value: float, limit: float) -> bool:
    """Whether `value` is above `limit` by more than rounding."""
    size = max(abs(value), abs(limit))
    return value - limit > 1e-12 * size


@compiled_part
def floor_units(units: float, fine: float, coarse: float, turn: float) -> int:
    """The highest price on the grid not above `units` (Product.floor_price in units)."""
    step = coarse if units > turn else fine
    return int(math.floor(units / step + TINY) * step)


@compiled_part
def ceil_units(units: float, fine: float, coarse: float, turn: float) -> int:
    """The lowest price on the grid not below `units` (Product.ceil_price in units)."""
    step = coarse if units > turn else fine
    up = math.ceil(units / step - TINY) * step
    again = coarse if up > turn else fine
    return int(up if again == step else math.ceil(up / again - TINY) * again)
