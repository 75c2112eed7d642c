"""A sample that is not whole is refused with the file's name and the cure."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import polars as pl
import pytest

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
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 4_000_000
    assert {path.name for path in FOLDER.iterdir()} == {*data.manifest["files"], "manifest.json"}


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
