"""A file that is being written is never seen, and a failed one leaves the old."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from optionwriter.adapters.tapes.whole_file import ASIDE, write_whole


def test_replaces_whole_and_repeats_to_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.parquet"
    frame = pl.DataFrame({"at": [1, 2], "x": [0.5, None]})
    size = write_whole(frame, path)
    first = path.read_bytes()
    assert size == len(first) and pl.read_parquet(path).equals(frame)
    write_whole(frame, path)
    assert path.read_bytes() == first and [one.name for one in path.parent.iterdir()] == ["b.parquet"]


def test_a_failure_leaves_the_old_file_and_nothing_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "b.parquet"
    write_whole(pl.DataFrame({"at": [1]}), path)

    def broken(*_args: object, **_kwargs: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", broken)
    with pytest.raises(OSError, match="no space"):
        write_whole(pl.DataFrame({"at": [2]}), path)
    assert pl.read_parquet(path)["at"].to_list() == [1]
    assert [one.name for one in tmp_path.iterdir()] == ["b.parquet"]


def test_a_full_disk_is_an_os_error_and_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "day.parquet"
    write_whole(pl.DataFrame({"a": [1]}), path)
    before = path.read_bytes()
    aside = tmp_path / f".day.parquet{ASIDE}"
    aside.symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"day\.parquet can't be written.*No space"):
        write_whole(pl.DataFrame({"a": range(100_000)}), path)
    assert path.read_bytes() == before and not aside.is_symlink()
