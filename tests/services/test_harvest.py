"""The harvester's loop: alone in its folder, one asset's failure, a full disk, a wish to stop, two runs on one slot."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pytest

from optionwriter.adapters.clocks import SimulatedClock
from optionwriter.adapters.tapes.harvest_files import GAPS_FILE, STATE_FILE, HarvestFolder, harvester_state
from optionwriter.core.market.instruments import MS_PER_DAY
from optionwriter.core.report.harvester import Gap, GapReason, HarvesterState
from optionwriter.ports import ChainRecord, HarvestStoreError, MarketUnavailableError
from optionwriter.services.harvest import HarvestDesk, SlotReport, run_harvester

STEP = 900_000
START = 1_768_176_000_000  # 2026-01-12


@dataclass
class Chains:
    """A recorder of ten-row chains; `does` may change what an asset's read gives."""

    clock: SimulatedClock
    does: Callable[[str], None] = lambda _: None
    rows: int = 10
    reads: list[tuple[int, str]] = field(default_factory=list)

    def renew(self) -> None:
        """Nothing is shared."""

    def read(self, asset: str) -> ChainRecord:
        now = self.clock.now_ms()
        self.reads.append((now, asset))
        self.does(asset)
        names = [f"{asset}-27MAR26-{strike}-C" for strike in range(1, self.rows + 1)]
        return ChainRecord(asset, self.clock.now_ms(), now, self.rows, {"instrument_name": names})


def desk_at(at_ms: int, folder: Path, **more: object) -> tuple[HarvestDesk, Chains, SimulatedClock]:
    clock = SimulatedClock(at_ms)
    chains = Chains(clock, **more)
    return HarvestDesk(clock, chains, HarvestFolder(folder), "local", ("BTC", "ETH"), STEP), chains, clock


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*.parquet"))


def test_slots_are_the_clocks_and_one_that_has_just_begun_is_taken(tmp_path: Path) -> None:
    for begin, first in ((START + 1, "0000"), (START + 60_001, "0015"), (START + STEP - 1, "0015")):
        folder = tmp_path / str(begin)
        desk, _, _ = desk_at(begin, folder)
        assert run_harvester(desk, slots=2) == 2
        assert files(folder)[0] == f"BTC_2026-01-12_{first}.parquet"
    desk, _, _ = desk_at(START + 7 * 60_000, tmp_path / "once")
    run_harvester(desk, slots=1)  # --once is for now
    frame = pl.read_parquet(next((tmp_path / "once").rglob("BTC_2026-01-12_0000.parquet")))
    assert frame["harvest_time"].dt.epoch("ms").unique().to_list() == [START + 7 * 60_000]


def test_two_harvesters_never_share_a_folder_and_play_never_mixes_with_real(tmp_path: Path) -> None:
    first, second = HarvestFolder(tmp_path), HarvestFolder(tmp_path)
    first.hold()
    assert harvester_state(tmp_path).is_running
    with pytest.raises(HarvestStoreError, match="in use by another harvester"):
        second.hold()
    first.release()
    assert not harvester_state(tmp_path).is_running
    second.hold()
    second.release()
    desk, _, _ = desk_at(START, tmp_path)
    run_harvester(desk, slots=1)
    other = HarvestDesk(desk.clock, desk.recorder, desk.store, "mainnet", desk.assets, STEP)
    with pytest.raises(HarvestStoreError, match="harvested on local, not mainnet"):
        run_harvester(other, slots=1)


def test_one_assets_failure_or_bug_stops_no_other(tmp_path: Path) -> None:
    def fails(asset: str) -> None:
        if asset == "BTC":
            raise KeyError("a bug")

    reports: list[SlotReport] = []
    desk, _, _ = desk_at(START, tmp_path, does=fails)
    run_harvester(desk, slots=2, tell=reports.append)
    assert files(tmp_path) == ["ETH_2026-01-12_0000.parquet", "ETH_2026-01-12_0015.parquet"]
    assert [(one.asset, one.first_ms, one.reason) for one in harvester_state(tmp_path).gaps] == [
        ("BTC", START, "broken"), ("BTC", START + STEP, "broken"),
    ]  # fmt: skip
    assert all("KeyError" in gap.detail for report in reports for gap in report.gaps)


def test_half_the_rows_of_the_last_whole_answer_are_torn_for_a_day_and_then_the_new_market(
    tmp_path: Path,
) -> None:
    desk, chains, clock = desk_at(START, tmp_path)
    run_harvester(desk, slots=1)
    chains.rows = 4  # all that is listed, too
    clock.sleep_until(START + STEP)
    run_harvester(desk, slots=1)
    assert [one.reason for one in harvester_state(tmp_path).gaps] == [GapReason.TORN] * 2
    chains.rows = 5  # half is enough
    clock.sleep_until(START + 2 * STEP)
    run_harvester(desk, slots=1)
    assert len(harvester_state(tmp_path).gaps) == 2
    chains.rows = 2
    clock.sleep_until(START + 2 * STEP + MS_PER_DAY + STEP)
    run_harvester(desk, slots=1)
    assert harvester_state(tmp_path).results["BTC"].whole_rows == 2


