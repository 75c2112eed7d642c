"""Parquet files that are there whole or not at all: written aside in the same folder, made durable, then renamed."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl

ASIDE = ".part"  # suffix of a file that is being written; readers never look at it


def write_whole(frame: pl.DataFrame, path: Path) -> int:
    """Writes `frame` to `path`, replacing what is there; the file's bytes. Equal frames give equal bytes.

    Errors: OSError, with nothing left aside and the old file untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}{ASIDE}")
    try:
        with aside.open("wb") as file:
            frame.write_parquet(file, compression="zstd", compression_level=9, statistics=True)
            file.flush()
            os.fsync(file.fileno())
        size = aside.stat().st_size
        aside.replace(path)
    except pl.exceptions.PolarsError as error:  # how polars tells of a full disk
        aside.unlink(missing_ok=True)
        raise OSError(f"{path} can't be written ({str(error).partition(chr(10))[0]})") from error
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    return size
