"""vectorbt: signals on one spot instrument, a run and 200 parameter sets."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import vectorbt as vbt
from measured import measure

FEES = 0.0003


def main(folder: Path, repeats: int) -> None:
    hours = np.load(folder / "hours.npz")
    close = pd.Series(hours["close"], index=pd.to_datetime(hours["open_ms"], unit="ms"), name="BTC")
    windows = [12 * n for n in range(1, 22)]
    pairs = list(itertools.combinations(windows, 2))[:200]

    def run(chosen: list[tuple[int, int]]) -> str:
        fast = vbt.MA.run(close, [one for one, _ in chosen], short_name="fast")
        slow = vbt.MA.run(close, [one for _, one in chosen], short_name="slow")
        entries, exits = fast.ma_crossed_above(slow), fast.ma_crossed_below(slow)
        found = vbt.Portfolio.from_signals(close, entries, exits, fees=FEES, init_cash=100_000.0, freq="1h")
        returned = np.atleast_1d(found.total_return())
        orders = np.atleast_1d(found.orders.count())
        return f"{int(orders.sum())} orders, best return {returned.max():.3f}"

    bars = f"{len(close):,} hourly bars of one spot instrument"
    measure(
        "vectorbt",
        f"{bars}, moving-average crossing, fees, one parameter set",
        lambda: run([(24, 168)]),
        repeats,
    )
    measure("vectorbt", f"{bars}, the same, {len(pairs)} parameter sets", lambda: run(pairs), repeats)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
