"""Desks: the one file that decides who plays: which clock, market, broker and chooser sit at the desk.

A mode is nothing but this choice; below this file nobody asks which one it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from optionwriter.adapters.clocks import SimulatedClock, SystemClock, sleep_s
from optionwriter.adapters.deribit.broker import DeribitBroker
from optionwriter.adapters.deribit.client import DeribitClient
from optionwriter.adapters.deribit.errors import VenueError
from optionwriter.adapters.deribit.http import local_url
from optionwriter.adapters.deribit.market import DeribitMarket
from optionwriter.adapters.deribit.quotes import WireQuotes
from optionwriter.adapters.deribit.secret import Secret
from optionwriter.adapters.deribit.server_time import ExchangeClock
from optionwriter.adapters.deribit.session import Session
from optionwriter.adapters.deribit.token import Credentials
from optionwriter.adapters.files.sink import DecisionFiles
from optionwriter.adapters.paper import PaperBroker, QuoteSource
from optionwriter.adapters.store.ledger import SqliteLedger
from optionwriter.adapters.tapes.market import TapeMarket
from optionwriter.bootstrap.parts import (
    EXCHANGE_FILE,
    LOG_FOLDER,
    PAPER_INSTANT_FILE,
    BootError,
    limits_of,
    mode_of,
    prepare_folder,
    products_of,
    seats_of,
)
from optionwriter.bootstrap.recorded import LOCAL_ACCOUNT, opening_cash, sample_feed, start_ms_of
from optionwriter.bootstrap.stores import kill_switch, open_ledger, view_sink
from optionwriter.core.books.account import Position, VenueOrder
from optionwriter.core.books.book import OrderRecord, open_chains, working
from optionwriter.core.books.ledger import replay
from optionwriter.ports import Broker, Clock, Feed, Market, Transport, ViewSink
from optionwriter.services.cycle import Desk
from optionwriter.services.publish import Publisher
from optionwriter.services.recorder import Recorder
from optionwriter.settings import Settings
from optionwriter.venue.engine import Engine
from optionwriter.venue.journal import Journal, JournalError, restore_file
from optionwriter.venue.opening import DEMO_KEY
from optionwriter.venue.wire import InProcessVenue

DECISIONS_PER_PART = 24  # a day of hourly decisions


@dataclass(frozen=True, slots=True)
class Desktop:
    """A seated desk, with what the command line tells of it."""

    desk: Desk
    banner: str
    at_the_end: Callable[[], bool]
    transport: Transport | None  # to an exchange in this process; else None
    publisher: Publisher
    commands: ViewSink  # where people's commands come from


def _check_key(settings: Settings, session: Session) -> None:
    """Logs in and takes the account's own rate limits, so that a bad key is said at the start. Errors: BootError."""
    try:
        session.learn_limits()
    except VenueError as error:
        raise BootError(f"no orders can be sent to {settings.deribit_env}: {error}") from None


def exchange_clock(
    settings: Settings, session: Session, machine: SystemClock, again: Callable[[str], bool]
) -> Clock:
    """The exchange's time: the first thing that is asked of it. Errors: BootError when it stays out of reach."""
    local = settings.deribit_env == "local"
    while True:
        try:
            return session.local_clock(settings.local_speed) if local else session.exchange_clock(machine)
        except VenueError as error:
            reason = str(error)
        if not again(reason):
            cure = (
                "start it with optionwriter exchange, or everything with optionwriter up"
                if local
                else "check the network and DERIBIT_ENV"
            )
            raise BootError(f"the {settings.deribit_env} exchange can't be reached ({reason}): {cure}")


