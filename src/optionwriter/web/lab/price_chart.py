"""Price chart: each underlying's price through a run with its positions drawn on it, as points of an SVG.

A position's leg is a line at its strike from the instant when it was opened to that when it ended, in the colour of the
position's result: thin where it was bought, broken where a fill's price was not recorded as such (repriced, converted).
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
                "look": one["look"],
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
    flows: Any = detail.get("flows", ())
    return [_leg(chain, leg, end_ms, made_of(flows, leg["instrument"])) for leg in detail.get("legs", ())]


def _leg(chain: ChainRow, leg: Mapping[str, Any], end_ms: int, made: str) -> dict[str, Any]:
    looks = ("" if leg.get("sold", True) else "bought", "made" if made else "")
    way = "" if leg.get("sold", True) else "bought, "
    return {
        "from": leg["opened_ms"],
        "to": min(leg["closed_ms"] or end_ms, end_ms),
        "strike": float(parse_instrument(leg["instrument"]).strike),
        "sign": sign(chain.pnl),
        "look": " ".join(one for one in looks if one),
        "text": f"{leg['instrument']}: {way}{places(chain.pnl_usd, 2, True)} USD"
        + (f" ({made})" if made else ""),
    }


def made_of(flows: Sequence[Mapping[str, Any]], instrument: str = "") -> str:
    """How many fills (of the leg, where one is named) had a price that was not recorded as such; "" for none."""
    mine = [one for one in flows if not instrument or one.get("instrument") == instrument]
    told = ((word, sum(bool(one.get(word)) for one in mine)) for word in ("repriced", "converted"))
    return ", ".join(f"{count} {word}" for word, count in told if count)
