"""Makes the bundled sample market, src/optionwriter/sample/, from the recorded data beside the checkout.

    python scripts/make_sample.py [--data ../shared/data] [--out src/optionwriter/sample]

Deterministic: the same recordings and the same versions of the libraries give the same bytes. What is made:

- prices: Binance's hourly candles since 2021, moved onto the exchange's index by the ratio of both
- surfaces: a fitted smile for every expiry of every recorded snapshot
- listing: when each option was first seen
- volatility_index: recorded daily and hourly values, rebuilt from the surfaces where the hours are missing
- books: spreads, sizes, open interest and volume by tenor and delta
- event_time: what each hour of the week weighs
- live_deribit: the recorded chains of February 2026, a file a day, in the harvester's layout
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import sample_sources as sources

from optionwriter.adapters.tapes.layouts import HARVEST_COLUMNS, day_path
from optionwriter.core.market.chain import F64, I64
from optionwriter.core.market.history import Candles
from optionwriter.core.market.instruments import EXPIRY_HOUR_UTC, MS_PER_DAY, MS_PER_HOUR, utc_day
from optionwriter.core.market.quotes import BUCKETS, DELTA_EDGES, bucket_of
from optionwriter.core.market.smile import NODE_COUNT, butterfly
from optionwriter.core.market.surface import Bracket, EventTime, Surface, fit_surface, realised_weights
from optionwriter.core.market.volatility_index import volatility_index

ROOT = Path(__file__).resolve().parents[1]
COINS = ("BTC", "ETH")
NODE_UNIT, ATM_UNIT, CARRY_UNIT = 1e-4, 1e-6, 1e-8
VERSION = 2
PRICE_UNIT = 0.01
RATIO_WINDOW_MS = 15 * MS_PER_DAY
WEIGHTS_START = "2024-12-01"  # of the hours whose realised variance weighs event time
CHAINS_MONTH = "2026-02"
SOURCES = {
    "prices": "Binance spot BTC/USDT and ETH/USDT hourly candles",
    "surfaces, listing, books of BTC and ETH": "Deribit option chains, four a day, 2025-12-30 to 2026-05-31",
    "books of BTC_USDC and ETH_USDC": "Deribit linear option chains, 2025-12-07 to 2025-12-12",
    "sizes of BTC": "Deribit tickers of BTC options, 2026-01-14 to 2026-01-22",
    "volatility_index": "Deribit DVOL, daily and hourly",
    "live_deribit": "Deribit option chains, four a day, 2026-02-01 to 2026-02-28",
}
# Sizes that no recording backs, as multiples of the recorded BTC ones: coins of the underlying.
ASSUMED_SIZES = {"ETH": 15.0, "BTC_USDC": 0.1, "ETH_USDC": 1.5}


def say(text: str) -> None:
    """One line of progress."""
    print(text, file=sys.stderr, flush=True)


def fit_all(chains: pl.DataFrame) -> list[Surface]:
    """A surface for every snapshot, rounded to what the sample stores."""
    calls = chains.filter(pl.col("option_type") == "call")
    fitted = []
    for (at_ms,), part in calls.group_by("at_ms", maintain_order=True):
        columns = [part[name].to_numpy() for name in ("expiry_ms", "strike", "forward", "iv")]
        one = fit_surface(int(at_ms), sources.index_at_snapshot(part), *columns)  # type: ignore[arg-type, call-overload]
        fitted.append(
            Surface(
                one.at_ms,
                round(one.index_price, 2),
                one.expiry_ms,
                np.rint(one.carry / CARRY_UNIT) * CARRY_UNIT,
                np.rint(one.atm_iv / ATM_UNIT) * ATM_UNIT,
                np.clip(np.rint(one.nodes / NODE_UNIT), -32_000, 32_000) * NODE_UNIT,
            )
        )
    return fitted


def surface_frame(coin: str, surfaces: list[Surface]) -> pl.DataFrame:
    """Stored columns: whole numbers of the units above, ordered so that like lies beside like."""
    length = [len(one.expiry_ms) for one in surfaces]
    nodes = np.concatenate([one.nodes for one in surfaces])
    columns: dict[str, Any] = {
        "underlying": [coin] * sum(length),
        "at_ms": np.repeat([one.at_ms for one in surfaces], length),
        "index_price": np.repeat([one.index_price for one in surfaces], length),
        "expiry_ms": np.concatenate([one.expiry_ms for one in surfaces]),
        "carry": np.rint(np.concatenate([one.carry for one in surfaces]) / CARRY_UNIT).astype(np.int32),
        "atm_iv": np.rint(np.concatenate([one.atm_iv for one in surfaces]) / ATM_UNIT).astype(np.int32),
    }
    for j in range(NODE_COUNT):
        columns[f"node_{j:02d}"] = np.rint(nodes[:, j] / NODE_UNIT).astype(np.int16)
    return pl.DataFrame(columns).sort("underlying", "expiry_ms", "at_ms")


def listing_frame(coin: str, chains: pl.DataFrame) -> pl.DataFrame:
    """When each strike was listed: when first seen, or at 08:00 UTC before that, if the last look lies before it."""
    instants = chains["at_ms"].unique().sort().to_numpy()
    seen = chains.group_by("expiry_ms", "strike").agg(pl.col("at_ms").min().alias("seen_ms"))
    first = seen["seen_ms"].to_numpy()
    before = instants[np.maximum(np.searchsorted(instants, first) - 1, 0)]
    eight = (first - EXPIRY_HOUR_UTC * MS_PER_HOUR) // MS_PER_DAY * MS_PER_DAY + EXPIRY_HOUR_UTC * MS_PER_HOUR
    listed = np.where(first == instants[0], first, np.where(eight > before, eight, first))
    return seen.select(
        pl.lit(coin).alias("underlying"), "expiry_ms", "strike", pl.Series("listed_ms", listed)
    ).sort("underlying", "expiry_ms", "strike")


def index_ratio(hours: pl.DataFrame, surfaces: list[Surface], at_ms: I64) -> tuple[F64, float]:
    """(ln(index / Binance) at the instants, its mean): a weighted mean over thirty days of snapshots.

    Binance's price inside an hour is only known on the line between two opens, so a snapshot near the full hour
    weighs more; outliers beyond 60 bp are stress, not basis, and left out. Before the snapshots the mean holds.
    """
    seen = np.array([one.at_ms for one in surfaces])
    line = np.interp(seen, hours["open_ms"].to_numpy(), np.log(hours["open"].to_numpy()))
    gap = np.log([one.index_price for one in surfaces]) - line
    within = seen % MS_PER_HOUR / MS_PER_HOUR
    weight = np.where(np.abs(gap) < 0.006, 1.0 / (within * (1 - within) + 0.02), 0.0)
    mean = float(np.sum(weight * gap) / weight.sum())
    ratio = np.full(len(at_ms), mean)
    rows = (at_ms >= seen[0] - RATIO_WINDOW_MS) & (at_ms <= seen[-1] + RATIO_WINDOW_MS)
    near = np.abs(at_ms[rows, None] - seen[None, :]) <= RATIO_WINDOW_MS
    total = (near * weight).sum(axis=1)
    local = (near * (weight * gap)).sum(axis=1) / np.maximum(total, 1e-12)
    trust = np.minimum(total / (RATIO_WINDOW_MS / MS_PER_DAY * weight.mean() * 4), 1.0)
    ratio[rows] += trust * (local - mean)
    return ratio, mean


def price_frame(coin: str, hours: pl.DataFrame, surfaces: list[Surface]) -> tuple[pl.DataFrame, float]:
    """Index candles up to the last snapshot, USD. An hour's extremes include the snapshots inside it."""
    hours = hours.filter(pl.col("open_ms") <= surfaces[-1].at_ms)
    opens = hours["open_ms"].to_numpy()
    ratio, mean = index_ratio(hours, surfaces, opens)
    price = {name: hours[name].to_numpy() * np.exp(ratio) for name in ("open", "high", "low", "close")}
    following = np.flatnonzero(np.diff(opens) == MS_PER_HOUR)
    price["close"][following] = price["open"][following + 1]
    row = np.searchsorted(opens, [one.at_ms for one in surfaces], side="right") - 1
    seen = np.array([one.index_price for one in surfaces])
    np.maximum.at(price["high"], row, seen)
    np.minimum.at(price["low"], row, seen)
    price["high"] = np.maximum(price["high"], np.maximum(price["open"], price["close"]))
    price["low"] = np.minimum(price["low"], np.minimum(price["open"], price["close"]))
    rounded = {name: np.round(column, 2) for name, column in price.items()}
    return pl.DataFrame({"underlying": [coin] * len(opens), "open_ms": opens, **rounded}), mean


