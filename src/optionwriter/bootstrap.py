"""Bootstrap: the one file that decides who plays: which clock, market, broker and chooser sit at the desk.

A mode is nothing but this choice; below this file nobody asks which one it is.
"""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from optionwriter.adapters.clocks import SimulatedClock, SystemClock
from optionwriter.adapters.deribit.broker import DeribitBroker
from optionwriter.adapters.deribit.client import DeribitClient
from optionwriter.adapters.deribit.market import DeribitMarket
from optionwriter.adapters.files.run_log import RunLog
from optionwriter.adapters.files.sink import DecisionFiles
from optionwriter.adapters.paper import PaperBroker
from optionwriter.adapters.store.ledger import LedgerSummary, SqliteLedger, verify_ledger
from optionwriter.adapters.store.views import ViewStore
from optionwriter.adapters.tapes.market import TapeMarket
from optionwriter.adapters.tapes.sample import SampleFeed
from optionwriter.adapters.tapes.sample_files import FOLDER as SAMPLE_FOLDER
from optionwriter.adapters.tapes.sample_files import SampleError
from optionwriter.core.books.account import Position, VenueOrder
from optionwriter.core.books.book import Book, OrderRecord, open_chains, working
from optionwriter.core.books.ledger import replay
from optionwriter.core.decide.choosing import ChoiceParams, choose_best
from optionwriter.core.decide.limits import Cap, Limits
from optionwriter.core.decide.strategies.base import ConfigError, Mode
from optionwriter.core.decide.strategies.instances import GateOverrides, read_instances
from optionwriter.core.decide.strategies.registry import strategy
from optionwriter.core.market.instruments import PRODUCTS, Family
from optionwriter.ports import Broker, Feed, Market, Transport, ViewSource
from optionwriter.services.cycle import Desk
from optionwriter.services.proposed import Seat
from optionwriter.services.recorder import Recorder
from optionwriter.settings import Settings
from optionwriter.venue.engine import Engine
from optionwriter.venue.journal import Journal, JournalError, restore_file
from optionwriter.venue.wire import InProcessVenue

LOCAL_ACCOUNT = "local"
LEDGER_FILE = "ledger.sqlite"
EXCHANGE_FILE = "exchange.jsonl"
VIEWS_FILE = "views.sqlite"
PAPER_INSTANT_FILE = "paper.instant"  # where the paper clock stood
DECISIONS_PER_PART = 24  # a day of hourly decisions
LOG_FOLDER = "logs"
MARK_FILE = "optionwriter.data"  # says that a folder is ours to clear


class BootError(Exception):
    """The desk can't be seated; the message names what is wrong and the cure."""


@dataclass(frozen=True, slots=True)
class Desktop:
    """A seated desk, with what the command line tells of it."""

    desk: Desk
    clock: SimulatedClock
    banner: str
    at_the_end: Callable[[], bool]
    transport: Transport | None  # to the exchange; None on paper


def limits_of(settings: Settings) -> Limits:
    """Risk's limits from the settings."""
    chains = settings.max_chains_per_underlying
    age_ms = settings.max_data_age_sec * 1_000
    return Limits(
        max_margin_used_pct=Decimal(str(settings.max_margin_used_pct)),
        max_net_delta_abs={"*": settings.max_net_delta_abs},
        max_expiry_exposure=_cap(settings.max_expiry_exposure),
        max_call_notional_per_underlying=_cap(settings.max_call_notional_per_underlying),
        max_put_notional_per_underlying=_cap(settings.max_put_notional_per_underlying),
        max_call_chains=chains,
        max_put_chains=chains,
        price_collar_pct=Decimal(str(settings.max_price_deviation_pct)),
        max_data_age_ms=age_ms,
        max_account_age_ms=age_ms,
    )


def _cap(text: str) -> Cap:
    return Cap.pct(text.removesuffix("%")) if text.endswith("%") else Cap.usd(text)


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


def strategies_path(settings: Settings) -> Path:
    """The strategy file: STRATEGIES_FILE, else the one that ships with the package or stands in the checkout."""
    if settings.strategies_file is not None:
        return settings.strategies_file
    here = Path(__file__).resolve().parent
    installed = here / "config" / "strategies.toml"
    return installed if installed.exists() else here.parent.parent / "config" / "strategies.toml"


def seats_of(settings: Settings) -> tuple[Seat, ...]:
    """The enabled strategy instances, in declared order. Errors: BootError."""
    path = strategies_path(settings)
    gates = GateOverrides(**{name: getattr(settings, name) for name in GateOverrides._fields})
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        mode = Mode(settings.mode)
        configs = read_instances(tables, mode, settings.underlyings, gates, settings.min_score)
        enabled = [one for one in configs if one.enabled]
        seats = tuple(
            Seat(strategy(one.kind), one, choose_best, ChoiceParams(one.min_score)) for one in enabled
        )
    except (OSError, tomllib.TOMLDecodeError, ConfigError) as error:
        raise BootError(f"{path}: {error}") from error
    if not seats:
        raise BootError(f"{path}: no strategy instance is enabled: set enabled = true in one of its tables")
    return seats


def products_of(settings: Settings) -> tuple[str, ...]:
    """The products that are read: the inverse book of each underlying, for covered calls."""
    return tuple(
        one.code
        for one in PRODUCTS.values()
        if one.underlying in settings.underlyings and one.family is Family.INVERSE
    )


def prove_ledger(path: Path) -> tuple[LedgerSummary, Book]:
    """Reads a ledger whole, without writing, and adds it up. Errors: LedgerError names what is wrong."""
    summary = verify_ledger(path)
    with closing(SqliteLedger(path, summary.account, summary.environment, summary.mode)) as store:
        return summary, replay(store.read())


def view_sink(settings: Settings) -> ViewStore:
    """Where the agent publishes its views; close it at the end. Touches no file yet."""
    return ViewStore(settings.data_dir / VIEWS_FILE, SystemClock().now_ms)


def view_source(settings: Settings) -> ViewSource:
    """Where other processes read them; empty until an agent has published."""
    return view_sink(settings)


def prepare_folder(folder: Path, fresh: bool) -> None:
    """Makes the data folder, or with `fresh` drops what we keep there; anything else in it stays. Errors: BootError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        mark = folder / MARK_FILE
        if fresh:
            if any(folder.iterdir()) and not mark.exists():
                raise BootError(
                    f"{folder} holds files that are not ours: name an empty folder with --data-dir"
                )
            for name in (LEDGER_FILE, VIEWS_FILE):
                for path in folder.glob(f"{name}*"):
                    path.unlink()
            for name in (EXCHANGE_FILE, PAPER_INSTANT_FILE):
                (folder / name).unlink(missing_ok=True)
            shutil.rmtree(folder / LOG_FOLDER, ignore_errors=True)
        mark.write_text("optionwriter keeps its ledger, local exchange and logs here.\n")
    except OSError as error:
        raise BootError(f"{folder} can't be used: {error.strerror}: name another with --data-dir") from error


def _banner(settings: Settings, mode: str) -> str:
    where = (
        "paper fills on the recorded market"
        if mode == "paper"
        else "live orders to the local exchange, in-process"
    )
    return f"optionwriter · {where} · {','.join(settings.underlyings)} · data in {settings.data_dir}"
