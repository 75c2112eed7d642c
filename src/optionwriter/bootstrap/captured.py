"""The desk on recorded chains: the paper broker on the captured tape, from one snapshot to the next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from optionwriter.adapters.clocks import SimulatedClock
from optionwriter.adapters.paper import PaperBroker
from optionwriter.adapters.tapes.captured import CapturedFeed
from optionwriter.adapters.tapes.captured_folder import captured_folder
from optionwriter.adapters.tapes.market import TapeMarket
from optionwriter.adapters.tapes.snapshots import CaptureError
from optionwriter.bootstrap.desks import desk_of
from optionwriter.bootstrap.parts import BootError, prepare_folder
from optionwriter.bootstrap.recorded import LOCAL_ACCOUNT, opening_cash
from optionwriter.bootstrap.stores import open_ledger
from optionwriter.services.cycle import Desk
from optionwriter.services.recorder import Recorder
from optionwriter.settings import Settings


@dataclass(frozen=True, slots=True)
class CapturedDesk:
    """A desk on recorded chains, and the instants at which they were recorded."""

    desk: Desk
    feed: CapturedFeed
    instants: tuple[int, ...]


@contextmanager
def seat_captured(settings: Settings, data: Path, start_ms: int, end_ms: int) -> Iterator[CapturedDesk]:
    """The desk for the snapshots in [start_ms, end_ms], in a fresh data folder. Errors: BootError, LedgerError."""
    try:
        feed = captured_folder(data, settings.underlyings)
    except CaptureError as error:
        raise BootError(str(error)) from error
    instants = feed.instants(start_ms, end_ms)
    if not instants:
        raise BootError(
            f"{data} has no snapshot from {start_ms} to {end_ms}: it has {feed.start_ms} to {feed.end_ms}"
        )
    prepare_folder(settings.data_dir, True)
    with ExitStack() as stack:
        store = open_ledger(settings, settings.data_dir, LOCAL_ACCOUNT, stack)
        clock = SimulatedClock(instants[0])
        broker = PaperBroker(
            feed, clock, LOCAL_ACCOUNT, opening_cash(settings), environment=settings.deribit_env
        )
        recorder = Recorder(store, clock, LOCAL_ACCOUNT)
        desk = desk_of(settings, stack, clock, TapeMarket(feed, clock), broker, recorder, None)
        yield CapturedDesk(desk, feed, instants)
