"""Ports: what the services need from the outside, as Protocols and nothing else.

Times are epoch milliseconds of exchange time. Implementations live in adapters and in the venue.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from optionwriter.core.books.account import AccountSnapshot, Lookup, Outcome, VenueEvent
from optionwriter.core.books.facts import Fact, Intent
from optionwriter.core.market.chain import F64, I64, InstrumentTable, OptionChain, RowsOver
from optionwriter.core.market.history import Candles, PriceHistory, VolatilityIndex
from optionwriter.core.report.decision import DecisionRecord
from optionwriter.core.report.harvester import Gap, HarvesterState
from optionwriter.core.report.run import (
    ChainRow,
    MetricRow,
    Plain,
    RunFilter,
    RunResult,
    RunSpec,
    RunState,
    RunStatus,
)


class Clock(Protocol):
    """Exchange time, and the passing of time."""

    def now_ms(self) -> int:
        """Exchange time."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back; only differences mean anything."""
        ...

    def sleep_until(self, at_ms: int) -> None:
        """Returns when exchange time is `at_ms` or later. Raises MarketUnavailableError where an exchange that keeps
        the time itself does not answer."""
        ...


class Feed(Protocol):
    """A whole recorded or synthetic market, at any instant of its period; the venue and the tapes read it.

    A pure function of its arguments: the same instant always gives the same numbers, as the wire rounds them.
    """

    @property
    def start_ms(self) -> int:
        """First instant with option quotes."""
        ...

    @property
    def end_ms(self) -> int:
        """Last instant with option quotes; after it the market stands still."""
        ...

    @property
    def products(self) -> tuple[str, ...]:
        """Product codes that are quoted."""
        ...

    def index(self, index_name: str, at_ms: int) -> float:
        """The index, USD, two decimals."""
        ...

    def listed(self, product_code: str, at_ms: int) -> tuple[str, ...]:
        """Names of the options that are listed and not expired, ordered by expiry, strike, call before put."""
        ...

    def forward(self, product_code: str, expiry_ms: int, at_ms: int) -> float:
        """The forward (the same-expiry future's price), USD."""
        ...

    def quotes(self, product_code: str, names: Sequence[str], at_ms: int) -> OptionChain:
        """Quotes of the named options."""
        ...

    def chain(self, product_code: str, at_ms: int) -> OptionChain:
        """Quotes of everything listed."""
        ...

    def delivery_price(self, index_name: str, expiry_ms: int) -> float:
        """The 30-minute average before `expiry_ms`, sampled every 6 s, USD, two decimals."""
        ...

    def estimated_delivery_price(self, index_name: str, at_ms: int) -> float:
        """The index, or within the 30 minutes before 08:00 UTC the running average."""
        ...

    def candles(self, underlying: str, start_ms: int, end_ms: int) -> Candles:
        """Hourly candles that opened at or after `start_ms` and had closed by `end_ms`."""
        ...

    def volatility_index(self, underlying: str, start_ms: int, end_ms: int) -> VolatilityIndex:
        """Values known in [start_ms, end_ms]."""
        ...


class Market(Protocol):
    """What the agent sees of the market, now."""

    def chain(self, product_code: str) -> OptionChain:
        """The whole chain of a product. Raises MarketUnavailableError."""
        ...

    def history(self, underlying: str) -> PriceHistory:
        """Prices and volatility index up to now. Raises MarketUnavailableError."""
        ...


class Parts(Protocol):
    """A market that can show some rows of a chain without the rest, and maybe of instants to come.

    What lies ahead is for whoever passes over steps, to find the one at which someone must be asked: it is shown to no
    strategy, and each of its numbers is one that `part` gives when the clock is there.
    """

    @property
    def looks_ahead(self) -> bool:
        """Whether `rows_over` answers."""
        ...

    def rows_over(self, product_code: str, names: Sequence[str], at_ms: I64) -> RowsOver:
        """The named rows at ascending instants, all listed throughout. Raises MarketUnavailableError."""
        ...

    def listed_over(self, product_code: str, at_ms: I64) -> tuple[InstrumentTable, int]:
        """What is listed at the first of the instants, and how many of them, this one included, have the same listed
        (at least 1). Raises MarketUnavailableError."""
        ...

    def realised_over(self, underlying: str, at_ms: I64) -> tuple[F64, F64]:
        """Realised volatilities of 7 and 30 days at the instants. Raises MarketUnavailableError."""
        ...

    def part(self, product_code: str, names: Sequence[str]) -> OptionChain:
        """The named rows, in that order, as the whole chain has them. Raises MarketUnavailableError."""
        ...


