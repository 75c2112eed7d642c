"""Chains without a day: every snapshot is still that of its own instant."""

from __future__ import annotations

from datetime import date

from optionwriter.adapters.tapes.left_out import LeftOut
from optionwriter.adapters.tapes.recordings import harvested
from optionwriter.adapters.tapes.sample_files import FOLDER
from optionwriter.core.market.instruments import MS_PER_DAY, utc_day

START_MS = 1_769_990_400_000  # 2026-02-02


def test_a_day_is_gone_and_the_others_are_as_they_were() -> None:
    whole = harvested(FOLDER / "live_deribit", "BTC", START_MS, START_MS + 4 * MS_PER_DAY)
    less = LeftOut(whole, {date(2026, 2, 3)})
    gone = set(whole.instants.tolist()) - set(less.instants.tolist())
    assert gone and {utc_day(at) for at in gone} == {date(2026, 2, 3)}
    for row, at_ms in enumerate(less.instants.tolist()):
        assert less.snapshot(row).at_ms == at_ms
    assert less.product == whole.product
