"""Database: one engine to SQLite or PostgreSQL, migrated to this program's schema before anything is asked of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from optionwriter.ports import RunStoreError

READS = (
    "optionwriter_reads"  # an execution option: this connection only reads, so it need not wait for a writer
)
_LOCK_WAIT_S = 20
_MIGRATION_LOCK = 7_316_020  # any number, the same in every process


def migrations_folder() -> Path:
    """Where the migrations are: in the package, or in the checkout."""
    package = Path(__file__).resolve().parents[3]
    installed = package / "migrations"
    return installed if installed.exists() else package.parents[1] / "migrations"


def open_database(url: str) -> Engine:
    """An engine on the migrated database: sqlite:///file or postgresql://… Errors: RunStoreError names the cure."""
    try:
        address = make_url(url)
    except ArgumentError:
        raise RunStoreError(
            "DATABASE_URL is no database address: sqlite:///file.db or postgresql://…"
        ) from None
    if address.drivername in ("postgres", "postgresql"):
        address = address.set(drivername="postgresql+psycopg")
    if address.drivername not in ("sqlite", "postgresql+psycopg"):
        raise RunStoreError(f"DATABASE_URL names {address.drivername}: only sqlite and postgresql are spoken")
    is_sqlite = address.drivername == "sqlite"
    if is_sqlite and address.database not in (None, "", ":memory:"):
        _make_room(Path(str(address.database)).parent)
    engine = create_engine(address, connect_args={"timeout": _LOCK_WAIT_S} if is_sqlite else {})
    if is_sqlite:
        _prepare_sqlite(engine)
    try:
        _migrate(engine)
    except (SQLAlchemyError, CommandError, OSError) as error:
        engine.dispose()
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        shown = address.render_as_string(hide_password=True)
        cure = (
            "if the file is damaged, move it away (its runs are lost) or put a backup in its place"
            if is_sqlite
            else "check DATABASE_URL, or leave it out for SQLite"
        )
        raise RunStoreError(f"the run database {shown} can't be used ({reason}): {cure}") from None
    return engine


def _make_room(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunStoreError(
            f"the run database's folder {folder} can't be made ({error.strerror}): name another DATA_DIR"
        ) from None


def _prepare_sqlite(engine: Engine) -> None:
    """Foreign keys that hold, readers that don't wait for the writer, and transactions that begin as writers."""

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver must not begin transactions by itself
        for line in ("journal_mode=WAL", "foreign_keys=ON", "synchronous=NORMAL"):
            connection.execute(f"PRAGMA {line}")

    @event.listens_for(engine, "begin")
    def begun(connection: Any) -> None:
        # Two claims at once would else both read first, and one would fail when it writes.
        reads = connection.get_execution_options().get(READS, False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _migrate(engine: Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    newest = ScriptDirectory.from_config(config).get_current_head()
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":  # two processes may start at once
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
        current = MigrationContext.configure(connection).get_current_revision()
        if current == newest:
            return
        if current is not None and current not in _known(config):
            raise CommandError(
                f"it was made by a newer optionwriter (revision {current}): update optionwriter"
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _known(config: Config) -> set[str]:
    return {one.revision for one in ScriptDirectory.from_config(config).walk_revisions()}
