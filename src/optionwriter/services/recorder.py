"""Recorder: the one writer of facts, and the book that they add up to.

Keeps the order "commit first, then act": what is not durably in the ledger has not happened for us.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from optionwriter.core.books.facts import Body, Fact
from optionwriter.core.books.ledger import Book, apply, replay
from optionwriter.core.report.detail import FillView, fill_of
from optionwriter.ports import Clock, LedgerStore


@dataclass(frozen=True, slots=True)
class Entry:
    """A fact's body with the ids that place it; `at_ms` None means now."""

    body: Body
    strategy_id: str = ""
    decision_id: str = ""
    chain_id: str = ""
    at_ms: int | None = None


class Recorder:
    """Appends facts in one transaction and folds them into the book, and trades into their chains."""

    def __init__(self, store: LedgerStore, clock: Clock, account: str) -> None:
        self._store = store
        self._clock = clock
        self._account = account
        self._fills: dict[str, list[FillView]] = {}
        self._book = replay(self._noted(store.read()))

    @property
    def book(self) -> Book:
        """The state after the last recorded fact."""
        return self._book

    def fills_of(self, chain_id: str) -> tuple[FillView, ...]:
        """The trades of a chain, in the order of their facts."""
        return tuple(self._fills.get(chain_id, ()))

    def facts(self) -> Iterator[Fact]:
        """Everything recorded so far, in order. Errors: LedgerError."""
        return self._store.read()

    def record(self, entries: Sequence[Entry]) -> None:
        """All of them or none. Errors: LedgerError when they can't be committed; the book is then unchanged."""
        if not entries:
            return
        now = self._clock.now_ms()
        facts: list[Fact] = []
        book = self._book
        for entry in entries:
            fact = Fact(
                seq=book.seq + 1,
                at_ms=now if entry.at_ms is None else entry.at_ms,
                recorded_ms=now,
                account=self._account,
                strategy_id=entry.strategy_id,
                decision_id=entry.decision_id,
                chain_id=entry.chain_id,
                body=entry.body,
            )
            book = apply(book, fact)
            facts.append(fact)
        self._store.append(facts)
        self._book = book
        for _ in self._noted(facts):
            pass

    def _noted(self, facts: Iterable[Fact]) -> Iterator[Fact]:
        """The facts, with their trades noted as they pass."""
        for fact in facts:
            fill = fill_of(fact)
            if fill is not None:
                self._fills.setdefault(fact.chain_id, []).append(fill)
            yield fact
