"""When paper trades and settles: the minute grid, and the seconds after 08:00 UTC.

The same choices as the local exchange makes; what FACTS doesn't settle is assumed.
"""

from __future__ import annotations

from optionwriter.core.market.instruments import EXPIRY_HOUR_UTC, MS_PER_DAY, MS_PER_HOUR

MINUTE_MS = 60_000  # resting orders are looked at on each full minute
_SETTLING_MS = 5_000  # "seconds" in FACTS §4; five are assumed


def next_minute(at_ms: int) -> int:
    """The first full minute after `at_ms`."""
    return (at_ms // MINUTE_MS + 1) * MINUTE_MS


def is_settling(at_ms: int) -> bool:
    """Whether orders are refused (10041): the first seconds from 08:00 UTC."""
    return (at_ms - EXPIRY_HOUR_UTC * MS_PER_HOUR) % MS_PER_DAY < _SETTLING_MS
