"""SqliteLedger: the append-only ledger in one local SQLite file, with one writer.

Owns durability and the proof of it. An append is one transaction that is on the disk when the call returns (WAL,
synchronous=FULL). Every row holds the hash of the row before it and of its own line, and the head (last number and
hash) is kept beside them in the same transaction: a torn, altered, inserted or missing row is found when it is read,
and named. One writer: a lock file held by the operating system, and behind it an epoch that every new writer raises,
so that a writer that was thought dead can write nothing more. The ledger says whose it is and opens for nobody else.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from optionwriter.adapters.store.memory import check_sequence
from optionwriter.core.books.codec import from_json, to_json
from optionwriter.core.books.facts import Fact, FactError
from optionwriter.ports import LedgerError

SCHEMA_VERSION = 1
_APPLICATION_ID = 0x4F574C47  # "OWLG"
_MAGIC = b"SQLite format 3\x00"
_BUSY_SECONDS = 5.0
_SCHEMA = """
CREATE TABLE ledger (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    account TEXT NOT NULL, environment TEXT NOT NULL, mode TEXT NOT NULL,
    epoch INTEGER NOT NULL, head_seq INTEGER NOT NULL, head_hash TEXT NOT NULL
);
CREATE TABLE fact (seq INTEGER PRIMARY KEY, line TEXT NOT NULL, hash TEXT NOT NULL);
"""


_Row = tuple[int, str, str]  # seq, line, hash


@dataclass(frozen=True, slots=True)
class LedgerSummary:
    """What a whole ledger that was read and proven holds."""

    path: str
    account: str
    environment: str
    mode: str
    facts: int
    head_hash: str
    first_ms: int | None
    last_ms: int | None
    kinds: tuple[tuple[str, int], ...]  # how many of each kind, by name


@dataclass(frozen=True, slots=True)
class _Head:
    account: str
    environment: str
    mode: str
    epoch: int
    seq: int
    hash: str


class SqliteLedger:
    """ports.LedgerStore on a file. The writer; made when it isn't there. Raises LedgerError."""

    def __init__(self, path: Path, account: str, environment: str, mode: str) -> None:
        self._path = path = path.resolve()  # one lock for all the names of a file
        self._account = account
        self._lock = _Lock(path)
        try:
            if not path.exists():
                _create(path, account, environment, mode)
            self._db = _connect(path)
            try:
                self._epoch = self._take_over(account, environment, mode)
            except BaseException:
                self._db.close()
                raise
        except BaseException:
            self._lock.release()
            raise

    def _take_over(self, account: str, environment: str, mode: str) -> int:
        with _explained(self._path), _transaction(self._db):
            head = _head(self._db, self._path)
            theirs = (head.account, head.environment, head.mode)
            if theirs != (account, environment, mode):
                raise LedgerError(
                    f"{self._path} belongs to account {head.account!r} on {head.environment} ({head.mode}), "
                    f"not to {account!r} on {environment} ({mode}): name another data folder"
                )
            self._db.execute("UPDATE ledger SET epoch = epoch + 1")
            return head.epoch + 1

    def append(self, facts: Sequence[Fact]) -> None:
        """All of them or none, on the disk when this returns. Raises LedgerError; then nothing was written."""
        if not facts:
            return
        with _explained(self._path), _transaction(self._db):
            head = _head(self._db, self._path)
            if head.epoch != self._epoch:
                raise LedgerError(
                    f"{self._path} was taken over by another agent: this one must stop; nothing was written"
                )
            check_sequence(facts, head.seq, self._account)
            rows, digest = [], head.hash
            for fact in facts:
                line = to_json(fact)
                digest = _link(digest, line)
                rows.append((fact.seq, line, digest))
            self._db.executemany("INSERT INTO fact (seq, line, hash) VALUES (?, ?, ?)", rows)
            self._db.execute("UPDATE ledger SET head_seq = ?, head_hash = ?", (facts[-1].seq, digest))

    def read(self, after_seq: int = 0) -> Iterator[Fact]:
        """Facts after `after_seq`, in order, each proven against the one before. Raises LedgerError naming the fact."""
        after_seq = max(after_seq, 0)
        return _proven(self._path, *_view(self._db, self._path, after_seq), after_seq)

    def verify(self) -> LedgerSummary:
        """Reads and proves everything. Raises LedgerError naming the first fact that is wrong."""
        return _summary(self._db, self._path)

    def close(self) -> None:
        """Lets the file and the lock go."""
        self._db.close()
        self._lock.release()


