"""Measures how often a resting order would have been reached: from quote crossings in the recorded 5-minute captures.

    python scripts/fill_table.py [--data ../shared/data]

An order is put at every capture into every option that quotes both sides, has 2 to 60 days to go and 0.05 to 0.5 of
delta, at a share of the spread away from the other side (0: crossing it, 0.5: the middle, 1: joining our own side). It
counts as filled by the first later capture at which the other side has come to its price. That is a lower bound: what
traded between two captures is not seen, nor is anybody who crosses to meet the order. Captures more than seven minutes
apart end a row; only orders whose whole time was watched count. Calls and puts, BTC and ETH, inverse and linear.
Prints the table that src/optionwriter/adapters/paper/chances.py ships.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import polars as pl

from optionwriter.core.market.black76 import price_delta
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_YEAR

ROOT = Path(__file__).resolve().parents[1]
ASSETS = ("BTC", "ETH", "BTC_USDC", "ETH_USDC")
SHARES = (0.1, 0.25, 0.5, 0.75, 1.0)
MINUTES = (5, 10, 15, 30, 60)
MOST_APART_MS = 420_000
TICK = 1e-9


def captures(data: Path, asset: str) -> pl.DataFrame:
    """One asset's rows with both parsed fields and an instant, by instrument and time."""
    frame = pl.read_parquet(data / "chains_deribit_5min_multiasset" / f"{asset}.parquet").drop_nulls("strike")
    return frame.select(
        pl.col("harvest_time").dt.epoch("ms").alias("at_ms"),
        "instrument_name",
        (pl.col("expiry_timestamp") * 1000).cast(pl.Int64).alias("expiry_ms"),
        "strike",
        (pl.col("option_type") == "C").alias("is_call"),
        pl.col("underlying_price").alias("forward"),
        (pl.col("mark_iv") / 100).alias("iv"),
        pl.col("best_bid_price").alias("bid"),
        pl.col("best_ask_price").alias("ask"),
    ).sort("instrument_name", "at_ms")


def wanted(frame: pl.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Rows at which an order is put."""
    years = (frame["expiry_ms"] - frame["at_ms"]).to_numpy() / MS_PER_YEAR
    columns = [frame[name].to_numpy() for name in ("forward", "strike", "iv", "is_call")]
    _, delta = price_delta(columns[0], columns[1], np.maximum(years, 1e-6), columns[2], columns[3])
    days = years * MS_PER_YEAR / MS_PER_DAY
    quoted = (frame["bid"].fill_null(0) > 0).to_numpy() & (frame["ask"].fill_null(0) > 0).to_numpy()
    size = np.abs(delta)
    return np.asarray(quoted & (days >= 2) & (days <= 60) & (size >= 0.05) & (size <= 0.5))


def count(frame: pl.DataFrame) -> np.ndarray[tuple[int, int, int, int], np.dtype[np.int64]]:
    """(side, share, minutes, [put, filled]) of one asset; side 0 sells, 1 buys."""
    found = np.zeros((2, len(SHARES), len(MINUTES), 2), dtype=np.int64)
    start = wanted(frame)
    at, name = frame["at_ms"].to_numpy(), frame["instrument_name"].rank("dense").to_numpy()
    bid, ask = (frame[one].fill_null(np.nan).to_numpy() for one in ("bid", "ask"))
    steps = MINUTES[-1] // 5 + 3
    for share_row, share in enumerate(SHARES):
        sell, buy = bid + share * (ask - bid), ask - share * (ask - bid)
        best = [np.full(len(at), np.inf), np.full(len(at), np.inf)]  # when it was reached, ms later
        watched = np.zeros(len(at))  # how long its row of captures goes on
        unbroken = np.ones(len(at), dtype=np.bool_)
        for step in range(1, steps):
            later = np.minimum(np.arange(len(at)) + step, len(at) - 1)
            before = np.minimum(np.arange(len(at)) + step - 1, len(at) - 1)
            unbroken &= (name[later] == name) & (at[later] - at[before] <= MOST_APART_MS) & (later != before)
            since = (at[later] - at).astype(np.float64)
            watched = np.where(unbroken, since, watched)
            with np.errstate(invalid="ignore"):
                reached = (bid[later] >= sell - TICK, ask[later] <= buy + TICK)
            for side in (0, 1):
                best[side] = np.where(unbroken & reached[side], np.minimum(best[side], since), best[side])
        for place, minutes in enumerate(MINUTES):
            span = minutes * 60_000 * 1.05
            seen = start & (watched >= minutes * 60_000 * 0.95)
            for side in (0, 1):
                found[side, share_row, place] += (
                    np.count_nonzero(seen),
                    np.count_nonzero(seen & (best[side] <= span)),
                )
    return found


def main() -> None:
    """Reads the option, prints the tables."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    data = options.parse_args().data
    total = np.zeros((2, len(SHARES), len(MINUTES), 2), dtype=np.int64)
    for asset in ASSETS:
        frame = captures(data, asset)
        one = count(frame)
        total += one
        show(f"{asset}, {frame['at_ms'].n_unique()} captures", one.sum(axis=0))
    show("sold", total[0])
    show("bought", total[1])
    show("all", total.sum(axis=0))


def show(title: str, table: np.ndarray[tuple[int, int, int], np.dtype[np.int64]]) -> None:
    """One table: shares down, minutes across."""
    print(f"{title}: {table[0, 0, 0]:,} orders watched for 5 minutes, {table[0, -1, 0]:,} for an hour")
    print("share  " + "  ".join(f"{minutes:>6} min" for minutes in MINUTES))
    for share, row in zip(SHARES, table, strict=True):
        print(f"{share:5.2f}  " + "  ".join(f"{hit / max(put, 1):10.4f}" for put, hit in row))
    print()


if __name__ == "__main__":
    main()
