"""The event driver on the workload of the design: hourly steps of a synthetic BTC market, rules at every one."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from optionwriter.adapters.tapes.market import TapeMarket
from optionwriter.bootstrap.backtest_config import instance_of, read_config
from optionwriter.bootstrap.backtests import desk_for
from optionwriter.bootstrap.source import Source
from optionwriter.bootstrap.sources import open_source
from optionwriter.core.books.facts import Filled, Settled
from optionwriter.core.market.black76 import price_delta
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR, utc_day
from optionwriter.core.market.surface import years_to
from optionwriter.core.report.benchmarks import rules
from optionwriter.core.report.run import RunSpec
from optionwriter.services.backtest import run_backtest
from optionwriter.settings import Settings

END_MS = 20_604 * MS_PER_DAY  # 2026-05-31: the bundled prices end with May
SEED = 3


@dataclass(frozen=True, slots=True)
class Ran:
    """One run: seconds, and what it came to, in words."""

    wall_s: float
    cpu_s: float
    result: str


def opened(hours: int) -> tuple[Settings, RunSpec, Source]:
    """The market of the last `hours` hours."""
    settings = Settings(data_dir=Path(tempfile.gettempdir()))
    spec = RunSpec("bench", "synthetic", "income", ("BTC",), END_MS - hours * MS_PER_HOUR, END_MS, SEED, {})
    return settings, spec, open_source(settings, spec, read_config(spec.config))


def options_listed(source: Source) -> tuple[float, float]:
    """How many options are listed at a step, mean: (inverse, linear)."""
    some = source.instants[:: max(1, len(source.instants) // 50)]
    counts = [[len(source.feed.listed(code, at)) for at in some] for code in ("BTC", "BTC_USDC")]
    return float(np.mean(counts[0])), float(np.mean(counts[1]))


def run_event(hours: int, fast_forward: bool) -> Ran:
    """One run of `income` (a covered call and a cash-secured put), opening of the market not counted."""
    settings, spec, source = opened(hours)
    config = read_config(spec.config)
    desk = desk_for(settings, config, source, instance_of(settings, "income", ("BTC",), config), SEED)
    parts = TapeMarket(source.feed, desk.clock) if fast_forward else None
    beside = rules(source.feed.delivery_price)
    began, used = time.perf_counter(), time.process_time()
    ran = run_backtest(
        desk, source.instants, "own", lambda _share, _text: None, benchmarks=beside, parts=parts
    )
    wall, cpu = time.perf_counter() - began, time.process_time() - used
    fills = sum(isinstance(one.body, Filled) for one in ran.outcome.facts)
    settled = sum(isinstance(one.body, Settled) for one in ran.outcome.facts)
    full = ran.steps - ran.passed_over
    return Ran(wall, cpu, f"{ran.steps:,} steps, {full:,} in full; {fills} fills, {settled} settlements")


def write_peers_data(folder: Path, hours: int) -> None:
    """Prices (hours.npz) and daily chains of a year (chains.parquet, as optopsy reads them) of the same market."""
    _, _, source = opened(hours)
    candles = source.feed.candles("BTC", source.instants[0], END_MS)
    columns = {
        "open_ms": candles.open_ms,
        "open": candles.open,
        "high": candles.high,
        "low": candles.low,
        "close": candles.close,
    }
    np.savez(folder / "hours.npz", **columns)
    days = range(max(source.instants[0], END_MS - 365 * MS_PER_DAY) // MS_PER_DAY + 1, END_MS // MS_PER_DAY)
    pl.concat([_daily(source, day * MS_PER_DAY + 7 * MS_PER_HOUR) for day in days]).write_parquet(
        folder / "chains.parquet"
    )


def _daily(source: Source, at_ms: int) -> pl.DataFrame:
    """The inverse chain an hour before the day's expiry, in USD: an option that is held to its end has a last quote."""
    chain = source.feed.chain("BTC", at_ms)
    table = chain.table
    years = years_to(table.expiry_ms, at_ms)
    _, delta = price_delta(chain.forward, table.strike, years, chain.mark_iv, table.is_call)
    frame = pl.DataFrame(
        {
            "underlying_symbol": ["BTC"] * len(table),
            "underlying_price": np.full(len(table), chain.index_price),
            "option_type": ["c" if one else "p" for one in table.is_call.tolist()],
            "expiration": [utc_day(one) for one in table.expiry_ms.tolist()],
            "quote_date": [utc_day(at_ms)] * len(table),
            "strike": table.strike,
            "bid": np.nan_to_num(chain.bid) * chain.forward,
            "ask": np.nan_to_num(chain.ask) * chain.forward,
            "delta": delta,
        }
    )
    return frame.with_columns(pl.col("expiration", "quote_date").cast(pl.Datetime("us")))
