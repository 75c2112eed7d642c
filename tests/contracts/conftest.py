"""One PostgreSQL for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contracts.databases import postgresql


@pytest.fixture(scope="package")
def server() -> Iterator[str]:
    with postgresql() as address:
        yield address
