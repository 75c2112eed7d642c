"""Price chart: each underlying's price through a run with its positions drawn on it, as points of an SVG.

A position's leg is a line at its strike from the instant when it was opened to that when it ended, in the colour of the
position's result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optionwriter.core.market.instruments import parse_instrument
from optionwriter.core.report.run import ChainRow
from optionwriter.web.format import places, sign
from optionwriter.web.lab.frame import Frame, stamp


def price_charts(curve: Mapping[str, Any], chains: Sequence[ChainRow]) -> list[dict[str, Any]]:
    """A picture for each underlying that something was written on, by its name."""
    names = sorted({one.underlying for one in chains})
    return [found for name in names if (found := _chart(name, curve, chains)) is not None]


def _chart(name: str, curve: Mapping[str, Any], chains: Sequence[ChainRow]) -> dict[str, Any] | None:
    at_ms: Sequence[int] = curve.get("at_ms", ())
    prices: Sequence[float] = curve.get(f"price_{name}", ())
    if len(at_ms) < 2 or len(prices) != len(at_ms):
        return None
    legs = [leg for one in chains if one.underlying == name for leg in _legs(one, at_ms[-1])]
    frame = Frame.around(at_ms, [*prices, *(one["strike"] for one in legs)])
    return {
        "underlying": name,
        "line": frame.points(at_ms, prices),
        "legs": [
            {
                "x1": f"{frame.x(one['from']):.1f}",
                "x2": f"{frame.x(one['to']):.1f}",
                "y": f"{frame.y(one['strike']):.1f}",
                "sign": one["sign"],
                "text": one["text"],
            }
            for one in legs
        ],
        "grid": frame.grid(),
        "first": stamp(at_ms[0])[:10],
        "last": stamp(at_ms[-1])[:10],
    }


def _legs(chain: ChainRow, end_ms: int) -> list[dict[str, Any]]:
    detail: Any = chain.detail
    return [
        {
            "from": leg["opened_ms"],
            "to": min(leg["closed_ms"] or end_ms, end_ms),
            "strike": float(parse_instrument(leg["instrument"]).strike),
            "sign": sign(chain.pnl),
            "text": f"{leg['instrument']}: {places(chain.pnl_usd, 2, True)} USD",
        }
        for leg in detail.get("legs", ())
    ]
