"""optopsy: statistics of short calls and puts over daily chains, by days to expiry and delta."""

from __future__ import annotations

import sys
from pathlib import Path

import optopsy
import pandas as pd
from measured import measure


def main(folder: Path, repeats: int) -> None:
    chains = pd.read_parquet(folder / "chains.parquet")
    days = chains["quote_date"].nunique()
    size = f"{len(chains):,} rows of {days} daily chains"
    asked = {"max_entry_dte": 30, "exit_dte": 0, "dte_interval": 7, "min_bid_ask": 0.01}

    def statistics() -> str:
        calls = optopsy.short_calls(chains, **asked)
        puts = optopsy.short_puts(chains, **asked)
        return (
            f"{int(calls['count'].sum() + puts['count'].sum()):,} trades in {len(calls) + len(puts)} groups"
        )

    def simulated() -> str:
        found = optopsy.simulate(
            chains, optopsy.short_calls, capital=200_000.0, multiplier=1, max_positions=1, **asked
        )
        return f"{len(found.trade_log)} trades one after the other"

    measure("optopsy", f"{size}: every short call and put held to expiry, grouped", statistics, repeats)
    measure("optopsy", f"{size}: one short call after the other (simulate)", simulated, repeats)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
