"""Bootstrap: seats everyone at the desk. `desks` alone decides who plays; the other files hold their parts."""

from optionwriter.bootstrap.backtests import check as check_run
from optionwriter.bootstrap.backtests import run_store, runner
from optionwriter.bootstrap.captured import CapturedDesk, seat_captured
from optionwriter.bootstrap.desks import Desktop, seat_exchange, seat_sample
from optionwriter.bootstrap.doctor import Diagnosis, Level, examine
from optionwriter.bootstrap.exchange import open_local_exchange
from optionwriter.bootstrap.explaining import ExplainError, explain_decision, explain_dry_spell
from optionwriter.bootstrap.harvesting import (
    assets_of,
    fetch_past,
    harvest_folder,
    harvester_state,
    seat_harvester,
)
from optionwriter.bootstrap.lab import Choices, Lab
from optionwriter.bootstrap.lookahead import lookahead_check
from optionwriter.bootstrap.parts import (
    KILL_FILE,
    LEDGER_FILE,
    LOG_FOLDER,
    MARK_FILE,
    TOKEN_FILE,
    VIEWS_FILE,
    BootError,
    config_path,
    hold_folder,
)
from optionwriter.bootstrap.recorded import demo_account
from optionwriter.bootstrap.stores import kill_switch, prove_ledger, view_sink, view_source

__all__ = [
    "KILL_FILE",
    "LEDGER_FILE",
    "LOG_FOLDER",
    "MARK_FILE",
    "TOKEN_FILE",
    "VIEWS_FILE",
    "BootError",
    "CapturedDesk",
    "Choices",
    "Desktop",
    "Diagnosis",
    "ExplainError",
    "Lab",
    "Level",
    "assets_of",
    "check_run",
    "config_path",
    "demo_account",
    "examine",
    "explain_decision",
    "explain_dry_spell",
    "fetch_past",
    "harvest_folder",
    "harvester_state",
    "hold_folder",
    "kill_switch",
    "lookahead_check",
    "open_local_exchange",
    "prove_ledger",
    "run_store",
    "runner",
    "seat_captured",
    "seat_exchange",
    "seat_harvester",
    "seat_sample",
    "view_sink",
    "view_source",
]
