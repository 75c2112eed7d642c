"""Fast-forward: the steps at which nobody has anything to propose, looked at without building the whole chain.

A step may be passed over where the last full cycle left nothing to be done or booked, nothing happened since, and every
strategy says from the quotes of what is held that it waits (base.Waiting; who can't say it is asked at every step).
What such a step still needs, the equity, the benchmarks, the attribution, is read from rows that are those of the whole
chain. Where the market can show rows of many instants at once, the steps after it are looked at together (stretch.py).
Keeps: facts, curve and metrics are the same with it and without; whatever is unclear is left to a full cycle.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from optionwriter.core.books.account import AccountSnapshot
from optionwriter.core.books.book import Book, positions, unresolved, working
from optionwriter.core.books.booking import shares_of
from optionwriter.core.books.reconcile import differences
from optionwriter.core.decide.choosing import choose_best
from optionwriter.core.decide.state import AgentState, build_state
from optionwriter.core.decide.strategies.base import StrategyConfig, Wait, Waiting, Watching
from optionwriter.core.market.chain import OptionChain
from optionwriter.core.market.context import realised_alone
from optionwriter.core.market.instruments import InstrumentError, parse_instrument
from optionwriter.core.report.benchmarks import CallRule
from optionwriter.core.report.glimpse import Glimpses
from optionwriter.ports import BrokerUnavailableError, MarketUnavailableError, Parts
from optionwriter.services.catch_up import USDC_INDEX
from optionwriter.services.cycle import CycleReport, Desk, products_read
from optionwriter.services.proposed import Seat
from optionwriter.services.stretch import Asked, Money, Stretch


@dataclass(frozen=True, slots=True)
class _Quiet:
    """How things stood after a full cycle."""

    book: Book
    account: AccountSnapshot
    events: int  # of the venue since the book's last one


class FastForward:
    """Passes over steps of one desk, at `instants`. `parts` shows rows of the desk's own market; `benchmarks` look
    beside the run."""

    def __init__(
        self, desk: Desk, parts: Parts, benchmarks: Sequence[CallRule], instants: Sequence[int]
    ) -> None:
        self._desk, self._parts, self._benchmarks, self._instants = desk, parts, benchmarks, instants
        self._stretch: Stretch | None = None
        self._ahead = 0
        self._seen: list[Glimpses] = []
        self._alone = False  # whether the last glance told all from the rows that are held
        self._needed: frozenset[str] = frozenset()  # products that it needed: likely needed again
        self._quiet: _Quiet | None = None
        self._beside: tuple[frozenset[str] | None, dict[str, tuple[str, ...]]] = (None, {})
        self._strategies = tuple(
            (one.strategy, _with_choice(one)) for one in desk.seats if isinstance(one.strategy, Waiting)
        )
        self._able = not desk.sink.keeps and len(self._strategies) == len(desk.seats)

    def after(self, report: CycleReport) -> None:
        """Takes note of a full cycle."""
        self._quiet = self._stretch = None
        desk, account = self._desk, report.after.account
        book = desk.recorder.book
        still = (
            self._able
            and book.seq > 0
            and report.kill is None
            and not (report.differences or account.open_orders)
            and not any(one.failure for one in report.proposed)
            and not (unresolved(book) or working(book))
            and not differences(book, account, desk.label_prefix)
            and _worth_something(account)
        )
        if not (still and self._wait(report.after, frozenset(products_read(desk))).waits):
            return
        events = desk.broker.events_since(book.last_event_ms)
        if not any(shares_of(event, book, USDC_INDEX) for event in events):  # the next cycle would book it
            self._beside = (None, {})
            self._quiet = _Quiet(book, account, len(events))

    def failed(self) -> None:
        """A full cycle failed: the next step is one too."""
        self._quiet = self._stretch = None

    def passes(self, place: int) -> bool:
        """Whether the ones looked at together reach the step of that place; False: ask `glance`."""
        stretch = self._stretch
        if stretch is None:
            return False
        found = False
        with suppress(MarketUnavailableError, BrokerUnavailableError):  # the step by itself tells of it
            found = self._undisturbed() is not None and stretch.passes(place)
        if not found:
            self._seen += stretch.passed()
            self._stretch, self._ahead = None, stretch.ahead
        return found

    def passed(self) -> list[Glimpses]:
        """What the steps showed that `passes` let pass since the last question."""
        if self._stretch is not None:
            self._seen += self._stretch.passed()
        found, self._seen = self._seen, []
        return found

    def glance(self) -> AgentState | None:
        """The state of a step that may be passed over, of the rows looked at alone; None: take it in full."""
        try:
            quiet = self._undisturbed()
            return self._waiting_state(quiet) if quiet is not None else None
        except (MarketUnavailableError, BrokerUnavailableError):
            return None  # the full cycle tells of it

    def look_ahead(self, state: AgentState, place: int) -> None:
        """Makes ready for the steps from `place` on, after one that was passed over with that state."""
        quiet = self._quiet
        if quiet is None or not self._parts.looks_ahead:
            return
        watched = [
            one.watches(state, config) if isinstance(one, Watching) else None
            for one, config in self._strategies
        ]
        held = tuple(one.option.name for one in state.held)
        rows, _ = self._wanted(quiet, state.at_ms)  # anew: a benchmark may just have sold
        names = {code: rows.get(code, ()) for code in products_read(self._desk)}
        shown = {name for some in names.values() for name in some}
        until_ms = min(
            (
                *(one.steady_until(state.at_ms) for one in self._benchmarks),
                *(parse_instrument(name).expiry_ms for name in shown),
            ),
            default=self._instants[-1] + 1,
        )
        known = tuple(one for one in watched if one is not None)
        if len(known) == len(watched) and shown.issuperset(held) and not state.foreign:
            asked = Asked(names, held, known, _money(state))
            self._stretch = Stretch(self._parts, asked, self._instants, place, until_ms, self._ahead)

    def _undisturbed(self) -> _Quiet | None:
        """How things stood, and still stand. Errors: BrokerUnavailableError."""
        quiet, desk = self._quiet, self._desk
        if quiet is None or desk.recorder.book is not quiet.book or desk.kill.read() is not None:
            return None
        events = desk.broker.events_since(quiet.book.last_event_ms)
        return quiet if len(events) == quiet.events else None

    def _waiting_state(self, quiet: _Quiet) -> AgentState | None:
        """The state where all wait, with as much of the chains as it takes to tell. Errors: MarketUnavailableError."""
        desk = self._desk
        now = desk.clock.now_ms()
        rows, whole = self._wanted(quiet, now)
        least, whole = whole, whole | self._needed
        chains = {
            code: desk.market.chain(code) if code in whole else self._parts.part(code, rows.get(code, ()))
            for code in products_read(desk)
        }
        if not all(_marked(chains, one.instrument) for one in quiet.account.positions):
            return None  # no account can be told of without its marks
        underlyings = sorted({chain.product.underlying for chain in chains.values()})
        contexts = {name: realised_alone(desk.market.history(name), now) for name in underlyings}
        # What could have changed in the account is an event. Its positions' marks are not: a state's are the chain's.
        account = replace(quiet.account, at_ms=now)
        while True:
            state = build_state(now, account, quiet.book, chains, contexts)
            self._alone = self._wait(state, least).waits
            found = Wait(True) if self._alone else self._wait(state, whole)
            if found.waits:
                self._needed = frozenset() if self._alone else whole - least
                return state
            if found.needs <= whole:
                return None
            chains |= {code: desk.market.chain(code) for code in found.needs - whole}
            whole |= found.needs

    def _wait(self, state: AgentState, whole: frozenset[str]) -> Wait:
        """What all strategies say together."""
        needs: frozenset[str] = frozenset()
        for strategy, config in self._strategies:
            try:
                found = strategy.waits(state, config, whole)
            except Exception:  # a full cycle tells of it
                return Wait(False)
            if not (found.waits or found.needs):
                return found
            needs |= found.needs
        return Wait(not needs, needs)

    def _wanted(self, quiet: _Quiet, at_ms: int) -> tuple[dict[str, tuple[str, ...]], frozenset[str]]:
        """(names by product, products of which everything is read)."""
        wanted = [one.wanted(at_ms) for one in self._benchmarks]
        beside = frozenset(option.name for one in wanted for option in one.options)
        if beside != self._beside[0]:
            held = {*positions(quiet.book), *(one.instrument for one in quiet.account.positions)}
            self._beside = (beside, _by_product(held | beside))
        return self._beside[1], frozenset(code for one in wanted for code in one.chains)


def _with_choice(seat: Seat) -> StrategyConfig:
    """The seat's configuration with the score from which on its chooser takes an item; any, where that isn't known."""
    least = seat.choice.min_score if seat.choose is choose_best else -math.inf
    return replace(seat.config, min_score=least)


def _money(state: AgentState) -> tuple[Money, ...]:
    return tuple(
        Money(
            one.currency,
            float(one.balance),
            tuple(
                (float(held.amount), held.option.name)
                for held in state.held
                if held.option.product.settlement_currency == one.currency
            ),
        )
        for one in state.account.currencies
    )


def _marked(chains: Mapping[str, OptionChain], name: str) -> bool:
    """Whether one of the chains has a mark and a forward for the option: without them no account can be told."""
    for chain in chains.values():
        row = chain.table.row_of.get(name)
        if row is not None:
            return bool(chain.mark[row] == chain.mark[row] and chain.forward[row] == chain.forward[row])
    return False


def _worth_something(account: AccountSnapshot) -> bool:
    """Whether every currency in which an option is held has cash: the curve then knows it already."""
    settled = {_settles_in(one.instrument) for one in account.positions}
    return settled <= {one.currency for one in account.currencies if one.balance}


def _settles_in(name: str) -> str:
    try:
        return parse_instrument(name).product.settlement_currency
    except InstrumentError:
        return ""


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
