"""MemoryLedger: a ledger that lasts as long as its process, for simulations, dry runs and tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from optionwriter.core.books.facts import Fact
from optionwriter.ports import LedgerError


def check_sequence(facts: Sequence[Fact], last_seq: int, account: str) -> None:
    """Errors: LedgerError when `facts` don't follow on `last_seq` without a gap, or belong to another account."""
    for place, fact in enumerate(facts):
        expected = last_seq + 1 + place
        if fact.seq != expected:
            raise LedgerError(
                f"fact {fact.seq} was appended where {expected} must follow: nothing was written; "
                "read the ledger again and take the decision afresh"
            )
        if fact.account != account:
            raise LedgerError(
                f"fact {fact.seq} belongs to account {fact.account!r}, this ledger to {account!r}: nothing was written"
            )


class MemoryLedger:
    """ports.LedgerStore in a list. Facts are values, so they are kept as they are."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._facts: list[Fact] = []

    def append(self, facts: Sequence[Fact]) -> None:
        """All of them or none. Raises LedgerError for a gap or another account's fact."""
        check_sequence(facts, len(self._facts), self._account)
        self._facts.extend(facts)

    def read(self, after_seq: int = 0) -> Iterator[Fact]:
        """Facts after `after_seq`, in order, as they stood at the call. Raises LedgerError when it isn't there."""
        if after_seq > len(self._facts):
            raise LedgerError(f"fact {after_seq} is missing: the ledger ends at {len(self._facts)}")
        return iter(self._facts[max(after_seq, 0) :])

    def close(self) -> None:
        """Nothing to let go."""
