"""Fast-forward: the steps at which nobody has anything to propose, looked at without building the whole chain.

A step may be passed over where the last full cycle did nothing, nothing happened since, and every strategy says from
the quotes of what is held that it waits (base.Waiting; who can't say it is asked at every step). What such a step
still needs, the equity, the benchmarks, the attribution, is read from rows that are those of the whole chain. Keeps:
facts, curve and metrics are the same with it and without; whatever is unclear is left to a full cycle.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from optionwriter.core.books.account import AccountSnapshot
from optionwriter.core.books.book import Book, positions, unresolved, working
from optionwriter.core.decide.state import AgentState, build_state
from optionwriter.core.decide.strategies.base import Waiting
from optionwriter.core.market.chain import OptionChain
from optionwriter.core.market.context import realised_alone
from optionwriter.core.market.instruments import InstrumentError, parse_instrument
from optionwriter.core.report.benchmarks import CallRule
from optionwriter.ports import BrokerUnavailableError, MarketUnavailableError, Parts
from optionwriter.services.cycle import CycleReport, Desk, products_read

_Standing = tuple[
    str,
    tuple[tuple[str, Decimal], ...],
    tuple[tuple[str, Decimal], ...],
]


@dataclass(frozen=True, slots=True)
class _Quiet:
    """How things stood after a full cycle that did nothing."""

    book: Book
    standing: _Standing
    events: int  # of the venue since the book's last one


class FastForward:
    """Passes over steps of one desk. `parts` shows rows of the desk's own market; `benchmarks` look beside the run."""

    def __init__(self, desk: Desk, parts: Parts, benchmarks: Sequence[CallRule]) -> None:
        self._desk, self._parts, self._benchmarks = desk, parts, benchmarks
        self._quiet: _Quiet | None = None
        self._beside: tuple[frozenset[str] | None, dict[str, tuple[str, ...]]] = (None, {})
        self._waiting = tuple(
            (one.strategy, one.config) for one in desk.seats if isinstance(one.strategy, Waiting)
        )
        self._able = not desk.sink.keeps and len(self._waiting) == len(desk.seats)

    def after(self, report: CycleReport, begun: Book) -> None:
        """Takes note of a full cycle that began with the books `begun`."""
        self._quiet = None
        book, account = self._desk.recorder.book, report.state.account
        still = (
            self._able
            and book.seq == begun.seq > 0
            and report.kill is None
            and not (report.differences or report.executions or account.open_orders)
            and not any(one.failure for one in report.proposed)
            and not any(one.fact.chosen for one in report.decisions)
            and not (unresolved(book) or working(book))
        )
        if still and self._all_wait(report.state):
            events = len(self._desk.broker.events_since(book.last_event_ms))
            self._beside = (None, {})
            self._quiet = _Quiet(book, _standing(account), events)

    def failed(self) -> None:
        """A full cycle failed: the next step is one too."""
        self._quiet = None

    def glance(self) -> AgentState | None:
        """The state of a step that may be passed over, of the rows looked at alone; None: take it in full."""
        quiet, desk = self._quiet, self._desk
        if quiet is None or desk.recorder.book is not quiet.book or desk.kill.read() is not None:
            return None
        try:
            if len(desk.broker.events_since(quiet.book.last_event_ms)) != quiet.events:
                return None
            state = self._read(quiet)
        except (MarketUnavailableError, BrokerUnavailableError):
            return None  # the full cycle tells of it
        same = not state.account.open_orders and _standing(state.account) == quiet.standing
        return state if same and self._all_wait(state) else None

    def _all_wait(self, state: AgentState) -> bool:
        return all(strategy.waits(state, config) for strategy, config in self._waiting)

    def _read(self, quiet: _Quiet) -> AgentState:
        """As cycle.observe, of the rows that are looked at. Errors: MarketUnavailableError, BrokerUnavailableError."""
        desk = self._desk
        rows, whole = self._wanted(quiet, desk.clock.now_ms())
        chains: dict[str, OptionChain] = {}
        for code in products_read(desk):
            chains[code] = (
                desk.market.chain(code) if code in whole else self._parts.part(code, rows.get(code, ()))
            )
        underlyings = sorted({chain.product.underlying for chain in chains.values()})
        histories = {name: desk.market.history(name) for name in underlyings}
        account = desk.broker.account()
        now = desk.clock.now_ms()
        contexts = {name: realised_alone(one, now) for name, one in histories.items()}
        return build_state(now, account, quiet.book, chains, contexts)

    def _wanted(self, quiet: _Quiet, at_ms: int) -> tuple[dict[str, tuple[str, ...]], frozenset[str]]:
        """(names by product, products of which everything is read)."""
        wanted = [one.wanted(at_ms) for one in self._benchmarks]
        beside = frozenset(option.name for one in wanted for option in one.options)
        if beside != self._beside[0]:
            held = {*positions(quiet.book), *(name for name, _ in quiet.standing[2])}
            self._beside = (beside, _by_product(held | beside))
        return self._beside[1], frozenset(code for one in wanted for code in one.chains)


def _standing(account: AccountSnapshot) -> _Standing:
    """What of the account the books answer for."""
    return (
        f"{account.account_id} {account.environment}",
        tuple((one.currency, one.balance) for one in account.currencies),
        tuple((one.instrument, one.amount) for one in account.positions),
    )


def _by_product(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Names of options by their product's code; what is no option is left out."""
    found: dict[str, tuple[str, ...]] = {}
    for name in sorted(names):
        try:
            code = parse_instrument(name).product.code
        except InstrumentError:
            continue
        found[code] = (*found.get(code, ()), name)
    return found
