"""How well the smiles fit the recorded chains: in sample, and left out (a snapshot from its neighbours in time).

    python bench/smile_fit.py [--every 6] [--data ../shared/data]

Volatility points, median / 95th percentile of |fitted - mark IV|, by tenor and by delta of the option out of the
money at that strike; each coin by itself, nothing pooled. Left out, the bracket spans two gaps (about 12 hours), twice
what the sample crosses; of the left-out instant only the index is used, and moneyness is that on its recorded forward,
so that volatility alone is judged.
"""

from __future__ import annotations

import argparse
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl

from optionwriter.core.market.history import Candles
from optionwriter.core.market.smile import calendar_gap
from optionwriter.core.market.surface import Bracket, EventTime, Surface, fit_surface, realised_weights

ROOT = Path(__file__).resolve().parents[1]
TENORS = (0.0, 2.0, 8.0, 22.0, 60.0, 400.0)
DELTAS = (-0.5, -0.35, -0.2, -0.1, -0.05, -0.01, 0.0, 0.01, 0.05, 0.1, 0.2, 0.35, 0.5)


def chains(folder: Path, coin: str) -> dict[int, pl.DataFrame]:
    """Recorded snapshots by instant; one row a strike (calls: puts carry the same mark IV)."""
    columns = {
        "timestamp": "at_ms", "expiry_datetime": "expiry_ms", "strike": "strike", "underlying_price": "forward",
        "index_price": "index_price", "mark_iv_decimal": "iv", "delta": "delta", "option_type": "option_type",
    }  # fmt: skip
    frame = pl.read_parquet(
        folder / f"chains_deribit_6h_btc_eth/{coin}/{coin}_*.parquet", columns=list(columns)
    )
    frame = frame.rename(columns).filter(pl.col("option_type") == "call")
    frame = frame.with_columns(pl.col("at_ms").dt.epoch("ms"), pl.col("expiry_ms").dt.epoch("ms"))
    frame = frame.sort("at_ms", "expiry_ms", "strike")
    return {int(at[0]): part for at, part in frame.group_by("at_ms", maintain_order=True)}


def event_time(folder: Path, coin: str) -> EventTime:
    """As the sample's."""
    hourly = pl.read_parquet(folder / f"prices_hourly/{coin}_USDT_binance_spot_1h.parquet")
    hourly = hourly.with_columns(pl.col("date").dt.epoch("ms")).filter(pl.col("date") >= 1_733_011_200_000)
    columns = [hourly[name].to_numpy() for name in ("date", "open", "high", "low", "close")]
    return EventTime(realised_weights(Candles(*columns)))


def fitted(part: pl.DataFrame) -> Surface:
    """One snapshot's surface."""
    return fit_surface(
        int(part["at_ms"][0]), float(part["index_price"].median()), part["expiry_ms"].to_numpy(),
        part["strike"].to_numpy(), part["forward"].to_numpy(), part["iv"].to_numpy(),
    )  # fmt: skip


def errors(surface: Surface, part: pl.DataFrame) -> np.ndarray:
    """Rows (days, signed out-of-the-money delta, error in points) of the expiries that the surface knows."""
    part = part.filter(pl.col("expiry_ms").is_in(surface.expiry_ms.tolist()))
    expiry, strike = part["expiry_ms"].to_numpy(), part["strike"].to_numpy()
    forward = surface.forward(expiry)
    k = strike * forward / part["forward"].to_numpy()  # the strike that has this moneyness on our forward
    error = 100.0 * (surface.iv(k, expiry) - part["iv"].to_numpy())
    delta = part["delta"].to_numpy()
    sided = np.where(strike < part["forward"].to_numpy(), -1, 1) * np.minimum(delta, 1 - delta)
    return np.column_stack([(expiry - surface.at_ms) / 86_400_000, sided, error])


def table(title: str, rows: np.ndarray) -> None:
    """Prints one table."""
    print(f"\n{title}: |error| in volatility points, median / p95")
    heads = [f"{abs(a):g}-{abs(b):g}{'P' if b <= 0 else 'C'}" for a, b in pairwise(DELTAS)]
    print("days     " + "".join(f"{head:>13}" for head in heads) + "     (by |delta|, puts then calls)")
    for low, high in pairwise(TENORS):
        cells = []
        for start, stop in pairwise(DELTAS):
            chosen = (rows[:, 0] >= low) & (rows[:, 0] < high) & (rows[:, 1] >= start) & (rows[:, 1] < stop)
            error = np.abs(rows[chosen, 2])
            cells.append(
                f"{np.median(error):6.2f}/{np.percentile(error, 95):6.2f}" if error.size else f"{'-':>13}"
            )
        print(f"{low:>3g}-{high:<4g} " + "".join(cells))
    print("all deltas of 0.01 or more, by tenor only:")
    for low, high in pairwise(TENORS):
        error = np.abs(rows[(rows[:, 0] >= low) & (rows[:, 0] < high) & (np.abs(rows[:, 1]) >= 0.01), 2])
        print(
            f"{low:>3g}-{high:<4g} {np.median(error):6.2f}/{np.percentile(error, 95):6.2f}   ({error.size} marks)"
        )


def report(folder: Path, coin: str, every: int) -> None:
    """Fits, leaves out, prints."""
    parts = chains(folder, coin)
    instants = sorted(parts)
    chosen = range(1, len(instants) - 1, every)
    needed = sorted({i + step for i in chosen for step in (-1, 0, 1)})
    started = time.perf_counter()
    surfaces = {}
    for done, i in enumerate(needed, 1):
        surfaces[i] = fitted(parts[instants[i]])
        if done % 100 == 0 or done == len(needed):
            took = time.perf_counter() - started
            print(f"{coin}: fitted {done} of {len(needed)} snapshots, {took:.1f} s", file=sys.stderr)
    within = [errors(surfaces[i], parts[instants[i]]) for i in chosen]
    event = event_time(folder, coin)
    left_out = []
    for i in chosen:
        bracket = Bracket(surfaces[i - 1], surfaces[i + 1], event)
        left_out.append(errors(bracket.at(instants[i], surfaces[i].index_price), parts[instants[i]]))
    table(f"{coin} in sample ({len(within)} snapshots)", np.concatenate(within))
    table(f"{coin} left out ({len(left_out)} snapshots)", np.concatenate(left_out))
    gaps = np.array(
        [
            calendar_gap(s.smile(r), s.smile(r + 1))
            for s in surfaces.values()
            for r in range(len(s.expiry_ms) - 1)
        ]
    )
    print(f"\n{coin} calendar: {np.mean(gaps < 0):.2%} of {gaps.size} pairs of expiries cross")


def main() -> None:
    """Reads the options and prints both coins' tables."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--every", type=int, default=1, help="every n-th snapshot only")
    options.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    given = options.parse_args()
    if not given.data.is_dir():
        sys.exit(f"no reference data at {given.data}: name its folder with --data")
    for coin in ("BTC", "ETH"):
        report(given.data, coin, given.every)


if __name__ == "__main__":
    main()
