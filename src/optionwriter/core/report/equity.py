"""Equity: the account's worth over time, against what merely holding the deposits would be worth.

Owns how a curve of any length is kept in few points. Keeps: the first and the last point, the newest ones all, and of
the older ones in each equal stretch of time the highest, the lowest and both ends of the worst fall, so that the
worst fall of the whole curve is exactly that of all its points. A cycle without prices is a gap, and stays one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from optionwriter.core.report.views import AccountView

MOST_POINTS = 2_000
NEWEST = 500  # kept one by one
STRETCHES = 250  # of the older ones, at most five points each


class Point(NamedTuple):
    """One instant. None is what could not be known then; `currencies`: (equity, deposits held) of each, in its unit."""

    at_ms: int
    equity_usd: float | None
    holding_usd: float | None
    currencies: Mapping[str, tuple[float | None, float | None]]


def point_of(view: AccountView) -> Point:
    """The curve's next point: dollars to the cent, coins to 1e-8."""
    return Point(
        view.at_ms,
        _rounded(view.equity_usd, 2),
        _rounded(view.holding_usd, 2),
        {
            one.currency: (
                _rounded(one.equity, 8),
                None if one.pnl is None else _rounded(one.pnl.deposited, 8),
            )
            for one in view.currencies
        },
    )


def with_point(points: Sequence[Point], point: Point) -> list[Point]:
    """The curve with one more point; whatever lies at or after its instant gives way (a market that began anew)."""
    kept = list(points)
    while kept and kept[-1].at_ms >= point.at_ms:
        kept.pop()
    kept.append(point)
    return thinned(kept) if len(kept) > MOST_POINTS else kept


def thinned(points: Sequence[Point]) -> list[Point]:
    """Far fewer than MOST_POINTS, see the module's promise."""
    older, newest = points[1:-NEWEST], points[-NEWEST:]
    if not older:
        return list(points)
    start, span = older[0].at_ms, older[-1].at_ms - older[0].at_ms + 1
    stretches: dict[int, list[Point]] = {}
    for point in older:
        stretches.setdefault((point.at_ms - start) * STRETCHES // span, []).append(point)
    return [points[0], *(one for stretch in stretches.values() for one in _telling(stretch)), *newest]


def _telling(stretch: Sequence[Point]) -> Iterator[Point]:
    """The points of a stretch that may not go, in their order."""
    known = [place for place, point in enumerate(stretch) if point.equity_usd is not None]
    gap = next((place for place, point in enumerate(stretch) if point.equity_usd is None), None)
    keep = set() if gap is None else {gap}
    if known:
        worth = [point.equity_usd or 0.0 for point in stretch]
        keep |= {max(known, key=worth.__getitem__), min(known, key=worth.__getitem__)}
        peak = top = low = known[0]
        for place in known:
            if worth[place] > worth[peak]:
                peak = place
            if worth[peak] - worth[place] > worth[top] - worth[low]:
                top, low = peak, place
        keep |= {top, low}
    return (stretch[place] for place in sorted(keep))


def columns(points: Sequence[Point]) -> dict[str, Any]:
    """The curve as columns of equal length; a currency that was not there yet has gaps."""
    codes = sorted({code for point in points for code in point.currencies})
    nothing = (None, None)
    return {
        "at_ms": [point.at_ms for point in points],
        "equity_usd": [point.equity_usd for point in points],
        "holding_usd": [point.holding_usd for point in points],
        "currencies": {
            code: {
                "equity": [point.currencies.get(code, nothing)[0] for point in points],
                "holding": [point.currencies.get(code, nothing)[1] for point in points],
            }
            for code in codes
        },
    }


def points_of(kept: object) -> list[Point]:
    """The points of columns that were kept. Errors: ValueError for anything that `columns` can't have made."""
    try:
        return list(_read(kept))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no curve: {error!r}") from None


def _read(kept: Any) -> Iterator[Point]:
    codes = {
        str(code): zip(one["equity"], one["holding"], strict=True) for code, one in kept["currencies"].items()
    }
    last = -1
    for at_ms, equity, holding in zip(kept["at_ms"], kept["equity_usd"], kept["holding_usd"], strict=True):
        if type(at_ms) is not int or at_ms <= last:
            raise ValueError(f"no curve: {at_ms!r} follows {last}")
        last = at_ms
        both = {code: next(pairs, (None, None)) for code, pairs in codes.items()}
        yield Point(
            at_ms,
            _number(equity),
            _number(holding),
            {c: (_number(a), _number(b)) for c, (a, b) in both.items()},
        )


def _number(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"no curve: {value!r} is no number")
    return float(value)


def _rounded(value: Decimal | None, digits: int) -> float | None:
    return None if value is None or not value.is_finite() else round(float(value), digits)
