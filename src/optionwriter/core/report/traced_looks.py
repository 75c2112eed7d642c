"""Traced looks: a compiled run seen step by step, for those who look at every step: attribution and benchmarks.

Owns the states that they are shown: the grid's quotes of the step, the books as the events up to it left them. Nothing
here decides anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np

from optionwriter.core.books.account import AccountSnapshot, CurrencyAccount
from optionwriter.core.books.book import Book
from optionwriter.core.books.facts import Fact
from optionwriter.core.books.ledger import apply
from optionwriter.core.books.pnl import Prices
from optionwriter.core.decide.crossing import exact
from optionwriter.core.decide.grid.columns import QuoteGrid
from optionwriter.core.decide.grid.running import Trace
from optionwriter.core.decide.state import AgentState, UnderlyingState
from optionwriter.core.market.chain import InstrumentTable, OptionChain
from optionwriter.core.market.context import MarketContext
from optionwriter.core.report.attribution import AttributionMaker
from optionwriter.core.report.benchmarks import CallRule
from optionwriter.core.report.results import Outcome
from optionwriter.core.report.traced import USDC_INDEX, Owner, curve_of, facts_of

_ZERO = Decimal(0)


@dataclass(slots=True)
class Chains:
    """The grid's quotes as chains; tables are kept as long as the listing stays."""

    grid: QuoteGrid
    _tables: dict[tuple[int, bytes], InstrumentTable] = field(default_factory=dict)

    def at(self, side: int, step: int) -> OptionChain:
        """One side's chain at a step: its own option type alone."""
        q = self.grid.quotes(side)
        slices = slice(int(q.first_slice[step]), int(q.first_slice[step + 1]))
        rows = slice(int(q.first_row[slices.start]), int(q.first_row[slices.stop]))
        counts = np.diff(q.first_row[slices.start : slices.stop + 1])
        unknown = np.full(rows.stop - rows.start, np.nan)
        bid, ask = q.bid[rows], q.ask[rows]
        return OptionChain(
            table=self._table(side, q.option[rows]),
            at_ms=int(self.grid.steps.at_ms[step]),
            index_price=float(q.index_usd[step]),
            forward=np.repeat(q.forward[slices], counts),
            mark=q.mark[rows],
            mark_iv=q.iv[rows],
            bid=np.where(bid > 0, bid / q.per_coin, np.nan),
            ask=np.where(ask > 0, ask / q.per_coin, np.nan),
            bid_size=unknown,
            ask_size=unknown,
            open_interest=q.open_interest[rows],
            volume=unknown,
        )

    def _table(self, side: int, options: np.ndarray) -> InstrumentTable:
        key = (side, options.tobytes())
        found = self._tables.get(key)
        if found is None:
            names = self.grid.names(side)
            self._tables.clear()
            found = self._tables[key] = InstrumentTable.of(
                self.grid.product(side), tuple(names[one] for one in options.tolist())
            )
        return found


def states_of(grid: QuoteGrid, trace: Trace, facts: Sequence[Fact]) -> Iterator[tuple[AgentState, Book]]:
    """Of every step that was looked at its state, with the books before its orders, and the books after them."""
    chains = (Chains(grid), Chains(grid))
    codes = [grid.product(side).code for side in (0, 1) if len(grid.names(side))]
    book, done = Book(), 0
    for step in np.flatnonzero(trace.looks.seen).tolist():
        at_ms = int(grid.steps.at_ms[step])
        before = book
        while done < len(facts) and facts[done].at_ms <= at_ms:
            book = apply(book, facts[done])
            done += 1
        if not before.seq:
            before = book  # the first look opens the ledger
        seen = {code: chains[side].at(side, step) for side, code in enumerate(codes)}
        index = exact(float(grid.steps.index_usd[step]))
        underlying = UnderlyingState(grid.underlying, index, seen, MarketContext(grid.underlying, at_ms))
        account = AccountSnapshot(
            at_ms, book.account, book.environment, "segregated_sm", False,
            tuple(_currency(name) for name in book.totals), (), (),
        )  # fmt: skip
        yield AgentState(at_ms, account, before, {grid.underlying: underlying}, (), (), (), USDC_INDEX), book


def _currency(name: str) -> CurrencyAccount:
    return CurrencyAccount(name, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO)


def outcome_of(
    grid: QuoteGrid,
    trace: Trace,
    exit_style: str,
    owner: Owner,
    benchmarks: Sequence[CallRule] = (),
    watch: Callable[[float], None] = lambda _: None,
) -> Outcome:
    """The whole outcome, as the event driver's. `watch` is told how far it is. Errors: TraceError."""
    facts = facts_of(grid, trace, owner)
    attribution = AttributionMaker()
    state, book = None, Book()
    for done, (state, book) in enumerate(states_of(grid, trace, facts)):
        attribution.look(state, book)
        for one in benchmarks:
            one.look(state)
        if done % 100 == 0:
            watch(done / len(grid))
    marks: dict[str, Decimal] = {}
    indices = {"USDC": USDC_INDEX}
    if state is not None:
        indices[grid.underlying] = exact(float(grid.steps.index_usd[np.flatnonzero(trace.looks.seen)[-1]]))
        for chain in state.underlyings[grid.underlying].chains.values():
            for name in _open_names(book):
                if name in chain.table.row_of:
                    marks[name] = exact(float(chain.mark[chain.table.row_of[name]]))
    return Outcome(
        exit_style,
        curve_of(grid, trace),
        book,
        facts,
        Prices(marks, indices),
        tuple(one.found() for one in benchmarks),
        attribution.found(),
    )


def _open_names(book: Book) -> set[str]:
    return {leg.instrument for name in book.open_ids for leg in book.chains[name].open_legs}
