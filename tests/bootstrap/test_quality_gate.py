"""A backtest on recorded chains refuses a day that fails its check, by name; told to, it leaves it out or takes it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from optionwriter.adapters.tapes.layouts import day_path
from optionwriter.core.market.instruments import MS_PER_DAY, utc_day
from optionwriter.services.jobs import RunError
from tests.bootstrap.test_sources import BUNDLED, day_ms, opened

BAD = "2026-02-06"


@pytest.fixture
def spoilt(tmp_path: Path) -> Path:
    """Ten days of the bundled BTC, one of which writes volatilities as fractions."""
    for ahead in range(10):
        path = day_path("BTC", utc_day(day_ms("2026-02-02") + ahead * MS_PER_DAY))
        (tmp_path / "live_deribit" / path).parent.mkdir(parents=True)
        shutil.copy(BUNDLED / path, tmp_path / "live_deribit" / path)
    path = tmp_path / "live_deribit" / day_path("BTC", utc_day(day_ms(BAD)))
    pl.read_parquet(path).with_columns(pl.col("mark_iv") / 100).write_parquet(path)
    return tmp_path


def test_a_failed_day_is_refused_by_name_with_the_reason_and_the_options(spoilt: Path) -> None:
    data = {"data": str(spoilt)}
    with pytest.raises(RunError) as error:
        opened("live_deribit", "2026-02-02", "2026-02-12", config=data)
    told = str(error.value)
    assert f"BTC {BAD} (wrong units: volatilities are fractions, not percent" in told
    assert "failed_days=skip" in told and "failed_days=take" in told
    before = opened("live_deribit", "2026-02-02", "2026-02-06", config=data)  # not asked for: not in the way
    assert before.notes == opened("live_deribit", "2026-02-02", "2026-02-06").notes


def test_told_to_it_skips_the_day_or_takes_it_and_says_so(spoilt: Path) -> None:
    days = {}
    for choice in ("skip", "take"):
        source = opened(
            "live_deribit", "2026-02-02", "2026-02-12", config={"data": str(spoilt), "failed_days": choice}
        )
        fresh = [at for at in source.instants if at not in source.repriced]
        days[choice] = {utc_day(at).isoformat() for at in fresh}
        assert any(BAD in note and f"failed_days={choice}" in note for note in source.notes)
    assert days["take"] - days["skip"] == {BAD} and len(days["take"]) == 10
    with pytest.raises(
        RunError, match=f"lacks {BAD}"
    ):  # a skipped day at an end of the period is a missing one
        opened(
            "live_deribit", "2026-02-04", "2026-02-07", config={"data": str(spoilt), "failed_days": "skip"}
        )


def test_a_check_is_kept_beside_the_data_until_the_file_changes(spoilt: Path) -> None:
    config = {"data": str(spoilt), "failed_days": "take"}
    opened("live_deribit", "2026-02-05", "2026-02-08", config=config)
    path = spoilt / "live_deribit" / ".quality" / "BTC.json"
    kept = json.loads(path.read_text())
    assert kept[BAD]["quality"]["verdict"] == "fail" and set(kept) == {"2026-02-05", BAD, "2026-02-07"}
    kept[BAD]["quality"]["verdict"] = "pass"
    kept[BAD]["quality"]["findings"] = []
    path.write_text(json.dumps(kept))
    refusing = {"data": str(spoilt)}
    opened("live_deribit", "2026-02-05", "2026-02-08", config=refusing)  # what is kept is believed
    file = spoilt / "live_deribit" / day_path("BTC", utc_day(day_ms(BAD)))
    pl.read_parquet(file).with_columns(pl.col("volume") + 1).write_parquet(file)
    with pytest.raises(RunError, match=BAD):
        opened("live_deribit", "2026-02-05", "2026-02-08", config=refusing)
    path.write_text("{torn")
    with pytest.raises(RunError, match=BAD):
        opened("live_deribit", "2026-02-05", "2026-02-08", config=refusing)


def test_a_day_that_cant_be_read_is_refused_and_skipped_alike(spoilt: Path) -> None:
    file = spoilt / "live_deribit" / day_path("BTC", utc_day(day_ms(BAD)))
    file.write_bytes(file.read_bytes()[:3_000])
    data = {"data": str(spoilt)}
    with pytest.raises(RunError, match=rf"BTC {BAD} \(unreadable files: .*{file.name}.*failed_days=skip"):
        opened("live_deribit", "2026-02-02", "2026-02-12", config=data)
    source = opened("live_deribit", "2026-02-02", "2026-02-12", config={**data, "failed_days": "skip"})
    seen = {utc_day(at).isoformat() for at in source.instants if at not in source.repriced}
    assert len(seen) == 9 and BAD not in seen and any(BAD in note for note in source.notes)
    with pytest.raises(RunError, match=f"{file.name} is no recorded chain"):
        opened("live_deribit", "2026-02-02", "2026-02-12", config={**data, "failed_days": "take"})
