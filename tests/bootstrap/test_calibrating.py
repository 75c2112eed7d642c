"""Calibration on the bundled recording, checked against its own rows; and the plain words when there is nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from optionwriter.adapters.tapes.layouts import day_path
from optionwriter.adapters.tapes.sample_files import FOLDER, load_sample
from optionwriter.bootstrap.calibrating import Asked, UnreachableError, calibration
from optionwriter.bootstrap.skews import skew_for
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR, MS_PER_YEAR, utc_day
from optionwriter.core.report.calibration_models import Model
from optionwriter.services.calibrate import CalibrationError
from optionwriter.settings import Settings
from tests.web.local_marks import local_marks

SETTINGS = Settings()
AT_MS = int(np.datetime64("2026-02-10T12:00", "ms").astype(np.int64))
DAY_MS = AT_MS // MS_PER_DAY * MS_PER_DAY


def test_the_flat_model_is_off_by_what_the_recorded_rows_say() -> None:
    report = calibration(SETTINGS, Asked("BTC", start_ms=AT_MS, end_ms=AT_MS, multiplier=0.6))
    (moment,) = report.found.moments
    assert DAY_MS < moment.at_ms <= AT_MS

    frame = pl.read_parquet(FOLDER / "live_deribit" / day_path("BTC", utc_day(AT_MS)))
    rows = frame.filter(pl.col("harvest_time").dt.epoch("ms") == moment.at_ms)
    candles = load_sample().recorded["BTC"]
    hours = candles.candle_ms + MS_PER_HOUR
    week = candles.close[(hours > moment.at_ms - 7 * MS_PER_DAY - MS_PER_HOUR) & (hours <= moment.at_ms)]
    realised = float(np.std(np.diff(np.log(week))) * np.sqrt(8_760))
    assert moment.realised_7d == pytest.approx(
        realised, rel=0.01
    )  # 168 returns: about a mean of none or of their own

    iv = rows["mark_iv"].to_numpy() / 100.0
    days = (rows["expiry_timestamp"].to_numpy() * 1_000 - moment.at_ms) / MS_PER_DAY
    forward, strike = rows["underlying_price"].to_numpy(), rows["strike"].to_numpy()
    scale = iv * np.sqrt(days * MS_PER_DAY / MS_PER_YEAR)
    d1 = np.log(forward / strike) / scale + scale / 2
    size = np.abs(np.vectorize(_normal)(d1) - (rows["option_type"].to_numpy() == "P"))
    counted = (
        (days >= 0.5) & (days <= 400) & (size >= 0.05) & (size <= 0.6) & (rows["mark_price"].to_numpy() > 0)
    )
    flat = report.found.errors[Model.FLAT].overall()
    assert flat.count == np.count_nonzero(counted) == report.found.marks > 150
    assert flat.mae is not None
    off = np.abs(0.6 * moment.realised_7d - iv[counted])
    assert flat.mae[2] == pytest.approx(100.0 * off.mean(), rel=1e-9)


def _normal(x: float) -> float:
    from math import erfc, sqrt

    return 0.5 * erfc(-x / sqrt(2.0))


@pytest.mark.slow
def test_a_period_tells_every_chain_once_and_the_surfaces_are_nearest() -> None:
    asked = Asked("ETH", start_ms=DAY_MS, end_ms=DAY_MS + 3 * MS_PER_DAY, every_ms=12 * MS_PER_HOUR)
    found = calibration(SETTINGS, asked).found
    instants = [one.at_ms for one in found.moments]
    assert 4 <= len(instants) <= 6 and instants == sorted(set(instants)) and instants[0] >= DAY_MS
    assert min(np.diff(instants)) >= 12 * MS_PER_HOUR
    off = {
        model: row.mae[2] for model, sums in found.errors.items() if (row := sums.overall()).mae is not None
    }
    assert set(off) == set(Model)
    assert off[Model.SURFACE] < off[Model.SURFACE_BEFORE] < off[Model.ANCHORED] < off[Model.FLAT]
    best, _ = found.best[Model.FLAT]
    again = calibration(SETTINGS, Asked(**{**_plain(asked), "multiplier": best.points})).found
    least = again.errors[Model.FLAT].overall().mae
    assert least is not None and least[2] < off[Model.FLAT]
    for beside in (best.points * 0.97, best.points * 1.03) if best.points else ():
        other = calibration(SETTINGS, Asked(**{**_plain(asked), "multiplier": beside})).found
        worse = other.errors[Model.FLAT].overall().mae
        assert worse is not None and worse[2] >= least[2]


def _plain(asked: Asked) -> dict[str, object]:
    return {name: getattr(asked, name) for name in Asked.__dataclass_fields__}


def test_plain_errors(tmp_path: Path) -> None:
    for asked, text in (
        (Asked("BTC", "linear", start_ms=AT_MS, end_ms=AT_MS), "no recorded chains of BTC_USDC"),
        (Asked("DOGE", start_ms=AT_MS, end_ms=AT_MS), "choose from .*BTC"),
        (Asked("BTC", source="tape"), "choose from live, live_deribit"),
        (Asked("BTC", start_ms=0, end_ms=0), "lacks|holds no"),
        (Asked("BTC", start_ms=AT_MS, end_ms=AT_MS, data=str(tmp_path / "none")), "is no folder"),
        (Asked("BTC", start_ms=AT_MS, end_ms=AT_MS, multiplier=99.0), "within 0.1 and 10"),
    ):
        with pytest.raises(CalibrationError, match=text):
            calibration(SETTINGS, asked)


def test_a_failed_day_and_a_missing_folder_are_cured_by_calibrations_own_options(tmp_path: Path) -> None:
    path = tmp_path / "live_deribit" / day_path("BTC", utc_day(AT_MS))
    path.parent.mkdir(parents=True)
    kept = pl.read_parquet(FOLDER / "live_deribit" / day_path("BTC", utc_day(AT_MS)))
    kept.with_columns(pl.col("mark_iv") / 100).write_parquet(path)
    asked = Asked("BTC", start_ms=AT_MS, end_ms=AT_MS, data=str(tmp_path))
    with pytest.raises(CalibrationError, match="fail their quality check: BTC 2026-02-10") as refused:
        calibration(SETTINGS, asked)
    none = Asked("BTC", start_ms=AT_MS, end_ms=AT_MS, data=str(tmp_path / "none"))
    with pytest.raises(CalibrationError, match=r"none is no folder: .* with --data") as missing:
        calibration(SETTINGS, none)
    for error, own in ((refused, "--failed-days skip"), (missing, "--data")):
        assert own in str(error.value) and "-o " not in str(error.value)
    taken = calibration(SETTINGS, replace(asked, failed_days="take"))
    assert any("Taken though" in note and "2026-02-10" in note for note in taken.notes)


@pytest.mark.slow
def test_live_marks_are_those_of_the_exchange(tmp_path: Path) -> None:
    """The local exchange with a flat smile: so are the surface through its marks, and the factors kept of it."""
    asked = Asked("BTC", source="live", environment="local")
    with local_marks(tmp_path, "flat") as exchange:
        seen = exchange.settings
        found = calibration(seen, asked).found
        kept = skew_for(seen, asked, tmp_path / "skew", now_ms=exchange.start_ms)
        again = skew_for(seen, asked, tmp_path / "skew")  # an hour old at most by the exchange's own time
    (moment,) = found.moments
    assert abs(moment.at_ms - AT_MS) < MS_PER_HOUR and moment.count > 150
    assert moment.realised_7d == pytest.approx(0.91, abs=0.03)  # as the recorded chain of that morning says
    surface = found.errors[Model.SURFACE].overall()
    assert surface.mae is not None and surface.mae[2] < 0.05
    assert found.errors[Model.SURFACE_BEFORE].overall().count == 0  # nothing was seen before
    assert kept.is_fresh and kept.skew.source == "live local"
    assert not again.is_fresh and again.age_hours < 1 and again.skew == kept.skew
    assert (*kept.skew.factors.call, *kept.skew.factors.put) == pytest.approx([1.0] * 8, abs=0.01)
    with pytest.raises(
        UnreachableError,
        match=r"local exchange gives no chain of BTC .*optionwriter up, or choose a recorded",
    ):
        calibration(seen, asked)
