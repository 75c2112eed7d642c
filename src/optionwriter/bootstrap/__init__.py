"""Bootstrap: seats everyone at the desk. `desks` alone decides who plays; the other files hold their parts."""

from optionwriter.bootstrap.captured import CapturedDesk, seat_captured
from optionwriter.bootstrap.desks import Desktop, seat_exchange, seat_sample
from optionwriter.bootstrap.exchange import open_local_exchange
from optionwriter.bootstrap.parts import (
    LEDGER_FILE,
    LOG_FOLDER,
    VIEWS_FILE,
    BootError,
    config_path,
    hold_folder,
)
from optionwriter.bootstrap.recorded import demo_account
from optionwriter.bootstrap.stores import prove_ledger, view_sink, view_source

__all__ = [
    "LEDGER_FILE",
    "LOG_FOLDER",
    "VIEWS_FILE",
    "BootError",
    "CapturedDesk",
    "Desktop",
    "config_path",
    "demo_account",
    "hold_folder",
    "open_local_exchange",
    "prove_ledger",
    "seat_captured",
    "seat_exchange",
    "seat_sample",
    "view_sink",
    "view_source",
]
