"""Desks: the one file that decides who plays: which clock, market, broker and chooser sit at the desk.

A mode is nothing but this choice; below this file nobody asks which one it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from optionwriter.adapters.clocks import SimulatedClock
from optionwriter.adapters.deribit.broker import DeribitBroker
from optionwriter.adapters.deribit.client import DeribitClient
from optionwriter.adapters.deribit.market import DeribitMarket
from optionwriter.adapters.files.run_log import RunLog
from optionwriter.adapters.files.sink import DecisionFiles
from optionwriter.adapters.paper import PaperBroker
from optionwriter.adapters.store.ledger import LedgerSummary, SqliteLedger, verify_ledger
from optionwriter.adapters.tapes.market import TapeMarket
from optionwriter.adapters.tapes.sample import SampleFeed
from optionwriter.adapters.tapes.sample_files import FOLDER as SAMPLE_FOLDER
from optionwriter.adapters.tapes.sample_files import SampleError
from optionwriter.bootstrap.parts import (
    EXCHANGE_FILE,
    LEDGER_FILE,
    LOG_FOLDER,
    PAPER_INSTANT_FILE,
    BootError,
    limits_of,
    prepare_folder,
    products_of,
    seats_of,
)
from optionwriter.core.books.account import Position, VenueOrder
from optionwriter.core.books.book import Book, OrderRecord, open_chains, working
from optionwriter.core.books.ledger import replay
from optionwriter.ports import Broker, Feed, Market, Transport
from optionwriter.services.cycle import Desk
from optionwriter.services.recorder import Recorder
from optionwriter.settings import Settings
from optionwriter.venue.engine import Engine
from optionwriter.venue.journal import Journal, JournalError, restore_file
from optionwriter.venue.wire import InProcessVenue

LOCAL_ACCOUNT = "local"
DECISIONS_PER_PART = 24  # a day of hourly decisions


@dataclass(frozen=True, slots=True)
class Desktop:
    """A seated desk, with what the command line tells of it."""

    desk: Desk
    clock: SimulatedClock
    banner: str
    at_the_end: Callable[[], bool]
    transport: Transport | None  # to the exchange; None on paper


@contextmanager
def seat_sample(settings: Settings, *, fresh: bool, interval_ms: int) -> Iterator[Desktop]:
    """The desk on the recorded market: exchange in-process, or paper broker on the tape when DRY_RUN.

    Goes on where the folder's last run stopped. Errors: BootError, LedgerError.
    """
    _only_local(settings)
    folder = settings.data_dir
    prepare_folder(folder, fresh)
    try:
        feed = SampleFeed(settings.local_seed, SAMPLE_FOLDER)
    except SampleError as error:
        raise BootError(str(error)) from error
    with ExitStack() as stack:
        log = RunLog(folder / LOG_FOLDER, [settings.deribit_client_secret.get_secret_value()])
        stack.callback(log.close)
        mode = "paper" if settings.dry_run else "live"
        store = SqliteLedger(folder / LEDGER_FILE, LOCAL_ACCOUNT, "local", mode)
        stack.callback(store.close)
        seat = _paper if settings.dry_run else _engine
        clock, market, broker, transport = seat(_Stage(settings, feed, folder, interval_ms, store, stack))
        sink = DecisionFiles(folder / LOG_FOLDER, settings.candidate_retention_days, DECISIONS_PER_PART)
        stack.callback(lambda: sink.close(clock.now_ms()))
        desk = Desk(
            clock=clock,
            market=market,
            broker=broker,
            recorder=Recorder(store, clock, LOCAL_ACCOUNT),
            sink=sink,
            seats=seats_of(settings),
            products=products_of(settings),
            limits=limits_of(settings),
            label_prefix=settings.managed_client_id_prefix,
            order_validity_ms=settings.order_validity_sec * 1_000,
            mode=mode,
        )
        at_the_end = lambda: clock.now_ms() >= feed.end_ms  # noqa: E731
        yield Desktop(desk, clock, _banner(settings, mode), at_the_end, transport)


@dataclass(frozen=True, slots=True)
class _Stage:
    """What every way of seating needs."""

    settings: Settings
    feed: Feed
    folder: Path
    interval_ms: int
    store: SqliteLedger
    stack: ExitStack


_Seated = tuple[SimulatedClock, Market, Broker, Transport | None]


def _only_local(settings: Settings) -> None:
    if settings.deribit_env != "local":
        raise BootError(
            f"DERIBIT_ENV={settings.deribit_env}: only the local exchange is built so far; set DERIBIT_ENV=local"
        )


def start_ms_of(settings: Settings, feed: Feed, interval_ms: int) -> int:
    """LOCAL_START as an instant within the sample, on a multiple of the interval. Errors: BootError."""
    try:
        moment = datetime.fromisoformat(settings.local_start)
    except ValueError:
        raise BootError(
            f"LOCAL_START {settings.local_start!r} is no time such as 2026-01-01T00:00:00Z"
        ) from None
    if moment.tzinfo is None:
        raise BootError(f"LOCAL_START {settings.local_start!r} names no zone: end it with Z for UTC")
    start = -(-int(moment.timestamp() * 1_000) // interval_ms) * interval_ms
    if not feed.start_ms <= start < feed.end_ms:
        first, last = (
            datetime.fromtimestamp(ms / 1000, tz=moment.tzinfo) for ms in (feed.start_ms, feed.end_ms)
        )
        raise BootError(
            f"LOCAL_START {settings.local_start} is outside the sample: {first:%Y-%m-%d} to {last:%Y-%m-%d}"
        )
    return start


def _opening(settings: Settings) -> dict[str, Decimal]:
    return {"BTC": settings.local_btc, "ETH": settings.local_eth, "USDC": settings.local_usdc}


def _engine(stage: _Stage) -> _Seated:
    """The exchange engine in-process, restored from its journal, spoken to as to Deribit."""
    start = start_ms_of(stage.settings, stage.feed, stage.interval_ms)
    engine = Engine(stage.feed, {LOCAL_ACCOUNT: _opening(stage.settings)}, start)
    path = stage.folder / EXCHANGE_FILE
    try:
        restored = restore_file(engine, path)
    except JournalError as error:
        raise BootError(f"{path}: {error} (--fresh)") from error
    journal = Journal(path, engine, restored.good_bytes)
    stage.stack.callback(journal.close)
    venue = InProcessVenue(engine, LOCAL_ACCOUNT, journal)

    def advance(to_ms: int) -> None:
        venue.advance(to_ms)

    clock = SimulatedClock(engine.now_ms, advance)
    client = DeribitClient(venue, "local")
    return clock, DeribitMarket(client, clock), DeribitBroker(client, clock, LOCAL_ACCOUNT, "local"), venue


def _paper(stage: _Stage) -> _Seated:
    """The paper broker on the tape, going on from what the ledger holds."""
    book = replay(stage.store.read())
    instant = stage.folder / PAPER_INSTANT_FILE
    start = start_ms_of(stage.settings, stage.feed, stage.interval_ms)
    if book.seq:
        start = max(book.last_event_ms, int(instant.read_text()) if instant.exists() else start)
    clock = SimulatedClock(start)
    stage.stack.callback(lambda: instant.write_text(str(clock.now_ms())))
    broker = PaperBroker(
        stage.feed,
        clock,
        LOCAL_ACCOUNT,
        dict(book.cash) if book.seq else _opening(stage.settings),
        positions=[
            Position(leg.instrument, leg.position, leg.entry_price, leg.entry_price)
            for chain in open_chains(book)
            for leg in chain.open_legs
        ],
        orders=[_resting(record, start) for record in working(book)],
    )
    return clock, TapeMarket(stage.feed, clock), broker, None


def _resting(record: OrderRecord, at_ms: int) -> VenueOrder:
    """A working order of the ledger as the paper venue would show it."""
    intent = record.intent
    return VenueOrder(
        order_id=record.order_id,
        label=intent.label,
        instrument=intent.instrument,
        side=intent.side,
        amount=intent.amount,
        filled_amount=record.filled,
        price=intent.limit_price,
        state="open",
        reduce_only=intent.reduce_only,
        created_ms=at_ms,
    )


def prove_ledger(path: Path) -> tuple[LedgerSummary, Book]:
    """Reads a ledger whole, without writing, and adds it up. Errors: LedgerError names what is wrong."""
    summary = verify_ledger(path)
    with closing(SqliteLedger(path, summary.account, summary.environment, summary.mode)) as store:
        return summary, replay(store.read())


def _banner(settings: Settings, mode: str) -> str:
    where = (
        "paper fills on the recorded market"
        if mode == "paper"
        else "live orders to the local exchange, in-process"
    )
    return f"optionwriter · {where} · {','.join(settings.underlyings)} · data in {settings.data_dir}"