def verify_ledger(path: Path) -> LedgerSummary:
    """Reads and proves a ledger without becoming its writer; an agent may be running. Raises LedgerError."""
    if not path.exists():
        raise LedgerError(f"there is no ledger at {path}")
    with closing(_connect(path, read_only=True)) as db:
        return _summary(db, path)


def read_ledger(path: Path) -> tuple[Fact, ...]:
    """Every fact, proven, without becoming the ledger's writer; an agent may be running. Raises LedgerError."""
    if not path.exists():
        raise LedgerError(f"there is no ledger at {path}")
    with closing(_connect(path, read_only=True)) as db:
        head, rows = _view(db, path, 0)
        return tuple(_proven(path, head, rows, 0))


class _Lock:
    """A file that the operating system holds for one process, and gives back when that process dies."""

    def __init__(self, ledger: Path) -> None:
        path = ledger.with_name(ledger.name + ".lock")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise LedgerError(
                f"{path} cannot be written ({error.strerror}): name another data folder"
            ) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._file, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._file)
            raise LedgerError(
                f"{ledger} is locked by another agent (pid {holder}): stop that one first, or name another data folder"
            ) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Gives the lock back; harmless when repeated. The file stays: removing it would let two in."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _create(path: Path, account: str, environment: str, mode: str) -> None:
    """Makes an empty ledger beside `path` and moves it there whole, so that no half-made one is ever found."""
    log = path.with_name(path.name + "-wal")
    if log.exists():
        raise LedgerError(
            f"{path} is gone but its last writes are still in {log.name}: put it back beside that file, "
            "or move both away to begin a new ledger"
        )
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)  # left by a creation that was interrupted; the lock is ours
    with _explained(path), closing(sqlite3.connect(fresh, isolation_level=None)) as db:
        db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        db.executescript(_SCHEMA)
        row = (1, account, environment, mode, 0, 0, _genesis(account, environment, mode))
        db.execute("INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _connect(path: Path, read_only: bool = False) -> sqlite3.Connection:
    _check_is_ledger_file(path)
    with _explained(path):
        target = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}"
        db = sqlite3.connect(target, uri=True, isolation_level=None, timeout=_BUSY_SECONDS)
        try:
            _check_schema(db, path)
            _check_pages(db, path)
            if not read_only:
                db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
        except BaseException:
            db.close()
            raise
    return db


def _check_is_ledger_file(path: Path) -> None:
    try:
        with path.open("rb") as file:
            begins = file.read(len(_MAGIC))
    except OSError as error:
        raise LedgerError(f"{path} cannot be read ({error.strerror}): name another data folder") from None
    if begins != _MAGIC:
        what = "empty" if not begins else "no SQLite file"
        raise LedgerError(
            f"{path} is {what}, so it is no ledger; nothing was changed: put a backup in its place, "
            "or move it away to begin a new ledger"
        )


def _check_schema(db: sqlite3.Connection, path: Path) -> None:
    application = db.execute("PRAGMA application_id").fetchone()[0]
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if application != _APPLICATION_ID:
        raise LedgerError(
            f"{path} is a database of another program; nothing was changed: name another data folder"
        )
    if version > SCHEMA_VERSION:
        raise LedgerError(
            f"{path} has schema {version}, this optionwriter knows {SCHEMA_VERSION}: upgrade optionwriter to open it"
        )


def _check_pages(db: sqlite3.Connection, path: Path) -> None:
    """Before anything is written: the file's pages are whole. Its rows are proven when they are read."""
    found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise LedgerError(
            f"{path} is damaged ({' '.join(found.split())}); nothing was changed: put a backup in its place"
        )


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    """BEGIN IMMEDIATE … COMMIT; anything raised inside, or by the commit, undoes it all."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turns the database's errors, and facts that can't be written, into LedgerError."""
    try:
        yield
    except FactError as error:
        raise LedgerError(f"{path}: {error}; nothing was written") from None
    except (sqlite3.Error, OSError) as error:
        raise LedgerError(f"{path}: {error}{_cure(str(error))}") from error