def test_a_slot_done_is_not_done_again_as_a_file_or_as_a_gap(tmp_path: Path) -> None:
    def dead(asset: str) -> None:
        if asset == "ETH":
            raise MarketUnavailableError("no line")

    desk, chains, _ = desk_at(START, tmp_path, does=dead)
    run_harvester(desk, slots=1)
    chains.does = lambda _: None
    reports: list[SlotReport] = []
    run_harvester(desk, slots=1, tell=reports.append)
    assert reports[0].there == ("BTC", "ETH") and not reports[0].gaps and len(chains.reads) == 2
    assert len(harvester_state(tmp_path).gaps) == 1
    # without its state, the file alone tells
    (tmp_path / STATE_FILE).unlink()
    run_harvester(desk, slots=1, tell=reports.append)
    assert reports[1].there == ("BTC",)


def test_what_the_disk_refuses_is_told_later(tmp_path: Path) -> None:
    class Full(HarvestFolder):
        full = True

        def write(self, slot_ms: int, record: ChainRecord) -> int:
            if self.full:
                raise HarvestStoreError("no space left")
            return super().write(slot_ms, record)

        def add_gaps(self, gaps: tuple[Gap, ...]) -> None:
            if self.full and gaps:
                raise HarvestStoreError("no space left")
            super().add_gaps(gaps)

    desk, _, clock = desk_at(START, tmp_path)
    store = Full(tmp_path)
    desk = HarvestDesk(clock, desk.recorder, store, "local", desk.assets, STEP)
    complaints: list[str] = []

    def tell(report: SlotReport) -> None:
        store.full = report.slot_ms < START + STEP

    run_harvester(desk, slots=3, tell=tell, complain=complaints.append)
    assert complaints and set(complaints) == {"no space left"}
    assert files(tmp_path) == ["BTC_2026-01-12_0030.parquet", "ETH_2026-01-12_0030.parquet"]
    told = {(one.asset, one.first_ms, one.reason) for one in harvester_state(tmp_path).gaps}
    assert told == {
        (asset, START + step * STEP, GapReason.NOT_WRITTEN) for asset in ("BTC", "ETH") for step in (0, 1)
    }


def test_asked_to_stop_it_stops_after_the_asset_and_the_rest_is_a_gap_of_the_next_run(tmp_path: Path) -> None:
    desk, chains, clock = desk_at(START, tmp_path)
    run_harvester(desk, slots=1)
    clock.sleep_until(START + STEP)
    run_harvester(desk, stop=lambda: len(chains.reads) >= 3)  # BTC of the second slot was the third read
    assert files(tmp_path) == [
        "BTC_2026-01-12_0000.parquet", "BTC_2026-01-12_0015.parquet", "ETH_2026-01-12_0000.parquet",
    ]  # fmt: skip
    assert harvester_state(tmp_path).stopped_ms == START + STEP
    clock.sleep_until(START + 3 * STEP)
    run_harvester(desk, slots=1)
    state = harvester_state(tmp_path)
    assert [(one.asset, one.first_ms, one.last_ms, one.slots, one.reason) for one in state.gaps] == [
        ("ETH", START + STEP, START + 2 * STEP, 2, GapReason.NOT_RUNNING),
        ("BTC", START + 2 * STEP, START + 2 * STEP, 1, GapReason.NOT_RUNNING),
    ]
    assert (tmp_path / GAPS_FILE).read_bytes().count(b"\n") == 2


def test_what_was_written_just_before_a_kill_is_no_gap(tmp_path: Path) -> None:
    class Killed(BaseException):
        """The process is gone."""

    class Dying(HarvestFolder):
        def put_state(self, state: HarvesterState) -> None:
            if state.last_slot_ms == START + STEP:
                raise Killed
            super().put_state(state)

    desk, chains, clock = desk_at(START, tmp_path)
    with pytest.raises(Killed):
        run_harvester(HarvestDesk(clock, chains, Dying(tmp_path), "local", desk.assets, STEP))
    clock.sleep_until(START + 3 * STEP)
    run_harvester(desk, slots=1)
    gaps = harvester_state(tmp_path).gaps
    assert [(one.asset, one.first_ms, one.slots) for one in gaps] == [
        ("BTC", START + 2 * STEP, 1), ("ETH", START + 2 * STEP, 1),
    ]  # fmt: skip


def test_a_line_cut_short_by_a_crash_costs_no_other_gap(tmp_path: Path) -> None:
    store = HarvestFolder(tmp_path)
    gap = Gap("BTC", START, START, 1, GapReason.LATE)
    store.add_gaps([gap])
    with (tmp_path / GAPS_FILE).open("ab") as file:
        file.write(b'{"asset": "ETH", "first')
    later = Gap("ETH", START + STEP, START + 2 * STEP, 2, GapReason.MISSED, "asleep")
    store.add_gaps([later])
    store.add_gaps([Gap("BTC", START, START + STEP, 2, GapReason.NOT_RUNNING)])  # told again, longer
    store.add_gaps([Gap("BTC", START + STEP, START + STEP, 1, GapReason.TORN)])  # and within that one
    gaps = harvester_state(tmp_path).gaps
    assert [(one.asset, one.slots) for one in gaps] == [("BTC", 2), ("ETH", 2)]


def test_a_state_that_is_none_is_named_and_no_state_is_an_empty_one(tmp_path: Path) -> None:
    assert harvester_state(tmp_path / "nowhere") == HarvesterState()
    for body in ("{", "[]", json.dumps({"version": 99}), json.dumps({"version": 1, "assets": []})):
        (tmp_path / STATE_FILE).write_text(body)
        with pytest.raises(HarvestStoreError, match=r"harvester\.json"):
            harvester_state(tmp_path)
