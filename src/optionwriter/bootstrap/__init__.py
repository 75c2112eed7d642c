"""Bootstrap: seats everyone at the desk. `desks` alone decides who plays; `parts` holds what every desk needs."""

from optionwriter.bootstrap.desks import (
    Desktop,
    demo_account,
    open_local_exchange,
    prove_ledger,
    seat_exchange,
    seat_sample,
    view_sink,
    view_source,
)
from optionwriter.bootstrap.parts import (
    LEDGER_FILE,
    LOG_FOLDER,
    VIEWS_FILE,
    BootError,
    config_path,
    hold_folder,
)

__all__ = [
    "LEDGER_FILE",
    "LOG_FOLDER",
    "VIEWS_FILE",
    "BootError",
    "Desktop",
    "config_path",
    "demo_account",
    "hold_folder",
    "open_local_exchange",
    "prove_ledger",
    "seat_exchange",
    "seat_sample",
    "view_sink",
    "view_source",
]
