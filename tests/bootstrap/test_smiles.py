"""The smile chosen by name: in synthetic backtests, on the sample and the local exchange; and the factors' cache."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from optionwriter.adapters.files.skew_file import read_skew, skew_path, write_skew
from optionwriter.bootstrap.calibrating import Asked
from optionwriter.bootstrap.exchange_smile import exchange_bends
from optionwriter.bootstrap.parts import EXCHANGE_FOLDER, BootError
from optionwriter.bootstrap.recorded import sample_feed
from optionwriter.bootstrap.skews import captured_skew, skew_for
from optionwriter.cli.main import app
from optionwriter.core.market.chain import OptionChain
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR
from optionwriter.core.market.skew_factors import ANCHORS, FLAT, Skew, SkewFactors
from optionwriter.services.calibrate import CalibrationError
from optionwriter.services.jobs import RunError
from optionwriter.settings import Settings
from tests.bootstrap.test_sources import opened

BENT = SkewFactors((0.9, 0.95, 0.98, 1.0), (1.3, 1.2, 1.1, 1.0))
AT_MS = int(np.datetime64("2026-02-10T12:00", "ms").astype(np.int64))


def expiry_of(chain: OptionChain) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Rows of the expiry nearest to 30 days, within three deviations."""
    days = (chain.table.expiry_ms - chain.at_ms) / MS_PER_DAY
    nearest = chain.table.expiry_ms[np.argmin(np.abs(days - 30.0))]
    reach = np.abs(np.log(chain.table.strike / chain.forward))
    return (chain.table.expiry_ms == nearest) & (reach < 3 * 0.5 * np.sqrt(30 / 365)) & (chain.mark > 0)


