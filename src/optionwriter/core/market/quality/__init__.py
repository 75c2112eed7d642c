"""Quality: what is wrong with a day of recorded chains, or with a series of prices. Pure; columns in, findings out."""

from optionwriter.core.market.quality.chain_day import Around, ChainDay, Told, snapshots_of
from optionwriter.core.market.quality.check import check_day
from optionwriter.core.market.quality.finding import (
    LIMITS,
    RULES_VERSION,
    DayQuality,
    Finding,
    Limit,
    Severity,
    Verdict,
)
from optionwriter.core.market.quality.series import Series, check_series

__all__ = [
    "LIMITS",
    "RULES_VERSION",
    "Around",
    "ChainDay",
    "DayQuality",
    "Finding",
    "Limit",
    "Series",
    "Severity",
    "Told",
    "Verdict",
    "check_day",
    "check_series",
    "snapshots_of",
]
