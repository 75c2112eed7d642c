"""The instant of a file that has no times: from --at, or from the time that its rows say is left to expiry.

Where there is neither, the file is refused; what its own marks say about its instant is told, for --at.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from statistics import NormalDist, median

import numpy as np
import polars as pl

from optionwriter.adapters.tapes.importers.columns import ChainColumns
from optionwriter.adapters.tapes.importers.forwards import with_forward
from optionwriter.adapters.tapes.importers.problem import ImportOptions, ImportRefusedError
from optionwriter.core.market.black76 import price_delta
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_YEAR

_MOST_APART_US = 20 * 60_000_000
_STEPS = 64
_LEAST_GREEKS = 5


def instant_of(
    raw: pl.DataFrame, columns: ChainColumns, options: ImportOptions
) -> tuple[int | None, tuple[str, ...]]:
    """(the file's one instant in µs, None where rows have their own; what was settled). Errors: ImportRefusedError."""
    if columns.time and raw["at_us"].is_not_null().any():
        if options.at_ms is not None:
            raise ImportRefusedError("its rows have times of their own: leave --at out")
        return None, ()
    if options.at_ms is not None:
        return options.at_ms * 1_000, (f"all rows are of {told(options.at_ms * 1_000)}, as --at says",)
    if columns.left:
        return _from_left(raw, columns)
    guess = guessed_us(raw)
    hint = f" (its marks fit {told(guess, 'minutes')})" if guess is not None else ""
    say = told(guess, "minutes") if guess is not None else "2024-05-24T13:30Z"
    raise ImportRefusedError(f"it says nowhere when its quotes were made{hint}: say --at {say}")


def told(at_us: int, timespec: str = "seconds") -> str:
    """An instant as people write it."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)
    return at.isoformat(timespec=timespec).replace("+00:00", "Z")


def _from_left(raw: pl.DataFrame, columns: ChainColumns) -> tuple[int, tuple[str, ...]]:
    """The instant at which every expiry is as far away as its rows say."""
    each = (
        raw.drop_nulls(["left_days", "expiry_ms"])
        .with_columns(at=pl.col("expiry_ms") * 1_000.0 - pl.col("left_days") * MS_PER_DAY * 1_000.0)
        .group_by("expiry_ms")
        .agg(pl.col("at").median())
    )
    if not each.height:
        raise ImportRefusedError(f"{columns.left} can't be read: say --at 2024-05-24T13:30Z")
    values = each["at"].to_numpy()
    middle, apart = float(np.median(values)), float(np.max(values) - np.min(values))
    if apart > _MOST_APART_US:
        raise ImportRefusedError(
            f"{columns.left} of its {each.height} expiries tell instants {apart / 6e7:.0f} minutes apart: say --at"
        )
    at_us = round(middle / 1_000_000) * 1_000_000
    minutes = max(apart / 6e7, 0.01)
    who = f"{columns.left} of {each.height} expiries says so, to {minutes:.2g} minutes"
    return at_us, (f"all rows are of {told(at_us)}: {who}",)


def guessed_us(raw: pl.DataFrame) -> int | None:
    """The instant that gives marks back best by Black-76, from volatilities in percent or fraction; None if untold."""
    fixed = raw.with_columns(at_us=pl.lit(0, pl.Int64))
    if not raw["mark_iv"].is_not_null().any():
        return _by_greeks(fixed)
    given = fixed["forward"].is_not_null().any()
    seen = with_forward(fixed, "coin", "forward", parity=not given).filter(
        (pl.col("mark_iv") > 0) & (pl.col("mark_price") > 0) & pl.col("forward").is_not_null()
    )
    if seen.height < 20:
        return None
    scale = 0.01 if float(seen.select(pl.col("mark_iv").median()).item()) > 4 else 1.0
    found = _nearest(seen, scale)
    return None if found is None else round(found / 6e7) * 60_000_000


def _by_greeks(fixed: pl.DataFrame) -> int | None:
    """From vega = forward · φ(d1) · √years / 100 and a call's delta = N(d1), at the median over strikes."""
    seen = with_forward(fixed, "coin", "forward", parity=not fixed["forward"].is_not_null().any()).filter(
        (pl.col("option_type") == "C") & pl.col("delta").is_between(0.2, 0.8) & (pl.col("vega") > 0)
    )
    normal = NormalDist()
    found = [
        expiry - (100.0 * vega / (forward * normal.pdf(normal.inv_cdf(delta)))) ** 2 * MS_PER_YEAR
        for expiry, vega, delta, forward in seen.select("expiry_ms", "vega", "delta", "forward")
        .drop_nulls()
        .rows()
    ]
    return round(median(found) / 60_000) * 60_000_000 if len(found) >= _LEAST_GREEKS else None


def _nearest(seen: pl.DataFrame, scale: float) -> float | None:
    """By bisection on the sum of signed errors in time value, which falls as the instant nears expiry."""
    forward, strike = seen["forward"].to_numpy(), seen["strike"].to_numpy()
    expiry, sigma = seen["expiry_ms"].to_numpy(), seen["mark_iv"].to_numpy() * scale
    is_call, mark = (seen["option_type"] == "C").to_numpy(), seen["mark_usd"].to_numpy() / forward

    def error(at_ms: float) -> float:
        price, _ = price_delta(forward, strike, (expiry - at_ms) / MS_PER_YEAR, sigma, is_call)
        difference = np.clip(price / forward - mark, -5e-3, 5e-3)
        return float(np.sum(difference))

    low, high = float(expiry.min()) - 400.0 * MS_PER_DAY, float(expiry.min())
    if not error(low) > 0 > error(high):
        return None
    for _ in range(_STEPS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if error(middle) > 0 else (low, middle)
    return 0.5 * (low + high) * 1_000.0