def stored_prices(prices: pl.DataFrame) -> pl.DataFrame:
    """Candles as whole units of PRICE_UNIT, each as its distance from what foretells it: they are a third as large.

    `open_ms` and `open` from the row before, `close` from the next open (its own in the
    last row), `high` and `low` from the body.
    """
    opened, high, low, close = (
        np.rint(prices[name].to_numpy() / PRICE_UNIT).astype(np.int32)
        for name in ("open", "high", "low", "close")
    )
    return prices.select("underlying").with_columns(
        pl.Series("open_ms", np.diff(prices["open_ms"].to_numpy(), prepend=np.int64(0))),
        pl.Series("open", np.diff(opened, prepend=np.int32(0))),
        pl.Series("high", high - np.maximum(opened, close)),
        pl.Series("low", np.minimum(opened, close) - low),
        pl.Series("close", close - np.append(opened[1:], opened[-1])),
    )


def index_frame(
    coin: str, recorded: pl.DataFrame, prices: pl.DataFrame, surfaces: list[Surface], event: EventTime
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Recorded values, then hours rebuilt from the surfaces wherever no hourly value was recorded."""
    spot = dict(zip(prices["open_ms"].to_list(), prices["open"].to_list(), strict=True))
    rebuilt: dict[int, float] = {}
    for left, right in pairwise(surfaces):
        bracket = Bracket(left, right, event)
        for at_ms in range(-(-left.at_ms // MS_PER_HOUR) * MS_PER_HOUR, right.at_ms, MS_PER_HOUR):
            if at_ms in spot:
                rebuilt[at_ms] = volatility_index(bracket.at(at_ms, spot[at_ms]))
    known = {row[0]: row[1] for row in recorded.select("at_ms", "value").iter_rows() if row[0] in rebuilt}
    error = np.array([rebuilt[at] - known[at] for at in known])
    bias = float(np.median(error))
    rest = np.abs(error - bias)
    check = {
        "compared": len(error),
        "bias_points": round(bias, 3),
        "median_error_points": round(float(np.median(rest)), 3),
        "p95_error_points": round(float(np.percentile(rest, 95)), 3),
    }
    hourly = set(recorded.filter(pl.col("source") == "hourly")["at_ms"].to_list())
    added = [at for at in sorted(rebuilt) if at not in hourly]
    frame = pl.DataFrame(
        {
            "at_ms": added,
            "value": [round(rebuilt[at] - bias, 2) for at in added],
            "source": ["rebuilt"] * len(added),
        },
        schema={"at_ms": pl.Int64, "value": pl.Float64, "source": pl.String},
    )
    kept = recorded.filter(~pl.col("at_ms").is_in(added) & (pl.col("at_ms") <= surfaces[-1].at_ms))
    both = pl.concat([kept.with_columns(pl.col("at_ms").cast(pl.Int64)), frame]).sort("at_ms")
    return both.select(pl.lit(coin).alias("underlying"), pl.all()), check


def bucketed(chains: pl.DataFrame) -> pl.DataFrame:
    """With the row of the quote table that each option belongs to."""
    days = (chains["expiry_ms"] - chains["at_ms"]).to_numpy() / MS_PER_DAY
    return chains.with_columns(pl.Series("bucket", bucket_of(days, np.abs(chains["delta"].to_numpy()))))


def median_column(chains: pl.DataFrame, value: pl.Expr, least: int = 15) -> F64:
    """Medians by bucket (BUCKETS,); a bucket with fewer than `least` rows takes its neighbour's in tenor."""
    grouped = chains.group_by("bucket").agg(value.alias("value"), pl.len().alias("rows"))
    column = np.full(BUCKETS, np.inf)  # inf: not enough rows; NaN is an answer
    for bucket, found, rows in grouped.select("bucket", "value", "rows").iter_rows():
        if rows >= least:
            column[bucket] = np.nan if found is None else found
    by_tenor = column.reshape(-1, len(DELTA_EDGES) + 1)
    for row in [*range(1, len(by_tenor)), *range(len(by_tenor) - 2, -1, -1)]:
        beside = (
            by_tenor[row - 1]
            if row and np.isfinite(by_tenor[row - 1]).any()
            else by_tenor[min(row + 1, len(by_tenor) - 1)]
        )
        by_tenor[row] = np.where(np.isinf(by_tenor[row]), beside, by_tenor[row])
    return np.where(np.isinf(column), np.nan, column)


def book_frame(product: str, chains: pl.DataFrame, sizes: pl.DataFrame) -> pl.DataFrame:
    """One product's QuoteTable."""
    rows = bucketed(chains.filter(pl.col("mark") > 0))
    size_rows = bucketed(sizes)

    def side(distance: pl.Expr, price: str) -> pl.Expr:
        return pl.when(pl.col(price).is_null().mean() <= 0.5).then((distance / pl.col("mark")).median())

    multiple = ASSUMED_SIZES.get(product, 1.0)
    return pl.DataFrame(
        {
            "product": [product] * BUCKETS,
            "bucket": np.arange(BUCKETS, dtype=np.int32),
            "below": np.round(median_column(rows, side(pl.col("mark") - pl.col("bid"), "bid")), 6),
            "above": np.round(median_column(rows, side(pl.col("ask") - pl.col("mark"), "ask")), 6),
            "bid_size": np.round(median_column(size_rows, pl.col("bid_size").median(), 8) * multiple, 1),
            "ask_size": np.round(median_column(size_rows, pl.col("ask_size").median(), 8) * multiple, 1),
            "sizes_assumed": [product in ASSUMED_SIZES] * BUCKETS,
            "open_interest": np.round(median_column(rows, pl.col("open_interest").median()), 2),
            "volume": np.round(median_column(rows, pl.col("volume").median()), 2),
        }
    )


def chain_days(coin: str, chains: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """A coin's recorded chains by path in the harvester's layout, a file a day; columns without a value are left out.

    The index of a snapshot is that of the instant of its forwards, as everywhere in the sample.
    """
    level = {
        at_ms: round(sources.index_at_snapshot(part), 2)
        for (at_ms,), part in chains.group_by("at_ms", maintain_order=True)
    }
    indexed = chains.with_columns(
        pl.col("at_ms").replace_strict(level, return_dtype=pl.Float64).alias("index_price")
    )
    columns = [name for name in HARVEST_COLUMNS if name in sources.HARVESTED or name == "index_price"]
    found = {}
    for (at,), part in indexed.group_by(pl.col("at_ms") // MS_PER_DAY, maintain_order=True):
        path = day_path(coin, utc_day(int(at) * MS_PER_DAY))  # type: ignore[call-overload]
        rows = part.sort("at_ms", "expiry_ms", "strike", "option_type")
        found[f"live_deribit/{path.with_suffix('').as_posix()}"] = rows.select(columns)
    return found


def write(folder: Path, tables: dict[str, pl.DataFrame], notes: dict[str, Any]) -> int:
    """Writes the tables, by their paths, and the manifest that vouches for them; gives the bytes."""
    files, size = {}, 0
    for name, table in sorted(tables.items()):
        path = folder / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        table.write_parquet(path, compression="zstd", compression_level=19, statistics=False)
        content = path.read_bytes()
        size += len(content)
        vouched = {"sha256": hashlib.sha256(content).hexdigest(), "rows": table.height}
        files[f"{name}.parquet"] = vouched if "/" in name else {**vouched, "columns": table.columns}
    manifest = {
        "version": VERSION,
        "made_by": "scripts/make_sample.py",
        "units": {"nodes": NODE_UNIT, "atm_iv": ATM_UNIT, "carry": CARRY_UNIT, "prices": PRICE_UNIT},
        "files": files,
        **notes,
    }
    text = json.dumps(manifest, indent=1, sort_keys=True) + "\n"
    (folder / "manifest.json").write_text(text, encoding="utf-8")
    return size + len(text)


def make(data: Path, folder: Path) -> None:
    """Reads, fits, writes."""
    started = time.perf_counter()
    parts: dict[str, list[pl.DataFrame]] = {}
    days: dict[str, pl.DataFrame] = {}
    notes: dict[str, Any] = {"sources": SOURCES, "assumed": {"sizes": sorted(ASSUMED_SIZES)}}
    sizes = sources.book_sizes(data)
    for coin in COINS:
        say(f"{coin}: reading the chains")
        chains, hours = sources.snapshots(data, coin), sources.hourly_prices(data, coin)
        recent = hours.filter(pl.col("open_ms") >= sources.epoch_ms(WEIGHTS_START))
        candles = Candles(*[recent[name].to_numpy() for name in ("open_ms", "open", "high", "low", "close")])
        weights = np.round(realised_weights(candles), 4)
        say(f"{coin}: fitting {chains['at_ms'].n_unique()} snapshots")
        surfaces = fit_all(chains)
        least = min(
            float(butterfly(one.smile(row)).min()) for one in surfaces for row in range(len(one.expiry_ms))
        )
        say(f"{coin}: prices, listing, books; rebuilding the volatility index")
        prices, mean = price_frame(coin, hours, surfaces)
        index, check = index_frame(
            coin, sources.recorded_index(data, coin), prices, surfaces, EventTime(weights)
        )
        made = {
            "prices": stored_prices(prices),
            "surfaces": surface_frame(coin, surfaces),
            "listing": listing_frame(coin, chains),
            "volatility_index": index,
            "books": book_frame(coin, chains, sizes),
            "event_time": pl.DataFrame({"underlying": [coin] * len(weights), "weight": weights}),
        }
        for name, table in made.items():
            parts.setdefault(name, []).append(table)
        parts["books"].append(book_frame(f"{coin}_USDC", sources.linear_chains(data, f"{coin}_USDC"), sizes))
        days |= chain_days(coin, sources.whole_snapshots(data, coin, CHAINS_MONTH))
        notes[coin] = {
            "prices_from_ms": int(prices["open_ms"][0]),
            "quotes_from_ms": surfaces[0].at_ms,
            "quotes_to_ms": surfaces[-1].at_ms,
            "index_below_binance_bp": round(-1e4 * mean, 2),
            "volatility_index_check": check,
            "least_butterfly": round(least, 6),
        }
        say(f"{coin}: {notes[coin]}")
    size = write(folder, {name: pl.concat(tables) for name, tables in parts.items()} | days, notes)
    say(f"Wrote {size / 1e6:.2f} MB to {folder} in {time.perf_counter() - started:.0f} s")


def main() -> None:
    """Reads the options."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    options.add_argument("--out", type=Path, default=ROOT / "src" / "optionwriter" / "sample")
    given = options.parse_args()
    if not given.data.is_dir():
        sys.exit(
            f"No recordings at {given.data}: name the folder that holds chains_deribit_6h_btc_eth with --data."
        )
    make(given.data, given.out)


if __name__ == "__main__":
    main()
