"""The candidate store: parts while the day runs, one sorted file after it, retention, equal bytes."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from optionwriter.adapters.files.candidates import CandidateStore, CandidateStoreError, read_candidates

DAY_MS = 86_400_000
START_MS = 1_767_225_600_000  # 2026-01-01 00:00 UTC


def columns(seed: int, rows: int = 4) -> dict[str, object]:
    rng = np.random.default_rng(seed)
    return {"instrument": [f"BTC-2JAN26-{80 + i}000-C" for i in range(rows)], "delta": rng.random(rows)}


def fill(folder: Path, days: int, keep_days: int = 30, per_part: int = 1) -> CandidateStore:
    store = CandidateStore(folder, keep_days, per_part)
    for day in range(days):
        for hour in (0, 8, 16):
            store.append(
                f"d{day}-{hour}", START_MS + day * DAY_MS + hour * 3_600_000, columns(day * 100 + hour)
            )
    return store


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_running_day_is_parts_and_a_closed_one_is_one_sorted_file(tmp_path: Path) -> None:
    store = fill(tmp_path, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "candidates_20260101.parquet",
        "candidates_20260102.parts",
    ]
    assert len(list((tmp_path / "candidates_20260102.parts").iterdir())) == 3
    for day in (0, 1):
        frame = read_candidates(tmp_path, date(2026, 1, 1 + day))
        assert frame["decision_id"].to_list() == [f"d{day}-{hour}" for hour in (0, 8, 16) for _ in range(4)]
        assert frame["row"].to_list() == [0, 1, 2, 3] * 3
        wanted = np.concatenate([columns(day * 100 + hour)["delta"] for hour in (0, 8, 16)])
        assert np.array_equal(frame["delta"].to_numpy(), wanted)
    store.close(START_MS + 2 * DAY_MS)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".parquet", ".parquet"]


def test_equal_decisions_give_equal_bytes_however_they_were_parted(tmp_path: Path) -> None:
    fill(tmp_path / "a", 3).close(START_MS + 3 * DAY_MS)
    fill(tmp_path / "b", 3).close(START_MS + 3 * DAY_MS)
    fill(tmp_path / "c", 3, per_part=2).close(START_MS + 3 * DAY_MS)
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b") == bytes_of(tmp_path / "c")
    assert len(bytes_of(tmp_path / "a")) == 3


def test_a_decision_written_again_after_a_crash_counts_once(tmp_path: Path) -> None:
    store = fill(tmp_path, 1)
    store.append("d0-16", START_MS + 16 * 3_600_000, columns(16))
    parts = tmp_path / "candidates_20260101.parts"
    shutil.copytree(parts, tmp_path / "kept")
    (parts / "half.tmp").write_bytes(b"PAR1")
    store.close(START_MS + DAY_MS)
    closed = bytes_of(tmp_path)["candidates_20260101.parquet"]
    shutil.copytree(
        tmp_path / "kept", parts
    )  # the crash came between the rename and the removal of the parts
    CandidateStore(tmp_path, 30).close(START_MS + DAY_MS)
    assert bytes_of(tmp_path)["candidates_20260101.parquet"] == closed
    assert read_candidates(tmp_path, date(2026, 1, 1)).height == 12


def test_retention_removes_old_days_and_nobody_elses_files(tmp_path: Path) -> None:
    foreign = [
        "candidates_20200101.parquet.bak",
        "notes.txt",
        "candidates_99999999.parquet",
        "my_candidates_20200101.parquet",
    ]
    for name in foreign:
        (tmp_path / name).write_text("mine")
    (tmp_path / "candidates_20200102.parts").write_text("a file, not a folder")
    fill(tmp_path, 6, keep_days=2)
    ours = sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("candidates_2026"))
    assert ours == ["candidates_20260104.parquet", "candidates_20260105.parquet", "candidates_20260106.parts"]
    assert all((tmp_path / name).exists() for name in [*foreign, "candidates_20200102.parts"])


def test_a_column_that_appears_later_in_the_day_is_kept(tmp_path: Path) -> None:
    store = CandidateStore(tmp_path, 5)
    store.append("a", START_MS, {"x": [1.0]})
    store.append("b", START_MS + 1, {})
    store.append("c", START_MS + 2, {"x": [2.0], "y": ["late"]})
    store.close(START_MS + DAY_MS)
    frame = read_candidates(tmp_path, date(2026, 1, 1))
    assert frame.select("decision_id", "x", "y").rows() == [("a", 1.0, None), ("c", 2.0, "late")]
    assert frame.schema["row"] == pl.Int32


def test_decisions_of_one_instant_are_in_the_order_of_their_ids(tmp_path: Path) -> None:
    store = CandidateStore(tmp_path, 5, decisions_per_part=2)
    store.append("b", START_MS, {"x": [1, 2]})
    store.append("a", START_MS, {"x": [3]})
    assert read_candidates(tmp_path, date(2026, 1, 1)).select("decision_id", "row").rows() == [
        ("a", 0),
        ("b", 0),
        ("b", 1),
    ]


def test_errors_name_the_file_or_the_column(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at_ms"):
        CandidateStore(tmp_path, 5).append("a", START_MS, {"at_ms": [1]})
    (tmp_path / "candidates_20260101.parquet").write_bytes(b"no parquet")
    with pytest.raises(CandidateStoreError, match="candidates_20260101"):
        read_candidates(tmp_path, date(2026, 1, 1))
    assert read_candidates(tmp_path, date(2026, 1, 2)).height == 0
