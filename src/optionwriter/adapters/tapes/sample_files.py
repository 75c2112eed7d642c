"""The bundled sample's files: reads them, and vouches that they are whole.

Every file is checked against the manifest (sha256, rows, columns) before a number of it is used. What the columns mean
is written in scripts/make_sample.py, which makes them.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from optionwriter.core.market.chain import F64, I64, Bools
from optionwriter.core.market.instruments import product
from optionwriter.core.market.quotes import BUCKETS, QuoteTable
from optionwriter.core.market.smile import NODE_COUNT
from optionwriter.core.market.surface import HOURS_PER_WEEK

FOLDER = Path(__file__).resolve().parents[2] / "sample"
VERSION = 2
_CURE = "reinstall optionwriter, or make the sample anew with: make sample"
_FILES = ("books", "event_time", "listing", "prices", "surfaces", "volatility_index")


class SampleError(Exception):
    """The sample is missing, torn or altered; the message names the file and the cure."""


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """One underlying's recordings, as columns; units as in scripts/make_sample.py, already scaled.

    `index_rebuilt` marks the values of the volatility index that were not recorded but computed from the surfaces on
    either side of them.
    """

    candle_ms: I64
    open: F64
    high: F64
    low: F64
    close: F64
    snapshot_ms: I64  # (s,) ascending
    snapshot_index: F64  # (s,)
    first_row: I64  # (s + 1,) where a snapshot's slices begin
    slice_expiry: I64
    carry: F64
    atm_iv: F64
    nodes: F64
    listed_expiry: I64
    listed_strike: F64
    listed_ms: I64
    index_ms: I64
    index_value: F64
    index_rebuilt: Bools
    event_weights: F64


@dataclass(frozen=True, slots=True, eq=False)
class SampleData:
    """Everything, by underlying and by product."""

    manifest: dict[str, Any]
    recorded: dict[str, Recorded]
    books: dict[str, QuoteTable]


def known_by(data: SampleData, until_ms: int) -> SampleData:
    """The same recordings as they stood at an instant; of prices also the hour under way, for the path runs in it.

    Books and event time are the model's constants, and stay.
    """
    return replace(data, recorded={name: _known_by(one, until_ms) for name, one in data.recorded.items()})


def _known_by(own: Recorded, until_ms: int) -> Recorded:
    hours = slice(int(np.searchsorted(own.candle_ms, until_ms)))
    seen = int(np.searchsorted(own.snapshot_ms, until_ms, side="right"))
    slices = slice(int(own.first_row[seen]))
    index = slice(int(np.searchsorted(own.index_ms, until_ms, side="right")))
    listed = own.listed_ms <= until_ms
    return replace(
        own,
        candle_ms=own.candle_ms[hours],
        open=own.open[hours],
        high=own.high[hours],
        low=own.low[hours],
        close=own.close[hours],
        snapshot_ms=own.snapshot_ms[:seen],
        snapshot_index=own.snapshot_index[:seen],
        first_row=own.first_row[: seen + 1],
        slice_expiry=own.slice_expiry[slices],
        carry=own.carry[slices],
        atm_iv=own.atm_iv[slices],
        nodes=own.nodes[slices],
        listed_expiry=own.listed_expiry[listed],
        listed_strike=own.listed_strike[listed],
        listed_ms=own.listed_ms[listed],
        index_ms=own.index_ms[index],
        index_value=own.index_value[index],
        index_rebuilt=own.index_rebuilt[index],
    )


def load_sample(folder: Path = FOLDER) -> SampleData:
    """Reads and checks the whole sample. Errors: SampleError."""
    manifest = _manifest(folder)
    tables = {name: _table(folder, f"{name}.parquet", manifest) for name in _FILES}
    try:
        underlyings = tables["event_time"]["underlying"].unique(maintain_order=True).to_list()
        units = {name: float(unit) for name, unit in manifest["units"].items()}
        recorded = {name: _recorded(name, tables, units) for name in underlyings}
        books = {
            code: _book(code, part)
            for (code,), part in tables["books"].group_by("product", maintain_order=True)
        }
    except (KeyError, TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise SampleError(f"the sample in {folder} makes no sense ({error}): {_CURE}") from error
    return SampleData(manifest, recorded, books)


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SampleError(f"{path} cannot be read ({error.strerror}): {_CURE}") from error
    except ValueError as error:
        raise SampleError(f"{path} is no JSON ({error}): {_CURE}") from error
    if not isinstance(manifest, dict) or manifest.get("version") != VERSION:
        found = manifest.get("version") if isinstance(manifest, dict) else None
        raise SampleError(f"{path} has version {found}, this program reads {VERSION}: {_CURE}")
    return manifest


def _table(folder: Path, name: str, manifest: dict[str, Any]) -> pl.DataFrame:
    path = folder / name
    promised = manifest.get("files", {}).get(name)
    if not isinstance(promised, dict):
        raise SampleError(f"{folder / 'manifest.json'} does not name {name}: {_CURE}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SampleError(f"{path} cannot be read ({error.strerror}): {_CURE}") from error
    if hashlib.sha256(content).hexdigest() != promised.get("sha256"):
        raise SampleError(f"{path} is torn or altered (its sha256 is not the manifest's): {_CURE}")
    try:
        table = pl.read_parquet(io.BytesIO(content))
    except pl.exceptions.PolarsError as error:
        raise SampleError(f"{path} is no readable Parquet ({error}): {_CURE}") from error
    if table.height != promised.get("rows") or table.columns != promised.get("columns"):
        raise SampleError(f"{path} has other rows or columns than the manifest says: {_CURE}")
    return table


def _recorded(name: str, tables: dict[str, pl.DataFrame], units: dict[str, float]) -> Recorded:
    own = {key: tables[key].filter(pl.col("underlying") == name) for key in _FILES if key != "books"}
    prices, listing, index = own["prices"], own["listing"], own["volatility_index"]
    slices = own["surfaces"].sort("at_ms", "expiry_ms")
    instants, first = np.unique(slices["at_ms"].to_numpy(), return_index=True)
    nodes = slices.select(f"node_{j:02d}" for j in range(NODE_COUNT)).to_numpy() * units["nodes"]
    weights = own["event_time"]["weight"].to_numpy()
    if len(weights) != HOURS_PER_WEEK or len(instants) < 2 or not len(prices):
        raise ValueError(f"{name} lacks hours, snapshots or prices")
    return Recorded(
        candle_ms=np.cumsum(prices["open_ms"].to_numpy()),
        **_prices(prices, units["prices"]),
        snapshot_ms=instants,
        snapshot_index=slices["index_price"].to_numpy()[first],
        first_row=np.append(first, slices.height),
        slice_expiry=slices["expiry_ms"].to_numpy(),
        carry=slices["carry"].to_numpy() * units["carry"],
        atm_iv=slices["atm_iv"].to_numpy() * units["atm_iv"],
        nodes=np.ascontiguousarray(nodes),
        listed_expiry=listing["expiry_ms"].to_numpy(),
        listed_strike=listing["strike"].to_numpy(),
        listed_ms=listing["listed_ms"].to_numpy(),
        index_ms=index["at_ms"].to_numpy(),
        index_value=index["value"].to_numpy(),
        index_rebuilt=(index["source"] == "rebuilt").to_numpy(),
        event_weights=weights,
    )


def _prices(stored: pl.DataFrame, unit: float) -> dict[str, F64]:
    """Candles from what scripts/make_sample.py stores of them: whole units, as distances from what foretells each."""
    moved, high, low, last = (
        stored[name].to_numpy().astype(np.int64) for name in ("open", "high", "low", "close")
    )
    opened = np.cumsum(moved)
    close = np.append(opened[1:], opened[-1]) + last
    columns = {
        "open": opened,
        "high": np.maximum(opened, close) + high,
        "low": np.minimum(opened, close) - low,
        "close": close,
    }
    per_dollar = round(1.0 / unit)  # dividing gives the float nearest to the decimal, multiplying does not
    return {name: column / per_dollar for name, column in columns.items()}


def _book(code: object, part: pl.DataFrame) -> QuoteTable:
    part = part.sort("bucket")
    if part.height != BUCKETS:
        raise ValueError(f"{code} has {part.height} buckets of quotes instead of {BUCKETS}")
    return QuoteTable(
        product=product(str(code)),
        below=part["below"].to_numpy(),
        above=part["above"].to_numpy(),
        bid_size=part["bid_size"].to_numpy(),
        ask_size=part["ask_size"].to_numpy(),
        open_interest=part["open_interest"].to_numpy(),
        volume=part["volume"].to_numpy(),
        assumed=("bid_size", "ask_size") if part["sizes_assumed"].any() else (),
    )
