"""Harvest: the loop that records whole chains at every slot of the clock, and says of every slot that it missed.

Keeps: one asset's failure never stops the others; a slot is written once, whatever is restarted; an answer that is
torn, broken, stale or late makes a gap and no file; every slot between two runs or behind a nap is a gap; gaps are
kept before the state moves on. Reads and writes through ports; time is the exchange's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from optionwriter.core.market.instruments import MS_PER_DAY
from optionwriter.core.report.harvester import AssetResult, Gap, GapReason, HarvesterState
from optionwriter.ports import (
    ChainRecord,
    ChainRecorder,
    Clock,
    HarvestStore,
    HarvestStoreError,
    MarketBrokenError,
    MarketUnavailableError,
)

GRACE_MS = 60_000  # a slot that began no longer ago than this is still taken
STALE_MS = 120_000  # the newest row of an answer may be this much older than its slot
LEAST_SHARE = 0.5  # of the options listed, and of the rows of the last whole snapshot of a day
_DETAIL = 300  # characters of an error that a gap keeps
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HarvestDesk:
    """Everyone that a harvester needs. `nap_ms`: exchange time between looks at a wish to stop; None: in one go."""

    clock: Clock
    recorder: ChainRecorder
    store: HarvestStore
    environment: str
    assets: tuple[str, ...]
    interval_ms: int
    nap_ms: int | None = None


@dataclass(frozen=True, slots=True)
class SlotReport:
    """What became of a slot. `there`: assets for which it was done before."""

    slot_ms: int
    results: Mapping[str, AssetResult]
    gaps: tuple[Gap, ...]
    there: tuple[str, ...] = ()
    compacted: int = 0
    complaints: tuple[str, ...] = ()


@dataclass(slots=True)
class _Running:
    """What changes while a harvester runs."""

    state: HarvesterState
    pending: list[Gap] = field(default_factory=list)  # gaps that are not on disk yet
    compacted_day: int = -1


def run_harvester(
    desk: HarvestDesk,
    *,
    slots: int | None = None,
    until_ms: int | None = None,
    stop: Callable[[], bool] = lambda: False,
    tell: Callable[[SlotReport], None] = lambda _: None,
    complain: Callable[[str], None] = lambda _: None,
) -> int:
    """Harvests slot after slot until asked to stop, after `slots` of them, or before `until_ms`; how many it did.

    Raises HarvestStoreError when the folder is another environment's or can't be read at the start.
    """
    now = desk.clock.now_ms()
    running = _Running(_begin(desk, now))
    slot = now // desk.interval_ms * desk.interval_ms if slots == 1 else _slot_at(desk, now)
    running.pending += _between_runs(desk, running.state, slot)
    done = 0
    while (until_ms is None or slot < until_ms) and (slots is None or done < slots):
        running.state = replace(running.state, next_slot_ms=slot)
        _keep(desk, running, complain)
        _wait(desk, slot, stop, complain)
        if stop():
            break
        late = _slot_at(desk, desk.clock.now_ms()) if slots != 1 else slot
        if late > slot:  # asleep, or busy with the slot before
            running.pending += _missed(desk, slot, late)
            slot = late
            continue
        report = _slot(desk, running, slot, stop)
        for line in report.complaints:
            complain(line)
        tell(report)
        done += 1
        slot += desk.interval_ms
    running.state = replace(running.state, stopped_ms=desk.clock.now_ms())
    _keep(desk, running, complain)
    return done


def _begin(desk: HarvestDesk, now_ms: int) -> HarvesterState:
    """The state to go on from. Raises HarvestStoreError."""
    state = desk.store.state()
    if state.environment not in ("", desk.environment):
        raise HarvestStoreError(
            f"this folder holds what was harvested on {state.environment}, not {desk.environment}: "
            "name another with --data"
        )
    return replace(
        state,
        environment=desk.environment,
        interval_minutes=desk.interval_ms // 60_000,
        assets=desk.assets,
        running_since_ms=now_ms,
        stopped_ms=0,
        gaps=(),
    )


def _slot_at(desk: HarvestDesk, now_ms: int) -> int:
    """The slot to take at this instant: the one that has just begun, else the next."""
    begun = now_ms // desk.interval_ms * desk.interval_ms
    return begun if now_ms - begun <= min(GRACE_MS, desk.interval_ms // 4) else begun + desk.interval_ms


def _between_runs(desk: HarvestDesk, state: HarvesterState, slot: int) -> list[Gap]:
    """A gap for each asset that was harvested before, over the slots since."""
    gaps = []
    for asset in desk.assets:
        last = state.results.get(asset)
        if last is not None:
            first = last.slot_ms // desk.interval_ms * desk.interval_ms + desk.interval_ms
            while first < slot and desk.store.has(asset, first, desk.interval_ms):
                first += desk.interval_ms  # written just before a crash
            gaps += _span(desk, asset, first, slot, GapReason.NOT_RUNNING, "")
    return gaps


def _missed(desk: HarvestDesk, first: int, until: int) -> list[Gap]:
    return [
        gap
        for asset in desk.assets
        for gap in _span(desk, asset, first, until, GapReason.MISSED, "busy or asleep")
    ]


def _span(desk: HarvestDesk, asset: str, first: int, until: int, reason: GapReason, detail: str) -> list[Gap]:
    """The slots of [first, until) as one gap, if there are any."""
    count = (until - first) // desk.interval_ms
    if count <= 0:
        return []
    return [Gap(asset, first, until - desk.interval_ms, count, reason, detail)]


def _wait(
    desk: HarvestDesk, until_ms: int, stop: Callable[[], bool], complain: Callable[[str], None]
) -> None:
    """Sleeps in naps, so that a wish to stop is heard within one."""
    while not stop() and (now := desk.clock.now_ms()) < until_ms:
        try:
            desk.clock.sleep_until(until_ms if desk.nap_ms is None else min(until_ms, now + desk.nap_ms))
        except MarketUnavailableError as error:
            complain(f"waiting for the exchange: {error}")


def _slot(desk: HarvestDesk, running: _Running, slot: int, stop: Callable[[], bool]) -> SlotReport:
    """One slot of every asset; the state and the gaps are kept before it is over."""
    desk.recorder.renew()
    results = dict(running.state.results)
    gaps: list[Gap] = []
    there: list[str] = []
    complaints: list[str] = []
    for asset in desk.assets:
        if stop():  # what is left of the slot is a gap of the next run, if there is no time to take it up
            break
        before = _before(desk, asset, slot, results.get(asset))
        if before is not None:
            results[asset] = before
            there.append(asset)
            continue
        found = results[asset] = _asset(desk, asset, slot, results.get(asset))
        if found.reason:
            gaps.append(Gap(asset, slot, slot, 1, GapReason(found.reason), found.note))
    running.pending += gaps
    running.state = replace(
        running.state, results=results, last_slot_ms=slot, next_slot_ms=slot + desk.interval_ms
    )
    _keep(desk, running, complaints.append)
    compacted = 0
    if slot // MS_PER_DAY != running.compacted_day:
        running.compacted_day = slot // MS_PER_DAY
        compacted, wrong = desk.store.compact_before(slot)
        complaints += wrong
    own = {asset: results[asset] for asset in desk.assets if asset in results and asset not in there}
    return SlotReport(slot, own, tuple(gaps), tuple(there), compacted, tuple(complaints))


def _before(desk: HarvestDesk, asset: str, slot: int, last: AssetResult | None) -> AssetResult | None:
    """The asset's result where the slot was done before, as a file or as a gap; None where it is still to do."""
    if last is not None and last.slot_ms == slot:
        return last
    try:
        if desk.store.has(asset, slot, desk.interval_ms):
            return AssetResult(slot, 0, 0, "") if last is None else replace(last, slot_ms=slot, reason="")
    except HarvestStoreError as error:
        _log.warning("%s", error)
    return None


