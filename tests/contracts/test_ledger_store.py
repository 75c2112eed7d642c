"""What every ledger store keeps: order, all or nothing, and refusal of what doesn't follow on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from optionwriter.adapters.store.ledger import SqliteLedger
from optionwriter.adapters.store.memory import MemoryLedger
from optionwriter.core.books.facts import Fact
from optionwriter.core.books.ledger import replay
from optionwriter.ports import LedgerError, LedgerStore
from tests.core.books.story import Story


@pytest.fixture(params=["sqlite", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LedgerStore]:
    makers: dict[str, Callable[[], SqliteLedger | MemoryLedger]] = {
        "sqlite": lambda: SqliteLedger(tmp_path / "ledger.db", "acc", "local", "live"),
        "memory": lambda: MemoryLedger("acc"),
    }
    made = makers[request.param]()
    yield made
    made.close()


@pytest.fixture
def facts() -> list[Fact]:
    story = Story()
    story.sold()
    return story.facts


def test_what_was_appended_is_read_in_order_and_replays(store: LedgerStore, facts: list[Fact]) -> None:
    store.append(facts[:2])
    store.append(facts[2:3])
    store.append(facts[3:])
    assert list(store.read()) == facts
    assert replay(store.read()) == replay(facts)


def test_reading_goes_on_after_a_number(store: LedgerStore, facts: list[Fact]) -> None:
    store.append(facts)
    assert list(store.read(2)) == facts[2:]
    assert list(store.read(len(facts))) == []
    assert list(store.read(-1)) == facts
    with pytest.raises(LedgerError, match="fact 99 is missing"):
        list(store.read(99))


def test_a_new_one_is_empty_and_nothing_can_be_appended_to_it_for_free(store: LedgerStore) -> None:
    assert list(store.read()) == []
    store.append([])
    assert list(store.read()) == []


@pytest.mark.parametrize("pick", [(1,), (0, 2), (0, 0), (0, 1, 1)])
def test_gaps_and_repeats_are_refused_whole(
    store: LedgerStore, facts: list[Fact], pick: tuple[int, ...]
) -> None:
    with pytest.raises(LedgerError, match=r"fact \d was appended where \d must follow"):
        store.append([facts[one] for one in pick])
    assert list(store.read()) == []


def test_a_repeat_of_what_is_there_is_refused(store: LedgerStore, facts: list[Fact]) -> None:
    store.append(facts[:2])
    with pytest.raises(LedgerError, match="fact 2 was appended where 3 must follow"):
        store.append(facts[1:3])
    assert list(store.read()) == facts[:2]
    store.append(facts[2:])  # and it still works
    assert list(store.read()) == facts


def test_another_accounts_fact_is_refused(store: LedgerStore, facts: list[Fact]) -> None:
    with pytest.raises(LedgerError, match="'else', this ledger to 'acc'"):
        store.append([facts[0], replace(facts[1], account="else")])
    assert list(store.read()) == []


def test_a_reader_keeps_what_it_began_with(store: LedgerStore, facts: list[Fact]) -> None:
    store.append(facts[:2])
    reader = store.read()
    store.append(facts[2:])
    assert list(reader) == facts[:2]