def put_side(chain: OptionChain, rows: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> tuple[float, float]:
    """Volatility of the lowest strike over that nearest to the forward, and the latter."""
    strike, iv, forward = chain.table.strike[rows], chain.mark_iv[rows], chain.forward[rows]
    atm = float(iv[np.argmin(np.abs(strike - forward))])
    return float(iv[np.argmin(strike)]) / atm, atm


@pytest.mark.parametrize("model", ["anchored", "realised"])
def test_a_synthetic_market_has_the_smile_that_was_chosen(model: str, tmp_path: Path) -> None:
    write_skew(skew_path(tmp_path, "BTC"), Skew("BTC", AT_MS, "made", 30.0, BENT))
    seen: dict[str, tuple[float, float]] = {}
    chains: dict[str, OptionChain] = {}
    kept = {"own": {}, "surface": {}, "flat": {}, "skew_anchors": {}, "mine": {"skew": str(tmp_path)}}
    for name, more in kept.items():
        smile = "skew_anchors" if name == "mine" else name
        source = opened(
            "synthetic", "2026-02-03", "2026-02-04", config={"model": model, "smile": smile, **more}
        )
        chains[name] = source.feed.chain("BTC", source.instants[0])
        seen[name] = put_side(chains[name], expiry_of(chains[name]))
        if name == "mine":
            assert any("made at 2026-02-10" in one for one in source.notes)
    assert seen["flat"][0] == pytest.approx(1.0, abs=2e-3)
    assert seen["mine"][0] == pytest.approx(1.3, abs=0.02)  # beyond the last anchor it stays
    assert 1.0 < seen["skew_anchors"][0] < seen["surface"][0]  # a fitted wing goes on, an anchor's does not
    own = "surface" if model == "anchored" else "skew_anchors"
    assert np.array_equal(chains["own"].mark, chains[own].mark)
    assert seen["flat"][1] == pytest.approx(seen["skew_anchors"][1], rel=0.02)


def test_the_choice_is_part_of_the_fingerprint_and_its_file_too(tmp_path: Path) -> None:
    def made(**config: object) -> str:
        return opened("synthetic", "2026-02-03", "2026-02-04", config=config).fingerprint

    write_skew(skew_path(tmp_path, "BTC"), Skew("BTC", AT_MS, "made", 30.0, BENT))
    mine = made(smile="skew_anchors", skew=str(tmp_path))
    write_skew(skew_path(tmp_path, "BTC"), Skew("BTC", AT_MS, "made", 30.0, FLAT))
    assert len({made(), made(smile="flat"), mine, made(smile="skew_anchors", skew=str(tmp_path))}) == 4
    with pytest.raises(RunError, match="none is no folder: name another"):
        made(smile="skew_anchors", skew=str(tmp_path / "none"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        RunError, match="holds no skew factors of BTC: fetch them with optionwriter calibrate"
    ):
        made(smile="skew_anchors", skew=str(tmp_path / "empty"))
    skew_path(tmp_path, "BTC").write_text('{"anchors": [0.1]}')
    with pytest.raises(RunError, match=r"BTC\.json holds no skew factors .*its deltas are \[0.1\]"):
        made(smile="skew_anchors", skew=str(tmp_path))


def test_the_local_exchange_keeps_the_smile_that_it_began_with(tmp_path: Path) -> None:
    captured = tmp_path / "captured"
    write_skew(skew_path(captured, "BTC"), Skew("BTC", AT_MS, "made", 30.0, BENT))
    bent = Settings(data_dir=tmp_path / "bent", local_smile="skew_anchors")
    began = exchange_bends(bent, begins=True, captured=captured)
    assert began is not None and began["BTC"] == BENT and began["ETH"] != FLAT
    write_skew(skew_path(captured, "BTC"), Skew("BTC", AT_MS, "later", 30.0, FLAT))
    again = exchange_bends(bent, begins=True, captured=captured)
    assert again == began
    for other in ("flat", "surface"):
        with pytest.raises(BootError, match=r"began with LOCAL_SMILE=skew_anchors: .*--fresh"):
            sample_feed(Settings(data_dir=tmp_path / "bent", local_smile=other))
    (tmp_path / "old" / EXCHANGE_FOLDER).mkdir(parents=True)
    (tmp_path / "old" / EXCHANGE_FOLDER / "input.log").touch()
    with pytest.raises(BootError, match="began with LOCAL_SMILE=surface"):
        exchange_bends(Settings(data_dir=tmp_path / "old", local_smile="flat"), begins=False)

    surface, flat = (
        sample_feed(Settings(data_dir=tmp_path / name, local_smile=name)).chain("BTC", AT_MS)
        for name in ("surface", "flat")
    )
    assert not (tmp_path / "flat").exists()  # who only looks keeps nothing
    rows = expiry_of(surface)
    assert put_side(flat, rows)[0] == pytest.approx(1.0, abs=2e-3) and put_side(surface, rows)[0] > 1.05
    assert put_side(flat, rows)[1] == pytest.approx(put_side(surface, rows)[1], rel=0.02)
    bent_chain = sample_feed(bent).chain("BTC", AT_MS)
    assert put_side(bent_chain, rows)[0] == pytest.approx(1.3, abs=0.02)


def test_factors_are_kept_with_age_and_source_and_old_ones_are_fetched_or_refused(tmp_path: Path) -> None:
    settings = Settings()
    asked = Asked("BTC", source="live_deribit", start_ms=AT_MS, end_ms=AT_MS)
    with pytest.raises(CalibrationError, match=r"BTC\.json is not there: fetch it"):
        skew_for(settings, asked, tmp_path, if_old="refuse", now_ms=AT_MS)
    first = skew_for(settings, asked, tmp_path, now_ms=AT_MS)
    assert first.is_fresh and 0 < first.age_hours < 6 and first.skew == read_skew(skew_path(tmp_path, "BTC"))
    assert first.skew == captured_skew(settings, asked)
    kept = skew_for(settings, asked, tmp_path, now_ms=AT_MS + 10 * MS_PER_HOUR)
    assert not kept.is_fresh and kept.skew == first.skew and kept.age_hours == first.age_hours + 10
    later = AT_MS + 2 * MS_PER_DAY
    with pytest.raises(CalibrationError, match=r"is of live_deribit at 30 days, 5\d\.\d hours old"):
        skew_for(settings, asked, tmp_path, if_old="refuse", now_ms=later)
    assert skew_for(settings, asked, tmp_path, if_old="keep", now_ms=later).skew == first.skew
    moved = Asked("BTC", source="live_deribit", start_ms=later, end_ms=later)
    fresh = skew_for(settings, moved, tmp_path, now_ms=later)
    assert fresh.is_fresh and fresh.skew.at_ms > first.skew.at_ms and fresh.skew.factors != first.skew.factors
    week = skew_for(settings, moved, tmp_path, tenor_days=7.0, now_ms=later)
    assert week.is_fresh and week.skew.tenor_days == 7.0


def test_the_command_shows_them(tmp_path: Path) -> None:
    line = [
        "calibrate",
        "skew",
        "--source",
        "live_deribit",
        "--at",
        "2026-02-10T12:00",
        "--underlying",
        "ETH",
    ]
    line += ["--folder", str(tmp_path), "--data-dir", str(tmp_path / "run")]
    shown = CliRunner().invoke(app, [*line, "--json"])
    assert shown.exit_code == 0, shown.output
    kept = read_skew(skew_path(tmp_path, "ETH"))
    assert (
        kept is not None and str(kept.factors.put[0]) in shown.output and '"is_fresh": true' in shown.output
    )
    table = CliRunner().invoke(app, line)
    assert all(f"{one:.2f}" in table.output for one in ANCHORS) and "live_deri" in table.output
    wrong = CliRunner().invoke(app, [*line, "--if-old", "maybe"])
    assert wrong.exit_code == 2 and "none of fetch, refuse, keep" in wrong.output
    live = CliRunner().invoke(app, ["calibrate", "--source", "live", "--at", "2026-02-10"])
    assert live.exit_code == 2 and "--source live is now" in live.output
