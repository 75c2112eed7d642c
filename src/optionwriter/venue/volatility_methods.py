"""Historical volatility: how much an index moved, hour by hour.

The exchange doesn't publish its formula. Here a point is the annualised standard deviation of the hourly log returns of
the 15 days before it, in percent (assumed); points begin at midnight 15 days ago and the first one comes twice (both
recorded).
"""

from __future__ import annotations

import numpy as np

from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR
from optionwriter.venue.errors import invalid
from optionwriter.venue.params import currency_of
from optionwriter.venue.request import Request
from optionwriter.venue.values import JsonValue

DAYS = 15
HOURS_PER_YEAR = 365 * 24
FEWEST_RETURNS = 24


def get_historical_volatility(request: Request) -> JsonValue:
    """[[timestamp, percent], …], ascending; empty while less than a day of prices is known."""
    currency = currency_of(request.params)
    if currency not in {one.underlying for one in request.products("any")}:
        raise invalid("currency", "not supported")
    now = request.now_ms
    first = now // MS_PER_DAY * MS_PER_DAY - DAYS * MS_PER_DAY
    candles = request.state.market.feed.candles(currency, first - DAYS * MS_PER_DAY - MS_PER_HOUR, now)
    closed_ms = candles.open_ms + MS_PER_HOUR
    returns = np.diff(np.log(candles.close))
    points: list[list[float]] = []
    for at_ms in range(first, now + 1, MS_PER_HOUR):
        until = int(np.searchsorted(closed_ms, at_ms, side="right")) - 1
        window = returns[max(0, until - DAYS * 24) : max(0, until)]
        if len(window) >= FEWEST_RETURNS:
            points.append([at_ms, round(float(np.std(window)) * HOURS_PER_YEAR**0.5 * 100, 6)])
    return points[:1] + points