class Broker(Protocol):
    """The account and the orders: the venue itself, or a simulated one on paper."""

    def account(self) -> AccountSnapshot:
        """The account now. Raises BrokerUnavailableError."""
        ...

    def send(self, intent: Intent) -> Outcome:
        """Sends one limit order, good till cancelled. Never raises for what the wire does: that is Unknown."""
        ...

    def cancel(self, label: str, order_id: str, instrument: str) -> Lookup:
        """Cancels and says how the order ended; an unclear answer is LookupFailed."""
        ...

    def look_up(self, intent: Intent) -> Lookup:
        """Finds an order of ours by its label, everywhere it could be."""
        ...

    def events_since(self, at_ms: int) -> Sequence[VenueEvent]:
        """All trades, settlements and cash movements at or after `at_ms`, by time. Raises BrokerUnavailableError."""
        ...


class DecisionSink(Protocol):
    """Keeps what every decision rested on; losing it loses no money, so a failure is told and never stops a cycle."""

    @property
    def keeps(self) -> bool:
        """Whether anything is kept: where nothing is, no record is made."""
        ...

    def write(self, record: DecisionRecord, candidates: Mapping[str, object]) -> None:
        """Appends one record and its candidates' columns (of equal length)."""
        ...


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """One entry of a published feed; `subject` is what readers may filter by. `body` is plain (JSON can hold it)."""

    feed: str
    subject: str
    body: object


@dataclass(frozen=True, slots=True)
class Command:
    """What a person asks the agent to do, from another process. `at_ms` is when he asked."""

    id: int
    kind: str
    reason: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Views of one publication. Version 0: nothing was published yet. A name that was not published is not there.

    `age_ms` is how long ago it was published, by the machine's clock: exchange time may run at another speed.
    """

    version: int = 0
    age_ms: int = 0
    views: Mapping[str, object] = field(default_factory=dict)


class ViewSink(Protocol):
    """The agent's side of what other processes see and ask. It trades on without it, so nothing here raises."""

    def publish(self, views: Mapping[str, object], entries: Sequence[FeedEntry] = ()) -> bool:
        """Replaces the named views and appends the entries, all at once; a view whose body is None is dropped.

        False (and a log line) when it failed, or when what was published before is lost: then all must come again."""
        ...

    def last(self, name: str) -> object | None:
        """What was published last under the name, by whatever process; None when nothing can be had."""
        ...

    def pending_commands(self) -> Sequence[Command]:
        """Commands that are not done, oldest first; none when they can't be read."""
        ...

    def done(self, command_id: int) -> bool:
        """Marks a command as obeyed; False (and a log line) when that failed: it will come again."""
        ...


class ViewSource(Protocol):
    """The readers' side, in other processes. A reader never holds up the writer."""

    def version(self) -> int:
        """Grows with every publication; 0 before the first. Raises ViewsError."""
        ...

    def read(self, name: str) -> object | None:
        """One view, None when it was not published. Raises ViewsError."""
        ...

    def snapshot(self, *names: str) -> Snapshot:
        """The named views as of one publication. Raises ViewsError."""
        ...

    def entries(self, feed: str, limit: int, subject: str | None = None) -> Sequence[object]:
        """The latest entries of a feed, latest first. Raises ViewsError."""
        ...

    def command(self, kind: str, reason: str, at_ms: int) -> int:
        """Leaves a command for the agent, durably; its id. Raises ViewsError."""
        ...


@dataclass(frozen=True, slots=True)
class KillOrder:
    """A kill switch that is engaged: why, by whom, since when."""

    reason: str
    by: str
    at_ms: int


class KillSwitch(Protocol):
    """The kill switch: while it is engaged, nothing new is sent."""

    def read(self) -> KillOrder | None:
        """The order in force, None when there is none."""
        ...

    def engage(self, reason: str, by: str, at_ms: int) -> None:
        """Engages it, durably."""
        ...

    def clear(self) -> None:
        """Lifts it."""
        ...


