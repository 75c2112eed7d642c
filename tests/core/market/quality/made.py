"""A day of recorded chains made from a smile, without a fault: marks by Black-76, quotes around them, the exchange's
expiries. Tests break one thing of it at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from optionwriter.core.market.black76 import price_delta
from optionwriter.core.market.instruments import (
    MS_PER_DAY,
    MS_PER_HOUR,
    MS_PER_YEAR,
    PRODUCTS,
    expiry_at,
    utc_day,
)
from optionwriter.core.market.listing import listed_expiries
from optionwriter.core.market.quality import Around, ChainDay, snapshots_of

DAY_MS = expiry_at(utc_day(1_770_076_800_000)) - 8 * MS_PER_HOUR  # 2026-02-03
STEP_MS = 2 * MS_PER_HOUR
AROUND = Around(STEP_MS, DAY_MS - MS_PER_HOUR, DAY_MS + MS_PER_DAY + MS_PER_HOUR)


def made_day(asset: str = "BTC", snapshots: int = 12, discount: float = 0.0) -> ChainDay:
    """Every two hours from 01:00, strikes of 60 to 140 % of the forward; `discount` a year, of linear marks."""
    linear = "_" in asset
    rows: list[tuple[int, int, float, bool, float, float]] = []
    for number in range(snapshots):
        at = DAY_MS + MS_PER_HOUR + number * STEP_MS
        spot = 80_000.0 * (1.0 + 0.004 * np.sin(number))
        for expiry in listed_expiries(PRODUCTS[asset], at):
            years = (expiry - at) / MS_PER_YEAR
            forward = round(spot * np.exp(0.05 * years), 2)
            for strike in np.arange(48_000.0, 113_000.0, 4_000.0):
                k = np.log(strike / forward)
                iv = round(0.45 + 0.05 * np.tanh(k * k / max(years, 0.02)), 4)
                rows += [(at, expiry, strike, call, forward, iv) for call in (True, False)]
    at_ms, expiry_ms, strikes, calls, forwards, ivs = (np.array(one) for one in zip(*rows, strict=True))
    years = (expiry_ms - at_ms) / MS_PER_YEAR
    usd, _ = price_delta(forwards, strikes, years, ivs, calls)
    usd *= np.exp(-discount * years)
    mark = np.round(usd if linear else usd / forwards, 6 if linear else 8)
    tick = 5.0 if linear else 0.0005
    bid, ask = np.floor(mark / tick - 0.5) * tick, np.ceil(mark / tick + 0.5) * tick
    keys = list(zip(expiry_ms.tolist(), strikes.tolist(), calls.tolist(), strict=True))
    unique = {key: row for row, key in enumerate(dict.fromkeys(keys))}
    return ChainDay(
        asset,
        DAY_MS,
        tuple(f"{asset}-{key[0]}-{key[1]:.0f}-{'C' if key[2] else 'P'}" for key in unique),
        at_ms,
        snapshots_of(at_ms),
        np.array([unique[key] for key in keys]),
        expiry_ms,
        strikes,
        calls,
        forwards,
        mark,
        ivs,
        np.where(bid > 0, bid, np.nan),
        ask,
    )


def taken(day: ChainDay, rows: Any) -> ChainDay:
    """The day of some of its rows."""
    columns = (
        "at_ms",
        "snapshot",
        "option",
        "expiry_ms",
        "strike",
        "is_call",
        "forward",
        "mark",
        "iv",
        "bid",
        "ask",
    )
    return replace(day, **{name: getattr(day, name)[rows] for name in columns})
