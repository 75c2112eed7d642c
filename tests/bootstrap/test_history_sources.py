"""A backtest's market goes on where data/history goes beyond the bundled prices, and says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from optionwriter.adapters.tapes.history_files import write_history
from optionwriter.bootstrap.backtest_config import read_config
from optionwriter.bootstrap.source import Source
from optionwriter.bootstrap.sources import open_source
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR
from optionwriter.core.report.run import RunSpec
from optionwriter.services.jobs import RunError
from optionwriter.settings import Settings

FIRST = datetime(2026, 5, 30, tzinfo=UTC)  # two days within the bundled prices, which must stay
JUNE = round(datetime(2026, 6, 1, tzinfo=UTC).timestamp() * 1000)
HOURS = 12 * 24


def fill(folder: Path, kinds: tuple[str, ...] = ("prices", "volatility_index")) -> pl.DataFrame:
    opened = [FIRST + timedelta(hours=hour) for hour in range(HOURS)]
    close = [100_000.0 + 10 * hour for hour in range(HOURS)]
    frame = pl.DataFrame(
        {
            "open_time": opened,
            "close_time": [one + timedelta(hours=1) for one in opened],
            "open": [one - 10 for one in close],
            "high": [one + 5 for one in close],
            "low": [one - 15 for one in close],
            "close": close,
        }
    )
    for kind in kinds:
        scale = 1.0 if kind == "prices" else 0.0005
        write_history(folder / "history", kind, "BTC", frame.with_columns(
            pl.col("open", "high", "low", "close") * scale
        ))  # fmt: skip
    return frame


def opened(model: str = "anchored", until_ms: int | None = None, days: tuple[int, int] = (2, 6)) -> Source:
    start, end = (JUNE + day * MS_PER_DAY for day in days)
    spec = RunSpec("test", "synthetic", "income", ("BTC",), start, end, 1)
    return open_source(Settings(), spec, read_config({"model": model}), until_ms)


def test_prices_go_on_where_the_bundled_ones_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match="choose a period within it"):
        opened()
    whole = opened(days=(-9, -5))
    frame = fill(Path("data"))
    source = opened()
    end = JUNE + 6 * MS_PER_DAY
    candles = source.feed.candles("BTC", JUNE + MS_PER_DAY, end)
    wanted = frame.filter(
        pl.col("open_time").dt.epoch("ms").is_between(JUNE + MS_PER_DAY, end, closed="left")
    )
    assert candles.open_ms.tolist() == wanted["open_time"].dt.epoch("ms").to_list()
    assert candles.close.tolist() == wanted["close"].to_list()
    index = source.feed.volatility_index("BTC", JUNE + MS_PER_DAY, JUNE + 2 * MS_PER_DAY)
    assert len(index.at_ms) == 25 and (index.value > 49).all()
    bundled = source.feed.candles(
        "BTC", JUNE - MS_PER_DAY, JUNE - MS_PER_HOUR
    )  # the last hour is not among them
    assert len(bundled.close) == 23 and (bundled.close < 80_000).all()  # not those of the files
    assert any("data/history" in note for note in source.notes)
    # within the bundled prices nothing changes, nor does the hash
    again = opened(days=(-9, -5))
    assert again.fingerprint == whole.fingerprint and not any("history" in note for note in again.notes)


def test_nothing_after_an_instant_is_known_there_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fill(Path("data"))
    cut = JUNE + 4 * MS_PER_DAY
    known = opened(until_ms=cut).feed
    assert known.candles("BTC", JUNE, cut + MS_PER_DAY).open_ms[-1] <= cut - MS_PER_HOUR
    assert known.volatility_index("BTC", JUNE, cut + MS_PER_DAY).at_ms[-1] <= cut


def test_without_the_volatility_index_an_anchored_market_ends_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fill(Path("data"), ("prices",))
    with pytest.raises(RunError, match="choose a period within it"):
        opened()
    assert opened("realised").feed.candles("BTC", JUNE, JUNE + MS_PER_DAY).close[0] > 100_000


def test_a_torn_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fill(Path("data"))
    path = Path("data/history/prices/BTC.parquet")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(RunError, match=r"BTC\.parquet can't be read"):
        opened()