def _asset(desk: HarvestDesk, asset: str, slot: int, last: AssetResult | None) -> AssetResult:
    """One asset's slot, done now. Never raises for what goes wrong with one asset."""
    whole_ms, whole_rows = (last.whole_ms, last.whole_rows) if last is not None else (0, 0)

    def gap(reason: GapReason, detail: object) -> AssetResult:
        return AssetResult(slot, 0, 0, reason.value, str(detail)[:_DETAIL], whole_ms, whole_rows)

    over = slot + desk.interval_ms
    try:
        if desk.clock.now_ms() >= over:
            return gap(GapReason.LATE, "the slot was over before it was this asset's turn")
        record = desk.recorder.read(asset)
        fault = _fault(record, slot, over, whole_ms, whole_rows)
        if fault is not None:
            return gap(*fault)
        size = desk.store.write(slot, record)
    except MarketBrokenError as error:
        return gap(GapReason.BROKEN, error)
    except MarketUnavailableError as error:
        late = desk.clock.now_ms() >= over
        return gap(GapReason.LATE if late else GapReason.NO_ANSWER, error)
    except HarvestStoreError as error:
        return gap(GapReason.NOT_WRITTEN, error)
    except Exception as error:  # a bug with one asset must not stop the others; the traceback goes to the log
        _log.exception("harvesting %s failed", asset)
        return gap(GapReason.BROKEN, f"{type(error).__name__}: {error}")
    return AssetResult(slot, len(record), size, "", record.note, slot, len(record))


def _fault(
    record: ChainRecord, slot: int, over: int, whole_ms: int, whole_rows: int
) -> tuple[GapReason, str] | None:
    """Why a record is not kept; None for a good one."""
    rows = len(record)
    if record.read_ms >= over:
        return GapReason.LATE, f"read {(record.read_ms - slot) / 1000:.0f} s after its slot began"
    if rows == 0 or rows < LEAST_SHARE * record.listed:
        return GapReason.TORN, f"{rows} of {record.listed} options that are listed"
    if rows < LEAST_SHARE * whole_rows and slot - whole_ms <= MS_PER_DAY:
        return GapReason.TORN, f"{rows} options after {whole_rows} in the last whole snapshot"
    if record.made_ms < slot - STALE_MS:
        return GapReason.STALE, f"made {(slot - record.made_ms) / 1000:.0f} s before its slot"
    return None


def _keep(desk: HarvestDesk, running: _Running, complain: Callable[[str], None]) -> None:
    """Gaps first, then the state; what can't be written now is tried again with the next slot."""
    try:
        desk.store.add_gaps(running.pending)
        running.pending = []
        desk.store.put_state(running.state)
    except HarvestStoreError as error:
        complain(str(error))


def gaps_told(gaps: Sequence[Gap]) -> str:
    """Gaps in a line: assets by reason."""
    by_reason: dict[str, list[str]] = {}
    for one in gaps:
        by_reason.setdefault(one.reason.value, []).append(one.asset)
    return "; ".join(f"{reason}: {', '.join(assets)}" for reason, assets in by_reason.items())
