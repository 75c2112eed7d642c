"""The bundled prices and volatility index, continued by data/history where that reaches beyond them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from optionwriter.adapters.tapes.history_files import (
    PRICES,
    VOLATILITY_INDEX,
    HistoryError,
    read_history,
)
from optionwriter.adapters.tapes.layouts import history_path
from optionwriter.adapters.tapes.sample_files import Recorded, SampleData, SampleError
from optionwriter.core.market.chain import F64
from optionwriter.core.market.instruments import MS_PER_HOUR


def history_files(folder: Path, coins: tuple[str, ...]) -> tuple[Path, ...]:
    """The files of these coins that are there."""
    paths = [folder / history_path(kind, coin) for coin in coins for kind in (PRICES, VOLATILITY_INDEX)]
    return tuple(path for path in paths if path.is_file())


def continued(data: SampleData, folder: Path) -> SampleData:
    """The same with every hour and every value of the index that `folder` (data/history) has after the last one here.

    Hours that close before they are a full hour long, and days' candles, are left out. Errors: SampleError.
    """
    try:
        return replace(
            data, recorded={name: _continued(name, own, folder) for name, own in data.recorded.items()}
        )
    except HistoryError as error:
        raise SampleError(str(error)) from error


def _continued(name: str, own: Recorded, folder: Path) -> Recorded:
    hour = (pl.col("close_time") - pl.col("open_time")) == pl.duration(hours=1)
    opened = pl.col("open_time").dt.epoch("ms")
    prices = read_history(folder, PRICES, name).filter(
        hour, opened > int(own.candle_ms[-1]), opened % MS_PER_HOUR == 0
    )
    known = pl.col("close_time").dt.epoch("ms")
    index = read_history(folder, VOLATILITY_INDEX, name).filter(known > int(own.index_ms[-1]))

    def joined(column: F64, name: str) -> F64:
        return np.concatenate([column, prices[name].to_numpy()])

    return replace(
        own,
        candle_ms=np.concatenate([own.candle_ms, prices["open_time"].dt.epoch("ms").to_numpy()]),
        open=joined(own.open, "open"),
        high=joined(own.high, "high"),
        low=joined(own.low, "low"),
        close=joined(own.close, "close"),
        index_ms=np.concatenate([own.index_ms, index["close_time"].dt.epoch("ms").to_numpy()]),
        index_value=np.concatenate([own.index_value, index["close"].to_numpy()]),
        index_rebuilt=np.concatenate([own.index_rebuilt, np.zeros(index.height, dtype=np.bool_)]),
    )
