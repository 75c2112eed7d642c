"""A week of harvesting the local exchange, with lost, late, torn and broken answers, kills and restarts.

Nothing is torn or doubled, the gaps told are the ones injected, and the files read back as the exchange's own market.
HARVEST_MINUTES=15 (make harvest-week) does it at the usual interval.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from optionwriter.adapters.clocks import SimulatedClock
from optionwriter.adapters.deribit.client import DeribitClient
from optionwriter.adapters.deribit.whole_chains import WholeChains
from optionwriter.adapters.tapes.harvest_files import HarvestFolder, harvester_state
from optionwriter.adapters.tapes.layouts import HARVEST_COLUMNS
from optionwriter.adapters.tapes.recordings import harvested
from optionwriter.adapters.tapes.sample import SampleFeed
from optionwriter.core.market.instruments import MS_PER_DAY, PRODUCTS
from optionwriter.core.report.harvester import HarvesterState
from optionwriter.services.harvest import HarvestDesk, run_harvester
from optionwriter.venue.engine import Engine
from optionwriter.venue.wire import InProcessVenue
from tests.services.faulty_venue import Call, FaultyVenue

INTERVAL = int(os.environ.get("HARVEST_MINUTES", "60")) * 60_000
START = 1_768_176_000_000  # 2026-01-12, a Monday
END = START + 7 * MS_PER_DAY
ASSETS = ("BTC", "ETH", "BTC_USDC", "ETH_USDC")
HIT: dict[Call, tuple[str, ...]] = {
    ("summary", "BTC"): ("BTC",),
    ("summary", "ETH"): ("ETH",),
    ("summary", "USDC"): ("BTC_USDC", "ETH_USDC"),
    **{("index", PRODUCTS[asset].index_name): (asset,) for asset in ASSETS},
}
TOLD = {
    "lost": "no_answer", "503": "no_answer", "maintenance": "no_answer", "half": "broken", "page": "broken",
    "type": "broken", "twice": "broken", "production": "broken", "zero": "broken", "torn": "torn", "empty": "torn",
    "stale": "stale",
}  # fmt: skip
OF_SUMMARIES = (
    "lost",
    "503",
    "maintenance",
    "half",
    "page",
    "type",
    "twice",
    "production",
    "torn",
    "empty",
    "stale",
)
OF_INDICES = ("lost", "503", "maintenance", "half", "page", "production", "zero")

Gaps = dict[tuple[str, int], str]


def planned() -> tuple[dict[tuple[int, Call], str], Gaps, tuple[int, int]]:
    """(what is done to which call, the gaps that must come of it, from when until when no harvester runs)."""
    chance = np.random.default_rng(20_260_112)
    slots = np.arange(START + INTERVAL, END, INTERVAL)
    plan: dict[tuple[int, Call], str] = {}
    gaps: Gaps = {}
    free = set(slots.tolist())
    for slot in chance.choice(slots, len(slots) // 3, replace=False).tolist():
        call = list(HIT)[int(chance.integers(len(HIT)))]
        kinds = OF_SUMMARIES if call[0] == "summary" else OF_INDICES
        fault = kinds[int(chance.integers(len(kinds)))]
        plan[slot, call] = fault
        gaps |= {(asset, slot): TOLD[fault] for asset in HIT[call]}
        free.discard(slot)
    quiet = sorted(free)
    # late: BTC's summary comes when the slot is over, so nothing of the slot can be had; ETH_USDC's index, only itself
    first, second, third, fourth = (quiet[len(quiet) * part // 9] for part in (1, 3, 5, 7))
    plan[first, ("summary", "BTC")] = "late1.0"
    plan[second, ("index", "eth_usdc")] = "late1.01"
    gaps |= {(asset, first): "late" for asset in ASSETS} | {("ETH_USDC", second): "late"}
    # so late that the two slots after it are over too, and the third has begun long ago
    for slot in range(third, third + 4 * INTERVAL, INTERVAL):
        for call in HIT:
            plan.pop((slot, call), None)
        gaps |= {(asset, slot): "late" if slot == third else "missed" for asset in ASSETS}
    plan[third, ("summary", "BTC")] = "late3.5"
    off = (fourth, fourth + 6 * INTERVAL)
    for slot in range(*off, INTERVAL):
        for call in HIT:
            plan.pop((slot, call), None)
        gaps |= {(asset, slot): "not_running" for asset in ASSETS}
    # without the volatility index a chain is whole
    whole = [slot for slot in quiet if not any((asset, slot) in gaps for asset in ASSETS)]
    plan |= {(slot, ("volatility", "BTC")): "lost" for slot in whole[::11]}
    return plan, gaps, off


class Killed(BaseException):
    """The process is gone."""


class Dying(HarvestFolder):
    """A folder whose process is killed once a file is written, before anything is told of it."""

    def __init__(self, folder: Path, slot: int) -> None:
        super().__init__(folder)
        self._dies = slot

    def put_state(self, state: HarvesterState) -> None:
        if state.last_slot_ms == self._dies:
            raise Killed
        super().put_state(state)


@dataclass
class Week:
    """What a week left."""

    folder: Path
    feed: SampleFeed
    venue: FaultyVenue
    gaps: Gaps
    state: HarvesterState
    slots: tuple[int, ...]


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Week:
    folder = tmp_path_factory.mktemp("harvest")
    feed = SampleFeed()
    plan, gaps, off = planned()
    exchange = InProcessVenue(Engine(feed, {"me": {"BTC": Decimal(1)}}, START), None)
    clock = SimulatedClock(START, exchange.advance)
    venue = FaultyVenue(exchange, clock, INTERVAL, plan)

    def harvest(until_ms: int, store: HarvestFolder) -> None:
        store.hold()
        chains = WholeChains(DeribitClient(venue, "local"), clock, "3600")
        desk = HarvestDesk(clock, chains, store, "local", ASSETS, INTERVAL)
        complaints: list[str] = []
        try:
            run_harvester(desk, until_ms=until_ms, complain=complaints.append)
        finally:
            store.release()
        assert complaints == []

    dies = next(
        slot
        for slot in range(START + 30 * INTERVAL, off[0], INTERVAL)
        if not any((asset, slot) in gaps for asset in ASSETS)
    )
    with pytest.raises(Killed):
        harvest(END, Dying(folder, dies))
    harvest(off[0], HarvestFolder(folder))  # takes the same slot up again, and doubles nothing
    clock.sleep_until(off[1] - INTERVAL + 90_000)  # nobody runs meanwhile
    harvest(END, HarvestFolder(folder))
    return Week(folder, feed, venue, gaps, harvester_state(folder), tuple(range(START, END, INTERVAL)))


@pytest.mark.slow
def test_the_gaps_told_are_the_gaps_injected(week: Week) -> None:
    told = {
        (one.asset, slot): one.reason.value
        for one in week.state.gaps
        for slot in range(one.first_ms, one.last_ms + 1, INTERVAL)
    }
    assert told == week.gaps
    assert sum(one.slots for one in week.state.gaps) == len(week.gaps)  # and none twice
    injected = {(slot, call) for slot, call, _ in week.venue.done}
    assert injected == set(week.venue.plan)  # every fault of the plan met a call
    assert {*week.gaps.values()} == {*TOLD.values(), "late", "missed", "not_running"}


@pytest.mark.slow
def test_every_other_slot_has_its_snapshot_once_and_whole(week: Week) -> None:
    for asset in ASSETS:
        frames = [pl.read_parquet(path) for path in sorted((week.folder / asset).rglob("*.parquet"))]
        assert all(frame.schema == HARVEST_COLUMNS for frame in frames)
        rows = pl.concat(frames)
        assert rows.select("harvest_time", "instrument_name").is_duplicated().sum() == 0
        seen = rows["harvest_time"].dt.epoch("ms").unique().sort().to_list()
        assert [at // INTERVAL * INTERVAL for at in seen] == [
            slot for slot in week.slots if (asset, slot) not in week.gaps
        ]
        listed = {at: len(week.feed.listed(asset, at)) for at in seen}
        counts = Counter(rows["harvest_time"].dt.epoch("ms").to_list())
        assert counts == listed
    assert not list(week.folder.rglob("*.part"))


@pytest.mark.slow
def test_the_files_read_back_as_the_exchanges_own_market(week: Week) -> None:
    for asset in ASSETS:
        read = harvested(week.folder, asset, START, END)
        assert read.torn == 0 and len(read.instants) == sum(
            (asset, slot) not in week.gaps for slot in week.slots
        )
        for row in range(0, len(read.instants), 9):
            mine, theirs = read.snapshot(row), week.feed.chain(asset, int(read.instants[row]))
            assert mine.table.names == theirs.table.names and mine.index_price == theirs.index_price
            for name in ("forward", "mark", "bid", "ask", "open_interest", "volume"):
                assert np.array_equal(getattr(mine, name), getattr(theirs, name), equal_nan=True), name
            assert np.allclose(mine.iv, theirs.mark_iv, atol=5.1e-5)  # two decimals of percent


@pytest.mark.slow
def test_closed_days_are_one_file_and_the_state_is_the_last_slots(week: Week) -> None:
    for asset in ASSETS:
        singles = list((week.folder / asset).rglob("*_[0-9][0-9][0-9][0-9].parquet"))
        wholes = sorted(path.name for path in (week.folder / asset).rglob("*.parquet") if path not in singles)
        assert wholes == [f"{asset}_2026-01-{day}.parquet" for day in range(12, 18)]
        assert {path.parent.name for path in singles} == {"18"}
    state = week.state
    assert (state.environment, state.is_running) == ("local", False)
    assert (
        state.last_slot_ms == END - INTERVAL
        and state.next_slot_ms == END
        and state.stopped_ms >= END - INTERVAL
    )
    assert {one.slot_ms for one in state.results.values()} == {END - INTERVAL}
    # a listing a day, after a restart and when a strike is new, not one a slot
    assert week.venue.calls["instruments"] < len(week.slots) / 2
    assert week.venue.calls["summary"] <= 3 * len(week.slots)
