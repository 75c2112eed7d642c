"""A backtest's sources: what they need, what they show, and the plain words when something is missing."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from optionwriter.adapters.tapes.captured_files import DELIVERY
from optionwriter.adapters.tapes.layouts import day_path
from optionwriter.adapters.tapes.sample_files import FOLDER
from optionwriter.bootstrap.backtest_config import read_config
from optionwriter.bootstrap.source import Source, fingerprint, recorded_steps
from optionwriter.bootstrap.sources import open_source
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR, utc_day
from optionwriter.core.report.origins import SettledBy
from optionwriter.core.report.run import RunSpec
from optionwriter.services.jobs import RunError
from optionwriter.settings import Settings

SETTINGS = Settings()
BUNDLED = FOLDER / "live_deribit"


def day_ms(day: str) -> int:
    return int(np.datetime64(day, "ms").astype(np.int64))


def opened(
    source: str,
    start: str,
    end: str,
    coins: tuple[str, ...] = ("BTC",),
    config: Mapping[str, object] | None = None,
    until_ms: int | None = None,
) -> Source:
    spec = RunSpec("test", source, "income", coins, day_ms(start), day_ms(end), 1)
    return open_source(SETTINGS, spec, read_config(config or {}), until_ms)


def without_days(folder: Path, days: list[str]) -> str:
    """A copy of the bundled BTC month that lacks some days."""
    shutil.copytree(BUNDLED / "BTC", folder / "live_deribit" / "BTC")
    for day in days:
        (folder / "live_deribit" / day_path("BTC", utc_day(day_ms(day)))).unlink()
    return str(folder)


def test_steps_are_snapshots_and_the_hours_that_none_is_fresh_for() -> None:
    hour, grid = 60, list(range(0, 601, 60))
    instants, repriced = recorded_steps([54, 400, 401, 455], grid, hour, 300)
    # 54 and 400 are the first of their hours, 401 the second; 60 is too soon after 54, 360 and 540 are not fresh
    assert instants == (54, 120, 180, 240, 300, 400, 455, 540, 600)
    assert repriced == {120, 180, 240, 300, 540, 600}
    assert recorded_steps([60], [0, 60, 120], hour, 300) == ((60, 120), frozenset({120}))
    assert recorded_steps([], [0, 60], hour, 300) == ((), frozenset())


def test_the_bundled_month_is_there_without_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = opened("live_deribit", "2026-02-03", "2026-02-05", ("BTC", "ETH"))
    assert source.feed.products == ("BTC", "ETH", "BTC_USDC", "ETH_USDC")
    recorded = [at for at in source.instants if at not in source.repriced]
    assert len(recorded) == 8 and len(source.repriced) > 30  # four a day
    assert all(source.feed.chain("BTC", at).at_ms == at for at in source.instants)
    assert all((source.feed.chain("BTC", at).bid > 0).any() for at in recorded)
    assert not any((source.feed.chain("ETH_USDC", at).bid > 0).any() for at in list(source.repriced)[:5])
    told = " ".join(source.notes)
    assert "repriced" in told and "converted" in told


def test_a_folder_beside_the_working_one_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bundled = opened("live_deribit", "2026-02-04", "2026-02-05")
    without_days(tmp_path / "data", ["2026-02-10"])
    beside = opened("live_deribit", "2026-02-04", "2026-02-05")
    assert beside.instants == bundled.instants
    with pytest.raises(RunError, match="lacks 2026-02-10"):
        opened("live_deribit", "2026-02-10", "2026-02-12")


def test_missing_days_are_named(tmp_path: Path) -> None:
    data = {"data": without_days(tmp_path, ["2026-02-10", "2026-02-11"])}
    gap = opened("live_deribit", "2026-02-01", "2026-03-01", config=data)
    assert any("no snapshots on 2026-02-10, 2026-02-11" in one for one in gap.notes)
    last = max(at for at in gap.instants if at < day_ms("2026-02-10"))
    assert last >= day_ms("2026-02-10") - MS_PER_DAY
    during = [at for at in gap.instants if day_ms("2026-02-10") <= at < day_ms("2026-02-12")]
    seen = max(at for at in gap.instants if at not in gap.repriced and at < day_ms("2026-02-10"))
    assert during and max(during) <= seen + MS_PER_DAY
    for start, end in (
        ("2026-02-11", "2026-02-25"),
        ("2026-02-01", "2026-02-11"),
        ("2026-02-08", "2026-02-14"),
    ):
        with pytest.raises(RunError, match=r"live_deribit lacks 2026-02-1[01].*choose a period without them"):
            opened("live_deribit", start, end, config=data)
    with pytest.raises(RunError, match=r"holds no live_deribit files of BTC"):
        opened("live_deribit", "2024-01-01", "2024-02-01", config=data)
    with pytest.raises(RunError, match=r"lacks 2026-03-01, .* and 23 more days"):
        opened("live_deribit", "2026-02-28", "2026-04-01", config=data)


def test_plain_errors() -> None:
    for source in ("synthetic", "sample", "live_deribit", "real_scraper"):
        with pytest.raises(RunError, match="swap its dates"):
            opened(source, "2026-02-05", "2026-02-03")
        with pytest.raises(RunError, match="the period is empty"):
            opened(source, "2026-02-05", "2026-02-05")
    with pytest.raises(RunError, match=r"is no folder: name that of the recorded chains with -o data=PATH"):
        opened("live_deribit", "2026-02-01", "2026-02-03", config={"data": "/nowhere"})
    with pytest.raises(RunError, match=r"there is no folder data/real_scraper: import chains into it"):
        opened("real_scraper", "2026-02-01", "2026-02-03")
    with pytest.raises(RunError, match="no prices of SOL: choose from BTC, ETH"):
        opened("live_deribit", "2026-02-01", "2026-02-03", ("SOL",))
    with pytest.raises(RunError, match=r"'tape' is not there: choose from synthetic, sample, live_deribit"):
        opened("tape", "2026-02-01", "2026-02-03")
    with pytest.raises(RunError, match="synthetic has 2021-03-25 to 2026-05-31"):
        opened("synthetic", "2021-02-15", "2021-04-01")


def test_synthetic_begins_in_2021() -> None:
    source = opened("synthetic", "2021-03-25", "2021-03-27")
    chain = source.feed.chain("BTC", source.instants[0])
    assert (chain.bid > 0).any() and 40_000 < chain.index_price < 60_000  # that week's price
    realised = opened("synthetic", "2021-02-05", "2021-02-07", config={"model": "realised"})
    assert (realised.feed.chain("BTC", realised.instants[0]).bid > 0).any()


@pytest.mark.parametrize("name", ["synthetic", "live_deribit"])
def test_a_source_as_known_at_an_instant_shows_the_same_up_to_it(name: str) -> None:
    whole = opened(name, "2026-02-03", "2026-02-09")
    until = day_ms("2026-02-05") + 5 * MS_PER_HOUR
    known = opened(name, "2026-02-03", "2026-02-09", until_ms=until)
    for at in [at for at in whole.instants if at <= until][-3:]:
        one, other = whole.feed.chain("BTC", at), known.feed.chain("BTC", at)
        assert one.table.names == other.table.names and np.array_equal(one.mark, other.mark)
        assert np.array_equal(one.ask, other.ask, equal_nan=True)
        mine, theirs = whole.feed.candles("BTC", 0, at), known.feed.candles("BTC", 0, at)
        assert np.array_equal(mine.close, theirs.close)
    later = known.feed.candles("BTC", 0, day_ms("2026-02-08"))
    assert later.open_ms[-1] + MS_PER_HOUR <= until


def test_the_fingerprint_is_of_the_files(tmp_path: Path) -> None:
    data = {"data": without_days(tmp_path, [])}
    one = opened("live_deribit", "2026-02-03", "2026-02-05", config=data)
    assert one.fingerprint == opened("live_deribit", "2026-02-03", "2026-02-05").fingerprint
    path = tmp_path / "live_deribit" / day_path("BTC", utc_day(day_ms("2026-02-04")))
    shutil.copy(tmp_path / "live_deribit" / day_path("BTC", utc_day(day_ms("2026-02-03"))), path)
    with pytest.raises(RunError, match=r"2026-02-04 \(no rows"):
        opened("live_deribit", "2026-02-03", "2026-02-05", config=data)
    other = opened("live_deribit", "2026-02-05", "2026-02-06", config=data)
    assert other.fingerprint != one.fingerprint


@pytest.mark.parametrize(
    "changed",
    [
        {"fill": "mid"},
        {"spread_share": "0.25"},
        {"wait_minutes": 30},
        {"combo": True},
        {"idle_yield_usdc": "0.02"},
        {"wheel_convert": True},
        {"iv_multiplier": 1.3},
        {"listing": "plain"},
    ],
)
def test_the_fingerprint_is_of_all_that_shapes_market_and_costs(changed: dict[str, object]) -> None:
    spec = RunSpec("test", "synthetic", "income", ("BTC",), 0, MS_PER_DAY, 1)
    plain = fingerprint(spec, read_config({}))
    assert fingerprint(spec, read_config(changed)) != plain
    unrelated = {"exit_styles": "own,hold_to_expiry", "btc": "3", "spread_share": "0.00"}
    assert fingerprint(replace(spec, name="other", group="g"), read_config(unrelated)) == plain


def test_the_fingerprint_is_of_the_settlement_prices_used(tmp_path: Path) -> None:
    without_days(tmp_path, [])
    folder = tmp_path / "live_deribit" / DELIVERY
    folder.mkdir()

    def write(day: str, price: str) -> None:
        (folder / "eth_usd_delivery_sample.csv").write_text(f"date,price\n{day},{price}\n")

    def found(coin: str = "ETH") -> Source:
        return opened("live_deribit", "2026-02-03", "2026-02-05", (coin,), {"data": str(tmp_path)})

    shutil.copytree(BUNDLED / "ETH", tmp_path / "live_deribit" / "ETH")
    write("2026-02-04", "2100.5")
    one = found()
    eight = day_ms("2026-02-04") + 8 * MS_PER_HOUR
    assert one.feed.delivery_price("eth_usd", eight) == 2100.5
    assert one.origins.settled_by("eth_usd", eight) == SettledBy.OFFICIAL
    assert one.origins.settled_by("eth_usd", eight + MS_PER_DAY) == SettledBy.PRICE
    write("2026-02-04", "2100.6")
    other = found()
    assert other.fingerprint != one.fingerprint
    write("2026-03-04", "2100.6")  # of another month: nothing settles by it
    bare = found()
    assert bare.fingerprint not in (one.fingerprint, other.fingerprint)
    write("2026-03-05", "9.9")
    assert found().fingerprint == bare.fingerprint


def test_quotes_that_were_not_recorded_are_known_by_their_instant() -> None:
    source = opened("live_deribit", "2026-02-03", "2026-02-05")
    origins = source.origins
    assert all(origins.repriced("BTC", at) == (at in source.repriced) for at in source.instants)
    assert origins.repriced("BTC", source.instants[0] + 60_000)
    assert not any(origins.converted("BTC", at) for at in source.instants)
    assert all(
        origins.converted("BTC_USDC", at) for at in source.instants
    )  # only inverse books were recorded


def test_the_fingerprint_is_of_what_the_files_hold(tmp_path: Path) -> None:
    data = {"data": without_days(tmp_path, [])}

    def found() -> str:
        return opened("live_deribit", "2026-02-03", "2026-02-05", config=data).fingerprint

    def change(day: str) -> None:
        path = tmp_path / "live_deribit" / day_path("BTC", utc_day(day_ms(day)))
        frame = pl.read_parquet(path)
        frame.with_columns(pl.col("open_interest") + 1.0).write_parquet(path)

    before = found()
    change("2026-02-09")  # outside the period
    assert found() == before
    change("2026-02-04")
    assert found() != before
