"""Every run draws the same examples: a failure seen once is seen again. Files that take long are begun first, so that
several processes end together."""

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

LONG = (  # the longest first; beside `up` with its many processes what needs one alone
    "tests/cli/test_up.py",
    "tests/simulation/test_sixty_days.py",
    "tests/parity/test_paper_and_engine.py",
    "tests/services/test_bundles.py",
    "tests/simulation/test_kill.py",
    "tests/venue/server/test_restart.py",
    "tests/parity/test_http_and_in_process.py",
    "tests/cli/test_kill.py",
    "tests/parity/test_drivers.py",
    "tests/core/decide/test_compiled_rules.py",
    "tests/services/test_harvest_week.py",
    "tests/simulation/test_exploring.py",
    "tests/adapters/tapes/test_make_sample.py",
    "tests/services/test_backtest_identity.py",
    "tests/cli/test_worker_killed.py",
    "tests/simulation/test_training.py",
    "tests/cli/test_run.py",
    "tests/web/test_backtests.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Moves the long files to the front, in that order; the rest keeps its own (xdist: --no-loadscope-reorder)."""
    place = {name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.nodeid.partition("::")[0], len(LONG)))
