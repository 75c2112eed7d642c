"""Check: every check of a day of chains, in one go."""

from __future__ import annotations

from optionwriter.core.market.quality.arbitrage import arbitrage
from optionwriter.core.market.quality.chain_day import Around, ChainDay, day_text
from optionwriter.core.market.quality.completeness import completeness
from optionwriter.core.market.quality.discount import discounts
from optionwriter.core.market.quality.finding import DayQuality, judged
from optionwriter.core.market.quality.pricing import pricing, quotes, stale


def check_day(day: ChainDay, around: Around) -> DayQuality:
    """Findings, score and verdict of one asset's day."""
    if not len(day):
        return judged(day.asset, day_text(day.day_ms), 0, 0, completeness(day, around), {})
    factors = discounts(day)
    priced, measures = pricing(day, factors)
    found = [
        *completeness(day, around),
        *priced,
        *quotes(day),
        *stale(day, factors),
        *arbitrage(day, factors),
    ]
    return judged(day.asset, day_text(day.day_ms), int(day.snapshot[-1]) + 1, len(day), found, measures)