def _cure(message: str) -> str:
    cures = {
        "full": "; nothing was written: free disk space",
        "readonly": "; nothing was written: make the file and its folder writable",
        "locked": "; nothing was written: stop the other program that has it open",
        "disk I/O": "; nothing was written: check the disk",
        "UNIQUE": "; nothing was written: the file was changed by hand, put a backup in its place",
        "malformed": ": put a backup in its place",
        "not a database": ": put a backup in its place",
    }
    return next((cure for word, cure in cures.items() if word in message), "")


def _genesis(account: str, environment: str, mode: str) -> str:
    return hashlib.sha256("\n".join(("optionwriter ledger", account, environment, mode)).encode()).hexdigest()


def _link(before: str, line: str) -> str:
    return hashlib.sha256(f"{before}\n{line}".encode()).hexdigest()


def _head(db: sqlite3.Connection, path: Path) -> _Head:
    row = db.execute(
        "SELECT account, environment, mode, epoch, head_seq, head_hash FROM ledger WHERE only = 1"
    ).fetchone()
    if row is None:
        raise LedgerError(f"{path} has lost its head: put a backup in its place")
    return _Head(*row)


def _damaged(path: Path, seq: int, what: str) -> LedgerError:
    return LedgerError(
        f"{path}: fact {seq} {what}: the file was damaged or changed by hand; put a backup in its place, "
        "then let the agent reconcile with the exchange"
    )


def _view(db: sqlite3.Connection, path: Path, after_seq: int) -> tuple[_Head, list[_Row]]:
    """Head and rows from `after_seq` on as of one instant, even while another process writes."""
    with _explained(path):
        db.execute("BEGIN")
        try:
            head = _head(db, path)
            query = "SELECT seq, line, hash FROM fact WHERE seq >= ? ORDER BY seq"
            return head, db.execute(query, (after_seq,)).fetchall()
        finally:
            db.execute("COMMIT")


def _proven(path: Path, head: _Head, rows: list[_Row], after_seq: int) -> Iterator[Fact]:
    """The facts of `rows`, each proven against the one before; the one at `after_seq` is taken as it stands."""
    seq, digest = after_seq, _genesis(head.account, head.environment, head.mode)
    if after_seq:
        if not rows or rows[0][0] != after_seq:
            raise _damaged(path, after_seq, "is missing")
        digest = rows[0][2]
        rows = rows[1:]
    for number, line, stored in rows:
        seq += 1
        if number != seq:
            raise _damaged(path, seq, "is missing")
        digest = _link(digest, line)
        if digest != stored:
            raise _damaged(path, seq, "does not match its hash")
        yield _fact(path, seq, line, head.account)
    if seq < head.seq:
        raise _damaged(path, seq + 1, f"is missing, {head.seq} were written")
    if (seq, digest) != (head.seq, head.hash):
        raise _damaged(path, seq, "is not the last one that was written")


def _fact(path: Path, seq: int, line: str, account: str) -> Fact:
    try:
        fact = from_json(line)
    except FactError as error:
        raise LedgerError(f"{path}: {error}") from None
    if fact.seq != seq or fact.account != account:
        raise _damaged(path, seq, f"says that it is fact {fact.seq} of account {fact.account!r}")
    return fact


def _summary(db: sqlite3.Connection, path: Path) -> LedgerSummary:
    kinds: dict[str, int] = {}
    first_ms = last_ms = None
    head, rows = _view(db, path, 0)
    for fact in _proven(path, head, rows, 0):
        kinds[fact.kind] = kinds.get(fact.kind, 0) + 1
        first_ms = fact.at_ms if first_ms is None else min(first_ms, fact.at_ms)
        last_ms = fact.at_ms if last_ms is None else max(last_ms, fact.at_ms)
    return LedgerSummary(
        path=str(path),
        account=head.account,
        environment=head.environment,
        mode=head.mode,
        facts=sum(kinds.values()),
        head_hash=head.hash,
        first_ms=first_ms,
        last_ms=last_ms,
        kinds=tuple(sorted(kinds.items())),
    )
