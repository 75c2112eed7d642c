"""What is known of an underlying's past at an instant: hourly candles and the volatility index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from optionwriter.core.market.chain import F64, I64
from optionwriter.core.market.instruments import MS_PER_DAY

if TYPE_CHECKING:
    from optionwriter.core.market.event_risk import EventRisk

HISTORY_DAYS = 5 * 365 + 1  # pump and crash risk are calibrated on it (docs/market-context.md)


@dataclass(frozen=True, slots=True, eq=False)
class Candles:
    """Closed hourly candles, ascending by `open_ms`, gaps left out; prices in USD. All columns of one length."""

    open_ms: I64
    open: F64
    high: F64
    low: F64
    close: F64


@dataclass(frozen=True, slots=True, eq=False)
class VolatilityIndex:
    """The volatility index (DVOL), ascending; `at_ms` is when the value was known; percent points (43.2)."""

    at_ms: I64
    value: F64


@dataclass(frozen=True, slots=True, eq=False)
class PriceHistory:
    """Everything that was known of one underlying's past at `at_ms`; nothing from after it.

    `risks`, where whoever shows the past has them, are pump and crash risk as of the last midnight: what
    event_risk.event_risks makes of this past.
    """

    underlying: str
    at_ms: int
    candles: Candles
    volatility_index: VolatilityIndex
    risks: tuple[EventRisk, EventRisk] | None = None


def history_start(now_ms: int) -> int:
    """From when prices and the index are asked for, live and on a tape alike: a midnight."""
    return (now_ms // MS_PER_DAY - HISTORY_DAYS) * MS_PER_DAY