@contextmanager
def seat_sample(settings: Settings, *, fresh: bool, interval_ms: int) -> Iterator[Desktop]:
    """The desk on the recorded market: exchange in-process, or paper broker on the tape when DRY_RUN.

    Goes on where the folder's last run stopped. Errors: BootError, LedgerError.
    """
    if settings.deribit_env != "local":
        raise BootError(f"DERIBIT_ENV={settings.deribit_env} has no --market sample: set DERIBIT_ENV=local")
    folder = settings.data_dir
    prepare_folder(folder, fresh)
    feed = sample_feed(settings)
    with ExitStack() as stack:
        mode = mode_of(settings)
        store = open_ledger(settings, folder, LOCAL_ACCOUNT, stack)
        seat = _paper if settings.dry_run else _engine
        clock, market, broker, transport = seat(_Stage(settings, feed, folder, interval_ms, store, stack))
        desk = desk_of(settings, stack, clock, market, broker, Recorder(store, clock, LOCAL_ACCOUNT), None)
        where = (
            "paper fills on the recorded market"
            if mode == "paper"
            else "live orders to the exchange in-process"
        )
        views = _views(settings, stack)
        publisher = Publisher(views, None)
        yield Desktop(
            desk, _banner(settings, where), lambda: clock.now_ms() >= feed.end_ms, transport, publisher, views
        )


@contextmanager
def seat_exchange(
    settings: Settings, *, fresh: bool, again: Callable[[str], bool] = lambda _: False
) -> Iterator[Desktop]:
    """The desk on an exchange over HTTP: the local one, testnet, or mainnet (reads and dry runs only, for now).

    A dry run has no way to send an order: its session has no key, its broker is paper on the exchange's quotes.
    `again` is told why the exchange could not be reached and says whether to try once more. Errors: BootError,
    LedgerError.
    """
    env, live = settings.deribit_env, not settings.dry_run
    if live and env == "mainnet":
        raise BootError(
            "live orders to mainnet are refused: the doors that must guard them (a second opt-in naming the account, "
            "reconciliation) are not all built; use DRY_RUN=true, or DERIBIT_ENV=testnet"
        )
    if fresh and env != "local":
        raise BootError(
            f"--fresh would drop the ledger of {env}, which can't be made anew: use another --data-dir"
        )
    account = account_name(settings)
    folder = settings.data_dir
    prepare_folder(folder, fresh)
    with ExitStack() as stack:
        store = open_ledger(settings, folder, account, stack)
        machine = SystemClock()
        url = local_url(settings.local_port) if env == "local" else None
        key = key_of(settings) if live else None
        session = Session(env, machine.monotonic, sleep_s, key, url, trading=live)
        stack.callback(session.close)
        clock = exchange_clock(settings, session, machine, again)
        if live:
            _check_key(settings, session)
        market = DeribitMarket(session.client, clock)
        broker: Broker = (
            DeribitBroker(session.client, clock, account, env)
            if live
            else _paper_from_ledger(settings, WireQuotes(session.client, clock), clock, store, account)
        )
        nap_ms = int(1_000 * (settings.local_speed if env == "local" else 1))
        desk = desk_of(settings, stack, clock, market, broker, Recorder(store, clock, account), nap_ms)
        where = f"{'LIVE orders to' if live else 'dry run on'} {env.upper()}"
        end_ms = sample_feed(settings).end_ms if env == "local" else None
        pace = settings.local_speed if env == "local" else 1.0
        views = _views(settings, stack)
        publisher = Publisher(views, settings.loop_interval_sec / pace)  # real seconds between two cycles

        def at_the_end() -> bool:
            return end_ms is not None and clock.now_ms() >= end_ms

        banner = "\n".join((_banner(settings, where), *clock_warning(clock)))
        yield Desktop(desk, banner, at_the_end, None, publisher, views)


def _views(settings: Settings, stack: ExitStack) -> ViewSink:
    """What the agent shows, and what is asked of it."""
    store = view_sink(settings)
    stack.callback(store.close)
    return store


def clock_warning(clock: Clock) -> tuple[str, ...]:
    """One line when the machine's time of day is off: nothing rests on it, but its owner should know."""
    warning = clock.warning if isinstance(clock, ExchangeClock) else ""
    return (warning,) if warning else ()


