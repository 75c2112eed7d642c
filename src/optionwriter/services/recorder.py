"""Recorder: the one writer of facts, and the book that they add up to.

Keeps the order "commit first, then act": what is not durably in the ledger has not happened for us.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from optionwriter.core.books.facts import Body, Fact
from optionwriter.core.books.ledger import Book, apply, replay
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
    """Appends facts in one transaction and folds them into the book."""

    def __init__(self, store: LedgerStore, clock: Clock, account: str) -> None:
        self._store = store
        self._clock = clock
        self._account = account
        self._book = replay(store.read())

    @property
    def book(self) -> Book:
        """The state after the last recorded fact."""
        return self._book

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