class LedgerStore(Protocol):
    """The append-only ledger; one writer."""

    def append(self, facts: Sequence[Fact]) -> None:
        """All of them or none, durably, in one transaction. `seq` must follow on. Raises LedgerError."""
        ...

    def read(self, after_seq: int = 0) -> Iterator[Fact]:
        """Facts in order. Raises LedgerError for a torn, newer or foreign one."""
        ...


class MarketUnavailableError(Exception):
    """The market could not be read; the message says what failed and what was tried."""


class MarketBrokenError(MarketUnavailableError):
    """The market answered, and the answer makes no sense."""


class BrokerUnavailableError(Exception):
    """The account could not be read; the message says what failed and what was tried."""


class RunStore(Protocol):
    """Backtests as rows, which are the jobs too; many processes at once. `now_ms` is the machine's time.

    Every method raises RunStoreError when the store can't be used.
    """

    def queue(self, spec: RunSpec, now_ms: int) -> int:
        """Adds a run; its id."""
        ...

    def queue_all(self, specs: Sequence[RunSpec], now_ms: int) -> tuple[int, ...]:
        """Adds runs, all or none; their ids in that order."""
        ...

    def get(self, run_id: int) -> RunState:
        """A run. Raises RunStoreError when it is not there."""
        ...

    def list(self, wanted: RunFilter = ..., limit: int = ...) -> tuple[RunState, ...]:
        """The latest runs of that kind, latest first."""
        ...

    def groups(self, names: Sequence[str]) -> Mapping[str, Mapping[RunStatus, int]]:
        """How many runs of each of these groups stand where; a group without runs is left out."""
        ...

    def figures(self, group: str, currency: str, names: Sequence[str]) -> Mapping[int, tuple[MetricRow, ...]]:
        """These metrics of all finished runs of the group, by run."""
        ...

    def metrics(self, run_id: int) -> tuple[MetricRow, ...]:
        """A run's numbers, by exit style, currency and name."""
        ...

    def chains(self, run_id: int) -> tuple[ChainRow, ...]:
        """A run's positions by exit style, in the order in which it told them."""
        ...

    def curves(self, run_id: int) -> Mapping[str, Mapping[str, Plain]]:
        """A run's curves by exit style."""
        ...

    def returns(self, group: str) -> Mapping[int, Mapping[str, tuple[float, ...]]]:
        """Daily returns over holding of a group's finished runs, by run and exit style, where they are kept."""
        ...

    def notes(self, run_id: int) -> str:
        """What a reader of the result must know, a line each."""
        ...

    def cancel(self, run_id: int, now_ms: int) -> RunState:
        """Cancels a queued run at once, asks a running one to stop."""
        ...

    def delete(self, run_id: int) -> None:
        """Drops a run and all that it found. Raises RunStoreError while it runs."""
        ...

    def delete_group(self, group: str) -> int:
        """Drops all runs of a sweep or comparison; how many. Raises RunStoreError while one of them is not over."""
        ...

    def claim(
        self,
        worker: str,
        now_ms: int,
        lease_ms: int,
        group: str = "",
        driver: str = "",
        run_id: int | None = None,
    ) -> RunState | None:
        """Takes the oldest queued run, of that group, for that driver or that very one when named; None when there is
        none."""
        ...

    def beat(
        self, run_id: int, worker: str, now_ms: int, lease_ms: int, progress: float, text: str = ""
    ) -> bool:
        """Tells how far a run is and renews its lease; False when it is to stop."""
        ...

    def finish(self, run_id: int, worker: str, result: RunResult, now_ms: int) -> bool:
        """Stores the result and ends the run, all at once; False when it is not this worker's."""
        ...

    def deepen(self, run_id: int, result: RunResult) -> bool:
        """Puts a fuller result in the place of a finished run's; False when it has not finished."""
        ...

    def fail(self, run_id: int, worker: str, error: str, now_ms: int) -> bool:
        """Ends a run that went wrong, or as cancelled when it was asked to stop; False when it is not this worker's."""
        ...

    def give_back(self, run_id: int, worker: str) -> bool:
        """Queues a run again that its worker leaves unfinished on purpose."""
        ...

    def settle_lost(self, now_ms: int) -> tuple[int, ...]:
        """Queues again once, then fails, the runs whose worker was lost; their ids."""
        ...

    def counts(self) -> Mapping[RunStatus, int]:
        """How many runs stand where."""
        ...