def account_name(settings: Settings) -> str:
    """Whose ledger it is: the key's client id, `local` on the local exchange.

    Errors: BootError when live without a key.
    """
    if settings.deribit_env == "local":
        return settings.deribit_client_id or LOCAL_ACCOUNT
    if not settings.dry_run and not settings.deribit_client_id:
        raise BootError(
            f"live orders to {settings.deribit_env} need a key: set DERIBIT_CLIENT_ID and DERIBIT_CLIENT_SECRET, "
            "or DRY_RUN=true"
        )
    return settings.deribit_client_id or "paper"


def key_of(settings: Settings) -> Credentials:
    """The API key; the local exchange's demo key where none is set."""
    secret = settings.deribit_client_secret.get_secret_value()
    if settings.deribit_env == "local" and not settings.deribit_client_id:
        return Credentials(DEMO_KEY.client_id, Secret(DEMO_KEY.secret))
    return Credentials(settings.deribit_client_id, Secret(secret))


def desk_of(
    settings: Settings,
    stack: ExitStack,
    clock: Clock,
    market: Market,
    broker: Broker,
    recorder: Recorder,
    nap_ms: int | None,
) -> Desk:
    """What is the same at every desk."""
    parts = DECISIONS_PER_PART if nap_ms is None else 1
    sink = DecisionFiles(settings.data_dir / LOG_FOLDER, settings.candidate_retention_days, parts)
    stack.callback(lambda: sink.close(clock.now_ms()))
    seats = seats_of(settings)
    return Desk(
        clock=clock,
        market=market,
        broker=broker,
        recorder=recorder,
        sink=sink,
        kill=kill_switch(settings),
        seats=seats,
        products=products_of(settings),
        limits=limits_of(settings, seats),
        label_prefix=settings.managed_client_id_prefix,
        order_validity_ms=settings.order_validity_sec * 1_000,
        mode=mode_of(settings),
        stopwatch=SystemClock().monotonic,
        nap_ms=nap_ms,
    )


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


def _engine(stage: _Stage) -> _Seated:
    """The exchange engine in-process, restored from its journal, spoken to as to Deribit."""
    start = start_ms_of(stage.settings, stage.feed, stage.interval_ms)
    engine = Engine(stage.feed, {LOCAL_ACCOUNT: opening_cash(stage.settings)}, start)
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
    """The paper broker on the tape, going on from where its clock stood."""
    book = replay(stage.store.read())
    instant = stage.folder / PAPER_INSTANT_FILE
    start = start_ms_of(stage.settings, stage.feed, stage.interval_ms)
    if book.seq:
        start = max(book.last_event_ms, int(instant.read_text()) if instant.exists() else start)
    clock = SimulatedClock(start)
    stage.stack.callback(lambda: instant.write_text(str(clock.now_ms())))
    broker = _paper_from_ledger(stage.settings, stage.feed, clock, stage.store, LOCAL_ACCOUNT)
    return clock, TapeMarket(stage.feed, clock), broker, None


def _paper_from_ledger(
    settings: Settings, source: QuoteSource, clock: Clock, store: SqliteLedger, account: str
) -> PaperBroker:
    """A paper broker that goes on from what the ledger holds."""
    book = replay(store.read())
    return PaperBroker(
        source,
        clock,
        account,
        dict(book.cash) if book.seq else opening_cash(settings),
        environment=settings.deribit_env,
        positions=[
            Position(leg.instrument, leg.position, leg.entry_price, leg.entry_price)
            for chain in open_chains(book)
            for leg in chain.open_legs
        ],
        orders=[_resting(record, clock.now_ms()) for record in working(book)],
    )


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


def _banner(settings: Settings, where: str) -> str:
    return f"optionwriter · {where} · {','.join(settings.underlyings)} · data in {settings.data_dir}"
