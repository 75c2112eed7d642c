"""The SQLite ledger under what really happens to files: damage, two agents, full disks, kill -9."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from optionwriter.adapters.store import ledger as module
from optionwriter.adapters.store.ledger import SqliteLedger, verify_ledger
from optionwriter.core.books.facts import Deposited, Fact
from optionwriter.core.books.ledger import replay
from optionwriter.ports import LedgerError
from tests.core.books.story import Story


def opened(path: Path, account: str = "acc", environment: str = "local", mode: str = "live") -> SqliteLedger:
    return SqliteLedger(path, account, environment, mode)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "ledger.db"


@pytest.fixture
def facts() -> list[Fact]:
    story = Story()
    story.sold()
    return story.facts


@pytest.fixture
def written(path: Path, facts: list[Fact]) -> Path:
    """A ledger with every fact in it, closed."""
    with closing(opened(path)) as store:
        store.append(facts)
    return path


@pytest.fixture
def store(path: Path) -> Iterator[SqliteLedger]:
    with closing(opened(path)) as made:
        yield made


def change(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(sql)


def test_it_is_there_after_closing(written: Path, facts: list[Fact]) -> None:
    with closing(opened(written)) as store:
        assert list(store.read()) == facts


def test_verify_says_what_it_holds_while_a_writer_is_open(
    store: SqliteLedger, path: Path, facts: list[Fact]
) -> None:
    store.append(facts)
    summary = verify_ledger(path)
    assert (summary.facts, summary.account, summary.environment, summary.mode) == (
        len(facts),
        "acc",
        "local",
        "live",
    )
    assert (summary.first_ms, summary.last_ms) == (facts[0].at_ms, facts[-1].at_ms)
    assert dict(summary.kinds) == {
        "LedgerOpened": 1, "Deposited": 1, "IntentPrepared": 1, "OrderAcknowledged": 1, "Filled": 1
    }  # fmt: skip
    assert store.verify() == summary


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        (
            "UPDATE fact SET line = replace(line, '0.0003', '0.0002') WHERE seq = 5",
            "fact 5 does not match its hash",
        ),
        ("UPDATE fact SET line = substr(line, 1, 40) WHERE seq = 3", "fact 3 does not match its hash"),
        ("UPDATE fact SET hash = 'x' WHERE seq = 2", "fact 2 does not match its hash"),
        ("DELETE FROM fact WHERE seq = 3", "fact 3 is missing"),
        ("DELETE FROM fact WHERE seq = 1", "fact 1 is missing"),
        ("DELETE FROM fact WHERE seq = 5", "fact 5 is missing, 5 were written"),
        ("DELETE FROM fact", "fact 1 is missing, 5 were written"),
        ("UPDATE ledger SET head_hash = 'x'", "fact 5 is not the last one that was written"),
        ("UPDATE ledger SET head_seq = 4", "fact 5 is not the last one that was written"),
        ("DELETE FROM ledger", "lost its head"),
        ("DROP TABLE fact", "no such table: fact"),
    ],
)
def test_damage_is_found_and_named(written: Path, sql: str, why: str) -> None:
    change(written, sql)
    with pytest.raises(LedgerError, match=why):
        verify_ledger(written)


def test_swapped_rows_are_found(written: Path) -> None:
    for old, new in ((3, 99), (4, 3), (99, 4)):
        change(written, f"UPDATE fact SET seq = {new} WHERE seq = {old}")
    with pytest.raises(LedgerError, match="fact 3 does not match its hash"):
        verify_ledger(written)


def test_a_newer_fact_is_refused_with_its_cure(written: Path) -> None:
    with closing(sqlite3.connect(written, isolation_level=None)) as db:
        line = (
            db.execute("SELECT line FROM fact WHERE seq = 5")
            .fetchone()[0]
            .replace('"version":1', '"version":7')
        )
        before = db.execute("SELECT hash FROM fact WHERE seq = 4").fetchone()[0]
        linked = module._link(before, line)
        db.execute("UPDATE fact SET line = ?, hash = ? WHERE seq = 5", (line, linked))
        db.execute("UPDATE ledger SET head_hash = ?", (linked,))
    with pytest.raises(LedgerError, match=r"fact 5 is a Filled of version 7, .*upgrade optionwriter"):
        verify_ledger(written)


@pytest.mark.parametrize("size", [0, 5, 16, 100, 4096, 9000])
def test_a_torn_file_is_refused_and_left_alone(written: Path, size: int) -> None:
    os.truncate(written, size)
    before = written.read_bytes()
    with pytest.raises(LedgerError, match=r"ledger\.db.* put a backup in its place"):
        opened(written)
    assert written.read_bytes() == before


@pytest.mark.parametrize(("content", "what"), [(b"", "empty"), (b"a note to self\n" * 9, "no SQLite file")])
def test_a_file_that_is_no_ledger_is_refused_and_left_alone(path: Path, content: bytes, what: str) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(
        LedgerError, match=f"is {what}, so it is no ledger; nothing was changed: put a backup"
    ):
        opened(path)
    assert path.read_bytes() == content


def test_another_programs_database_is_refused(path: Path) -> None:
    path.parent.mkdir()
    change(path, "CREATE TABLE notes (text)")
    before = path.read_bytes()
    with pytest.raises(LedgerError, match="database of another program"):
        opened(path)
    assert path.read_bytes() == before


def test_a_newer_schema_is_refused_with_its_cure(written: Path) -> None:
    change(written, "PRAGMA user_version = 9")
    with pytest.raises(LedgerError, match="has schema 9, this optionwriter knows 1: upgrade optionwriter"):
        opened(written)


@pytest.mark.parametrize(
    "who", [("else", "local", "live"), ("acc", "testnet", "live"), ("acc", "local", "paper")]
)
def test_it_opens_for_its_owner_only(written: Path, who: tuple[str, str, str]) -> None:
    with pytest.raises(LedgerError, match=r"belongs to account 'acc' on local \(live\), not to"):
        opened(written, *who)
    opened(written).close()  # and the refused one left no lock


def test_a_missing_ledger_is_not_made_by_verifying(path: Path) -> None:
    with pytest.raises(LedgerError, match="there is no ledger at"):
        verify_ledger(path)
    assert not path.exists()


def test_a_ledger_moved_away_without_its_log_is_not_begun_anew(written: Path) -> None:
    written.rename(written.with_name("moved.db"))
    written.with_name("ledger.db-wal").write_bytes(b"last writes")
    with pytest.raises(LedgerError, match=r"its last writes are still in ledger\.db-wal"):
        opened(written)


def test_an_interrupted_creation_is_begun_again(path: Path, facts: list[Fact]) -> None:
    path.parent.mkdir()
    path.with_name("ledger.db.new").write_bytes(b"half of a led")
    with closing(opened(path)) as store:
        store.append(facts)
        assert list(store.read()) == facts


class TestOneWriter:
    """Two agents on one ledger."""

    def test_a_second_one_is_refused_by_the_firsts_pid(self, store: SqliteLedger, path: Path) -> None:
        with pytest.raises(
            LedgerError, match=rf"locked by another agent \(pid {os.getpid()}\): stop that one"
        ):
            opened(path)

    def test_another_name_of_the_same_file_is_the_same_ledger(self, store: SqliteLedger, path: Path) -> None:
        link = path.with_name("alias.db")
        link.symlink_to(path)
        with pytest.raises(LedgerError, match="locked by another agent"):
            opened(link)

    def test_closing_lets_the_next_one_in(self, path: Path) -> None:
        opened(path).close()
        opened(path).close()

    def test_a_stale_writer_writes_nothing_more(
        self, store: SqliteLedger, path: Path, facts: list[Fact]
    ) -> None:
        store.append(facts[:2])
        path.with_name("ledger.db.lock").unlink()  # what a folder sync, or a hand, can do
        with closing(opened(path)) as newer:
            with pytest.raises(LedgerError, match="taken over by another agent: this one must stop"):
                store.append(facts[2:3])
            newer.append(facts[2:])
            assert list(newer.read()) == facts

    def test_a_program_that_holds_the_file_is_named_as_the_cause(
        self, path: Path, facts: list[Fact], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "_BUSY_SECONDS", 0.05)
        with closing(opened(path)) as store, closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(LedgerError, match="locked; nothing was written: stop the other program"):
                store.append(facts)
            other.execute("ROLLBACK")
            store.append(facts)


class TestNothingPartial:
    """Appends that fail."""

    def test_a_full_disk(self, store: SqliteLedger, facts: list[Fact]) -> None:
        store.append(facts[:2])
        pages = store._db.execute("PRAGMA page_count").fetchone()[0]
        store._db.execute(f"PRAGMA max_page_count = {pages}")
        big = [replace(facts[1], seq=seq, body=_deposit(seq)) for seq in range(3, 500)]
        with pytest.raises(LedgerError, match="full; nothing was written: free disk space"):
            store.append(big)
        assert list(store.read()) == facts[:2]
        store._db.execute("PRAGMA max_page_count = 100000")
        store.append(facts[2:])
        assert store.verify().facts == len(facts)

    def test_a_row_in_the_way_undoes_the_rows_before_it(self, written: Path, facts: list[Fact]) -> None:
        change(written, "INSERT INTO fact VALUES (7, 'by', 'hand')")
        more = [replace(facts[1], seq=seq, body=_deposit(seq)) for seq in (6, 7)]
        with (
            closing(opened(written)) as store,
            pytest.raises(LedgerError, match=r"fact\.seq; nothing was written"),
        ):
            store.append(more)
        change(written, "DELETE FROM fact WHERE seq = 7")
        assert verify_ledger(written).facts == len(facts)

    def test_a_file_that_became_read_only(self, store: SqliteLedger, facts: list[Fact]) -> None:
        store._db.execute("PRAGMA query_only = ON")
        with pytest.raises(LedgerError, match="readonly database; nothing was written: make the file"):
            store.append(facts)
        store._db.execute("PRAGMA query_only = OFF")
        assert list(store.read()) == []

    def test_a_fact_that_cannot_be_written_takes_its_whole_batch_along(
        self, store: SqliteLedger, facts: list[Fact]
    ) -> None:
        bad = replace(facts[1], body=Deposited("m", "BTC", Decimal("NaN"), "opening", Decimal(1)))
        with pytest.raises(LedgerError, match="NaN is not finite; nothing was written"):
            store.append([facts[0], bad])
        assert list(store.read()) == []

    def test_a_folder_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(LedgerError, match="cannot be written"):
            opened(tmp_path / "file" / "ledger.db")


def _deposit(seq: int) -> Deposited:
    return Deposited(f"m{seq}", "BTC", Decimal(seq), "deposit", Decimal(90_000))


_APPENDER = """
import sys
from dataclasses import replace
from pathlib import Path
from optionwriter.adapters.store.ledger import SqliteLedger
from optionwriter.core.books.facts import Fact, LedgerOpened
from tests.adapters.store.test_ledger import _deposit

