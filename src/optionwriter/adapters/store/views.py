"""ViewStore: what the agent shows and what people ask of it, in a SQLite file of its own beside the ledger.

Owns the file. Keeps: one publication is one transaction, so that readers see a whole one; readers open, read and
close, so that they hold up nobody and a file that was replaced under them is noticed; nothing in it is a truth (the
next publication remakes it), so the writer never raises, and a file that it can't use it sets aside.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import structlog

from optionwriter.ports import Command, FeedEntry, Snapshot, ViewsError

SCHEMA_VERSION = 1
KEPT = 200  # entries of a feed
SET_ASIDE = ".unusable"
_WRITER_WAITS_S = 0.25  # a cycle waits no longer than this for its page
_READER_WAITS_S = 2.0
_SCHEMA = f"""
CREATE TABLE publication (
    only INTEGER PRIMARY KEY CHECK (only = 1), version INTEGER NOT NULL, published_ms INTEGER NOT NULL
);
INSERT INTO publication VALUES (1, 0, 0);
CREATE TABLE view (name TEXT PRIMARY KEY, version INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE entry (
    id INTEGER PRIMARY KEY AUTOINCREMENT, feed TEXT NOT NULL, subject TEXT NOT NULL, body TEXT NOT NULL
);
CREATE INDEX entry_feed ON entry (feed, id);
CREATE TABLE command (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, reason TEXT NOT NULL, at_ms INTEGER NOT NULL,
    done INTEGER NOT NULL DEFAULT 0
);
PRAGMA user_version = {SCHEMA_VERSION};
"""

log = structlog.get_logger(__name__)


class ViewStore:
    """ports.ViewSink for the one process that writes, ports.ViewSource for all others."""

    def __init__(self, path: Path, wall_ms: Callable[[], int]) -> None:
        """`wall_ms` is the machine's clock, the same for writer and readers. Touches no file yet."""
        self._path = path
        self._wall_ms = wall_ms
        self._writer: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None  # what the writer has open, and has published into
        self._lost = False

    # The writer

    def publish(self, views: Mapping[str, object], entries: Sequence[FeedEntry] = ()) -> bool:
        """Replaces the named views and appends the entries, in one transaction. A view whose body is None is dropped.

        False, and a log line, on failure, and once when the file was lost or replaced: it lacks what was published
        before, which must all come again.
        """
        try:
            bodies = {name: _text(body) for name, body in views.items() if body is not None}
            gone = [(name,) for name, body in views.items() if body is None]
            rows = [(one.feed, one.subject, _text(one.body)) for one in entries]
            db = self._open()
            if self._lost:
                self._lost = False
                return False
            with _writing(db):
                db.executemany("DELETE FROM view WHERE name = ?", gone)
                db.execute(
                    "UPDATE publication SET version = version + 1, published_ms = ?", (self._wall_ms(),)
                )
                db.executemany(
                    "INSERT INTO view SELECT ?, version, ? FROM publication WHERE true "
                    "ON CONFLICT (name) DO UPDATE SET version = excluded.version, body = excluded.body",
                    bodies.items(),
                )
                db.executemany("INSERT INTO entry (feed, subject, body) VALUES (?, ?, ?)", rows)
                for feed in {one.feed for one in entries}:
                    db.execute(
                        "DELETE FROM entry WHERE feed = :feed AND id <= "
                        "(SELECT id FROM entry WHERE feed = :feed ORDER BY id DESC LIMIT 1 OFFSET :kept)",
                        {"feed": feed, "kept": KEPT},
                    )
            return True
        except (sqlite3.Error, OSError, TypeError, ValueError) as error:
            self._failed("views not published", error)
            return False

    def last(self, name: str) -> object | None:
        """What was published last under the name, None when nothing can be had."""
        try:
            return self.read(name)
        except ViewsError as error:
            log.warning("earlier views not read", error=str(error))
            return None

    def pending_commands(self) -> tuple[Command, ...]:
        """Commands that are not done, oldest first; none, and a log line, when they can't be read."""
        try:
            rows = (
                self._open()
                .execute("SELECT id, kind, reason, at_ms FROM command WHERE NOT done ORDER BY id")
                .fetchall()
            )
            return tuple(Command(*row) for row in rows)
        except (sqlite3.Error, OSError) as error:
            self._failed("commands not read", error)
            return ()

    def done(self, command_id: int) -> bool:
        """Marks a command as obeyed. False, and a log line, on failure."""
        try:
            with _writing(self._open()) as db:
                db.execute("UPDATE command SET done = 1 WHERE id = ?", (command_id,))
            return True
        except (sqlite3.Error, OSError) as error:
            self._failed("command not marked as done", error)
            return False

    def close(self) -> None:
        """Lets the file go."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _open(self) -> sqlite3.Connection:
        """The writer's connection, to the file that stands there now."""
        if self._writer is not None and self._standing() != self._file:
            log.warning("view file gone or replaced", path=str(self._path))
            self.close()
            self._lost = True
        if self._writer is None:
            self._writer = _made(self._path)
            self._file = self._standing()
        return self._writer

    def _standing(self) -> tuple[int, int] | None:
        """Which file the path leads to now."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def _failed(self, what: str, error: Exception) -> None:
        log.error(what, path=str(self._path), error=f"{type(error).__name__}: {error}")
        self.close()  # the next one begins afresh

    # The readers

    def version(self) -> int:
        """Grows with every publication; 0 before the first. Raises ViewsError."""
        return self.snapshot().version

    def read(self, name: str) -> object | None:
        """One view, None when it was not published. Raises ViewsError."""
        return self.snapshot(name).views.get(name)

    def snapshot(self, *names: str) -> Snapshot:
        """The named views as of one publication. Raises ViewsError."""
        with self._reading() as db:
            if db is None:
                return Snapshot()
            db.execute("BEGIN")  # both reads see the same publication
            version, published_ms = db.execute("SELECT version, published_ms FROM publication").fetchone()
            marks = ",".join("?" * len(names))
            rows = db.execute(f"SELECT name, body FROM view WHERE name IN ({marks})", names).fetchall()
        age = max(0, self._wall_ms() - published_ms) if version else 0
        return Snapshot(version, age, {name: json.loads(body) for name, body in rows})

    def entries(self, feed: str, limit: int, subject: str | None = None) -> tuple[object, ...]:
        """The latest entries of a feed, latest first. Raises ViewsError."""
        with self._reading() as db:
            if db is None:
                return ()
            rows = db.execute(
                "SELECT body FROM entry WHERE feed = :feed AND (:subject IS NULL OR subject = :subject) "
                "ORDER BY id DESC LIMIT :limit",
                {"feed": feed, "subject": subject, "limit": limit},
            ).fetchall()
        return tuple(json.loads(body) for (body,) in rows)

    def command(self, kind: str, reason: str, at_ms: int) -> int:
        """Leaves a command for the agent, on the disk when the call returns; its id. Raises ViewsError."""
        with self._reading() as db:
            if db is None:
                raise ViewsError(f"{self._path} is not there: no agent has run with this data folder yet")
            db.execute("PRAGMA synchronous = FULL")
            with _writing(db):
                row = db.execute(
                    "INSERT INTO command (kind, reason, at_ms) VALUES (?, ?, ?)", (kind, reason, at_ms)
                )
                return int(row.lastrowid or 0)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        """A connection on the file as it is now; None where there is none yet."""
        if not self._path.exists():
            yield None
            return
        try:
            with closing(_connect(self._path, _READER_WAITS_S, "rw")) as db:
                found = db.execute("PRAGMA user_version").fetchone()[0]
                if found == 0:  # the writer is just making it
                    yield None
                    return
                if found != SCHEMA_VERSION:
                    raise ViewsError(
                        f"{self._path} is of version {found}, this program reads {SCHEMA_VERSION}: "
                        "run agent and web from the same installation"
                    )
                yield db
        except (sqlite3.Error, ValueError) as error:
            raise ViewsError(f"{self._path} can't be read ({error}): the agent remakes it") from error


def _text(value: object) -> str:
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def _connect(path: Path, waits_s: float, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.resolve().as_uri()}?mode={mode}",
        uri=True,
        timeout=waits_s,
        isolation_level=None,
        check_same_thread=False,
    )


def _made(path: Path) -> sqlite3.Connection:
    """The writer's connection; a file that is no view file of this version is set aside and made anew."""
    db = _connect(path, _WRITER_WAITS_S, "rwc")
    try:
        if _ready(db):
            return db
        reason = "another version"
    except sqlite3.OperationalError:  # locked, or a full disk: the file may be good
        db.close()
        raise
    except sqlite3.DatabaseError as error:
        reason = str(error)
    db.close()
    log.warning("view file set aside", path=str(path), reason=reason)
    path.replace(path.with_name(path.name + SET_ASIDE))
    for tail in ("-wal", "-shm"):
        path.with_name(path.name + tail).unlink(missing_ok=True)
    db = _connect(path, _WRITER_WAITS_S, "rwc")
    _ready(db)
    return db


def _ready(db: sqlite3.Connection) -> bool:
    """Whether the file holds our tables, made here when it is empty."""
    found = db.execute("PRAGMA user_version").fetchone()[0]
    if found == 0 and not db.execute("SELECT 1 FROM sqlite_master").fetchone():
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
        found = SCHEMA_VERSION
    db.execute("PRAGMA synchronous = NORMAL")
    return bool(found == SCHEMA_VERSION)


@contextmanager
def _writing(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """One write transaction."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