class RunStoreError(Exception):
    """The run database can't be used, or a run is not there; the message names the cure."""


class RunMissingError(RunStoreError):
    """There is no run of that id."""


class RunBusyError(RunStoreError):
    """The run is under way, and what was asked must wait until it is over."""


class LedgerError(Exception):
    """The ledger is locked, torn, newer than this code, or another's; the message names the cure."""


class ViewsError(Exception):
    """The published views can't be read, or a command can't be left; the message says what to do."""


@dataclass(frozen=True, slots=True, eq=False)
class ChainRecord:
    """One product's whole chain as it was read: columns by their names on disk (docs/data-layouts.md), None for null.

    `read_ms`: when all of it had been read; `made_ms`: when the newest of its rows was made; `listed`: how many options
    the exchange lists; `note`: what it lacks.
    """

    asset: str
    read_ms: int
    made_ms: int
    listed: int
    columns: Mapping[str, Sequence[object]]
    note: str = ""

    def __len__(self) -> int:
        return len(self.columns["instrument_name"])


class ChainRecorder(Protocol):
    """Whole chains, to be kept. Answers that serve several assets are asked for once between two calls of `renew`."""

    def renew(self) -> None:
        """A new slot: nothing read before is used again."""
        ...

    def read(self, asset: str) -> ChainRecord:
        """The asset's chain now. Raises MarketUnavailableError, MarketBrokenError."""
        ...


class HistorySource(Protocol):
    """The past as an exchange tells it. Kinds, names and columns are those of data/history (docs/data-layouts.md)."""

    def window_ms(self, kind: str) -> int:
        """How much of the past one question covers; 0 where it is always all."""
        ...

    def read(self, kind: str, name: str, start_ms: int, end_ms: int) -> Mapping[str, Sequence[object]]:
        """What was known after `start_ms` and up to `end_ms`, instants in epoch ms. Raises MarketUnavailableError."""
        ...


class HistoryStore(Protocol):
    """Where the past is kept. Every method raises HarvestStoreError when that fails."""

    def span(self, kind: str, name: str) -> tuple[int, int] | None:
        """The first and the last instant that is there."""
        ...

    def holes(self, kind: str, name: str) -> Sequence[tuple[int, int]]:
        """(start, end) of what is missing between the first and the last, ascending."""
        ...

    def merge(self, kind: str, name: str, columns: Mapping[str, Sequence[object]]) -> int:
        """Adds rows; how many were not there."""
        ...


class HarvestStore(Protocol):
    """Where a harvester keeps what it read. Every method raises HarvestStoreError when that fails."""

    def state(self) -> HarvesterState:
        """What is known of the last runs."""
        ...

    def has(self, asset: str, slot_ms: int, interval_ms: int) -> bool:
        """Whether the slot's snapshot is there."""
        ...

    def write(self, slot_ms: int, record: ChainRecord) -> int:
        """Keeps the record as the slot's snapshot, whole or not at all; its bytes."""
        ...

    def add_gaps(self, gaps: Sequence[Gap]) -> None:
        """Adds gaps, durably."""
        ...

    def put_state(self, state: HarvesterState) -> None:
        """Replaces the state (without its gaps)."""
        ...

    def compact_before(self, at_ms: int) -> tuple[int, tuple[str, ...]]:
        """Compacts every day that was over at `at_ms`: (how many, what went wrong)."""
        ...


class HarvestStoreError(Exception):
    """The harvester's folder can't be used; the message names the cure."""


class Transport(Protocol):
    """One JSON-RPC call to a Deribit-speaking venue, by whatever wire."""

    def call(self, method: str, params: Mapping[str, object]) -> bytes:
        """The reply's body, error replies included. Raises TransportError when no body came."""
        ...


class TransportError(Exception):
    """The wire failed: nobody knows whether the venue acted."""


class NotSentError(TransportError):
    """The wire failed before the request left: the venue has certainly not acted."""
