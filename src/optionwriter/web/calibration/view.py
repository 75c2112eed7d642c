"""What the calibration page shows: tables and pictures of one held chain, as templates read them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from optionwriter.bootstrap.calibrator import LIVE_S
from optionwriter.web.calibration.smile_chart import LINES, smile_charts
from optionwriter.web.format import UNKNOWN, amount, places

_COIN_DIGITS = 6


def shown(told: Mapping[str, Any]) -> dict[str, Any]:
    """Of one answer of /api/calibration."""
    coin = str(told["product"]).partition("_")[2] or str(told["product"])
    models = [
        {"name": one["name"], "title": one["title"], "is_fit": one["is_fit"], **_errors(one["overall"], coin)}
        for one in told["models"]
        if one["overall"]["marks"]
    ]
    known = {one["name"] for one in models}
    return {
        "product": told["product"],
        "coin": coin,
        "at": datetime.fromtimestamp(told["at_ms"] / 1000, UTC).strftime("%Y-%m-%d %H:%M"),
        "marks": told["marks"],
        "live": _live(told["environment"], told["age_s"]),
        "multiplier": places(told["iv_multiplier"], 2),
        "level": [
            ("Realised volatility, 7 days", _points(told["realised_7d"])),
            ("Volatility index", _points(told["volatility_index"])),
            ("At the money, 30 days", _points(told["atm_30d"])),
        ],
        "models": models,
        "tables": [
            _table("Days to expiry", "by_tenor", told["models"], known),
            _table("Delta", "by_delta", told["models"], known),
        ],
        "best": [_best(name, one) for name, one in told["best"].items() if one["points"] is not None],
        "tenors": list(told["models"][0]["by_tenor"]),
        "charts": smile_charts(told["smiles"], told["at_ms"]),
        "lines": [name for name in LINES if name in known],
        "titles": {one["name"]: one["title"] for one in told["models"]},
        "notes": told["notes"],
    }


def _live(environment: str | None, age_s: float | None) -> str:
    """Of whose marks they are and how old; "" of recorded ones."""
    if environment is None or age_s is None:
        return ""
    whose = "the local exchange" if environment == "local" else f"Deribit {environment}"
    return f"live marks of {whose}, read {age_s:.0f} s ago, anew after {LIVE_S:.0f} s"


def _errors(row: Mapping[str, Any], coin: str) -> dict[str, str]:
    mae, bias = row["mae"], row["bias"]
    digits = 2 if coin == "USDC" else _COIN_DIGITS
    return {
        "points": places(mae["points"]),
        "points_bias": places(bias["points"], 2, True),
        "usd": amount(mae["usd"], "USD"),
        "usd_bias": amount(bias["usd"], "USD", True),
        "price": places(mae["price"], digits),
        "price_bias": places(bias["price"], digits, True),
    }


def _table(title: str, key: str, models: Any, known: set[str]) -> dict[str, Any]:
    """Points off in each bucket that has marks, a model a column."""
    used = [one for one in models if one["name"] in known]
    rows = [
        {
            "name": name,
            "marks": max(one[key][name]["marks"] for one in used),
            "cells": [_cell(one[key][name]) for one in used],
        }
        for name in used[0][key]
    ]
    return {
        "title": title,
        "id": key,
        "models": [one["name"] for one in used],
        "rows": [one for one in rows if one["marks"]],
    }


def _cell(row: Mapping[str, Any]) -> dict[str, str]:
    return {"mae": places(row["mae"]["points"], 1), "bias": places(row["bias"]["points"], 1, True)}


def _best(name: str, one: Mapping[str, Any]) -> dict[str, Any]:
    value = min(max(one["points"], 0.1), 10.0)
    return {
        "name": name,
        "points": places(one["points"], 3),
        "usd": places(one["usd"], 3),
        "use": f"{value:.3f}",
        "tenors": [places(tenor["points"], 2) for tenor in one["by_tenor"].values()],
    }


def _points(value: float | None) -> str:
    return UNKNOWN if value is None else places(value, 1)
