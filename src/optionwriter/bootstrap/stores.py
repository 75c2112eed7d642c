"""The files of a data folder, opened: ledger, run log, views, kill switch."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from optionwriter.adapters.clocks import SystemClock
from optionwriter.adapters.files.kill_file import KillFile
from optionwriter.adapters.files.run_log import RunLog
from optionwriter.adapters.store.ledger import LedgerSummary, SqliteLedger, read_ledger, verify_ledger
from optionwriter.adapters.store.views import ViewStore
from optionwriter.bootstrap.parts import (
    KILL_FILE,
    LEDGER_FILE,
    LOG_FOLDER,
    VIEWS_FILE,
    mode_of,
)
from optionwriter.core.books.book import Book
from optionwriter.core.books.ledger import replay
from optionwriter.ports import KillSwitch, ViewSource
from optionwriter.settings import Settings


def open_ledger(settings: Settings, folder: Path, account: str, stack: ExitStack) -> SqliteLedger:
    """Run log and ledger of a folder. Errors: LedgerError."""
    log = RunLog(folder / LOG_FOLDER, [settings.deribit_client_secret.get_secret_value()])
    stack.callback(log.close)
    store = SqliteLedger(folder / LEDGER_FILE, account, settings.deribit_env, mode_of(settings))
    stack.callback(store.close)
    return store


def view_sink(settings: Settings) -> ViewStore:
    """Where the agent publishes its views; close it at the end. Touches no file yet."""
    return ViewStore(settings.data_dir / VIEWS_FILE, SystemClock().now_ms)


def view_source(settings: Settings) -> ViewSource:
    """Where other processes read them; empty until an agent has published."""
    return view_sink(settings)


def kill_switch(settings: Settings) -> KillSwitch:
    """The kill switch of a data folder, the same for agent, page and command line."""
    return KillFile(settings.data_dir / KILL_FILE)


def prove_ledger(path: Path) -> tuple[LedgerSummary, Book]:
    """Reads a ledger whole, without writing, and adds it up; an agent may be running. Errors: LedgerError names what
    is wrong."""
    return verify_ledger(path), replay(read_ledger(path))
