"""Every run draws the same examples: a failure seen once is seen again. Files that take long are begun first, so that
several processes end together."""

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

LONG = (
    "tests/cli/test_up.py",
    "tests/simulation/test_kill.py",
    "tests/simulation/test_sixty_days.py",
    "tests/parity/test_drivers.py",
    "tests/venue/server/test_restart.py",
    "tests/services/test_bundles.py",
    "tests/core/decide/test_compiled_rules.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Moves the long files to the front, in that order; the rest keeps its own."""
    place = {name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.nodeid.partition("::")[0], len(LONG)))