store = SqliteLedger(Path(sys.argv[1]), "acc", "local", "live")
seq = sum(1 for _ in store.read())
print("open", flush=True)
while True:
    batch = [
        Fact(n, n, n, "acc", "", "", "", LedgerOpened("local", "live") if n == 1 else _deposit(n))
        for n in range(seq + 1, seq + 4)
    ]
    store.append(batch)
    seq += 3
    print(seq, flush=True)
"""


def _killed_after(path: Path, batches: int, seconds: float) -> int:
    """Appends threes in another process until it is killed, so long after so many; the last number that it was told
    is durable."""
    root = Path(__file__).parents[3]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root / "src"), str(root)])}
    command = [sys.executable, "-c", _APPENDER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"
        told = [child.stdout.readline() for _ in range(batches)]
        time.sleep(seconds)
        child.send_signal(signal.SIGKILL)
        told += child.stdout.readlines()
    complete = [line for line in told if line.endswith("\n")]
    return int(complete[-1]) if complete else 0


def test_kill_9_loses_nothing_that_was_acknowledged_and_tears_nothing(path: Path) -> None:
    acknowledged = 0
    for turn in range(6):
        acknowledged = max(acknowledged, _killed_after(path, turn, 0.005 * turn))
        with closing(opened(path)) as store:  # the dead one's lock is gone
            facts = list(store.read())
        # at most the one batch whose word of it was lost on the way
        assert acknowledged <= len(facts) <= acknowledged + 3
        assert len(facts) % 3 == 0
        assert replay(facts).cash.get("BTC", 0) == sum(range(2, len(facts) + 1))
        acknowledged = len(facts)
    assert acknowledged > 30


def test_a_backup_taken_by_copying_a_closed_ledger_opens(
    written: Path, facts: list[Fact], tmp_path: Path
) -> None:
    copy = tmp_path / "copy.db"
    shutil.copy(written, copy)
    with closing(opened(copy)) as store:
        assert list(store.read()) == facts


def test_closing_twice_is_harmless_and_using_it_after_is_not(path: Path, facts: list[Fact]) -> None:
    store = opened(path)
    store.close()
    store.close()
    with pytest.raises(LedgerError, match="closed"):
        store.append(facts)
    with pytest.raises(LedgerError, match="closed"):
        store.verify()
