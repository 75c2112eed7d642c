"""A sample that is not whole is refused with the file's name and the cure."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from shared_data import shared

from optionwriter.adapters.tapes.sample import SampleFeed
from optionwriter.adapters.tapes.sample_files import FOLDER, SampleError, load_sample

CURE = "make sample"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FOLDER, tmp_path / "sample"))


def test_the_bundled_sample_is_whole_and_small() -> None:
    data = load_sample()
    assert set(data.recorded) == {"BTC", "ETH"}
    assert set(data.books) == {"BTC", "ETH", "BTC_USDC", "ETH_USDC"}
    assert data.books["BTC"].assumed == ()
    assert data.books["ETH"].assumed == ("bid_size", "ask_size")
    files = {path.relative_to(FOLDER).as_posix(): path for path in FOLDER.rglob("*") if path.is_file()}
    assert sum(path.stat().st_size for path in files.values()) < 6_000_000
    assert set(files) == {*data.manifest["files"], "manifest.json"}
    for name, promised in data.manifest["files"].items():
        assert hashlib.sha256(files[name].read_bytes()).hexdigest() == promised["sha256"], name


def test_a_missing_file_is_named(copy: Path) -> None:
    (copy / "surfaces.parquet").unlink()
    with pytest.raises(SampleError, match=rf"surfaces\.parquet cannot be read.*{CURE}"):
        SampleFeed(folder=copy)
    with pytest.raises(SampleError, match=rf"manifest\.json cannot be read.*{CURE}"):
        load_sample(copy / "nowhere")


def test_a_torn_file_is_named(copy: Path) -> None:
    path = copy / "prices.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(SampleError, match=rf"prices\.parquet is torn or altered.*{CURE}"):
        load_sample(copy)


def test_one_changed_byte_is_seen(copy: Path) -> None:
    path = copy / "listing.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(SampleError, match=r"listing\.parquet is torn or altered"):
        load_sample(copy)


def test_a_broken_or_newer_manifest_is_named(copy: Path) -> None:
    path = copy / "manifest.json"
    whole = json.loads(path.read_text())
    path.write_text("{")
    with pytest.raises(SampleError, match=rf"manifest\.json is no JSON.*{CURE}"):
        load_sample(copy)
    path.write_text(json.dumps({**whole, "version": 99}))
    with pytest.raises(SampleError, match=rf"version 99.*{CURE}"):
        load_sample(copy)
    path.write_text("[]")
    with pytest.raises(SampleError, match=r"version None"):
        load_sample(copy)
    path.write_text(json.dumps({**whole, "files": {}}))
    with pytest.raises(SampleError, match=r"does not name books\.parquet"):
        load_sample(copy)


def rewritten(folder: Path, name: str, table: pl.DataFrame) -> None:
    """A file that the manifest vouches for, with other content."""
    table.write_parquet(folder / name)
    manifest = json.loads((folder / "manifest.json").read_text())
    content = (folder / name).read_bytes()
    manifest["files"][name] |= {"sha256": hashlib.sha256(content).hexdigest(), "rows": table.height}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_other_columns_are_seen(copy: Path) -> None:
    table = pl.read_parquet(copy / "prices.parquet")
    rewritten(copy, "prices.parquet", table.rename({"open": "opening"}))
    with pytest.raises(SampleError, match=r"prices\.parquet has other rows or columns"):
        load_sample(copy)


def test_columns_that_make_no_sense_are_refused(copy: Path) -> None:
    table = pl.read_parquet(copy / "books.parquet")
    rewritten(copy, "books.parquet", table.filter(pl.col("bucket") > 3))
    with pytest.raises(SampleError, match=rf"makes no sense.*buckets.*{CURE}"):
        load_sample(copy)


def test_a_file_that_is_no_parquet_is_refused(copy: Path) -> None:
    content = b"no parquet"
    (copy / "books.parquet").write_bytes(content)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["files"]["books.parquet"]["sha256"] = hashlib.sha256(content).hexdigest()
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(SampleError, match=r"books\.parquet is no readable Parquet"):
        load_sample(copy)


@pytest.mark.shared
@pytest.mark.parametrize("coin", ["BTC", "ETH"])
def test_prices_are_binances_hours_moved_by_a_few_basis_points(coin: str) -> None:
    """Also where the sample stores no more than their distances from each other."""
    own = load_sample().recorded[coin]
    hours = pl.read_parquet(shared(f"data/prices_hourly/{coin}_USDT_binance_spot_1h.parquet")).with_columns(
        pl.col("date").dt.epoch("ms")
    )
    theirs = hours.filter(pl.col("date").is_in(own.candle_ms.tolist())).sort("date")
    assert theirs["date"].to_list() == own.candle_ms.tolist()
    assert own.candle_ms[0] == 1_609_459_200_000  # 2021-01-01
    for name in ("open", "high", "low", "close"):
        gap = np.log(getattr(own, name) / theirs[name].to_numpy())
        assert np.abs(np.median(gap)) < 6e-4 and np.percentile(np.abs(gap), 99) < 1e-2, name
    assert (own.high >= np.maximum(own.open, own.close)).all() and (own.low <= own.close).all()


@pytest.mark.shared
def test_daily_values_of_the_index_are_not_known_before_their_day_is_over() -> None:
    """ETH has no hours before June 2025: each recorded close appears at the end of its day, and not a day earlier."""
    own = load_sample().recorded["ETH"]
    known = dict(zip(own.index_ms.tolist(), own.index_value.tolist(), strict=True))
    days = pl.read_csv(shared("data/dvol/eth_dvol_1d.csv"), try_parse_dates=True).filter(
        pl.col("date") < pl.date(2025, 6, 14)
    )
    assert days.height > 1_500
    for day, close in days.select(pl.col("date").cast(pl.Datetime("ms")).dt.epoch("ms"), "close").iter_rows():
        assert known[day + 86_400_000] == close
    assert not own.index_rebuilt[own.index_ms < 1_767_000_000_000].any()
