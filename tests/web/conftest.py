"""One run of the agent over the sample, published as it goes, and what the exchange itself says of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from optionwriter.adapters.store.views import ViewStore
from optionwriter.bootstrap.desks import Desktop, seat_sample
from optionwriter.bootstrap.parts import VIEWS_FILE
from optionwriter.bootstrap.stores import view_sink
from optionwriter.core.market.instruments import MS_PER_HOUR
from optionwriter.services.agent import run_agent
from optionwriter.services.cycle import CycleReport, Desk
from optionwriter.services.publish import Publisher
from optionwriter.settings import Settings
from tests.simulation.runs import transaction_log
from tests.web.laboratory import House

CYCLES = 20
EVERY_MS = 4 * MS_PER_HOUR


@dataclass
class World:
    """A data folder after a run; `wall` is the machine's clock for readers made by `source`."""

    folder: Path
    desk: Desk
    last: CycleReport
    positions: dict[str, Decimal]  # the exchange's own
    equities: dict[str, Decimal]
    log: dict[str, list[dict[str, object]]]

    def copy(self, to: Path) -> ViewStore:
        """A store of the run's views that a test may change."""
        shutil.copy(self.folder / VIEWS_FILE, to / VIEWS_FILE)
        return ViewStore(to / VIEWS_FILE, lambda: PUBLISHED_MS + AGE_MS[0])


PUBLISHED_MS = 1_800_000_000_000
AGE_MS = [2_000]


@pytest.fixture(autouse=True)
def _young() -> Iterator[None]:
    AGE_MS[0] = 2_000
    yield


def asked(seated: Desktop, method: str, **params: object) -> Any:
    assert seated.transport is not None
    return json.loads(seated.transport.call(method, params), parse_float=Decimal)["result"]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("agent")
    settings = Settings(
        data_dir=folder, dry_run=False, dte_min=0.2, dte_max=2.0, delta_min=0.05, premium_min_usd=0.0
    )
    last: list[CycleReport] = []
    with seat_sample(settings, fresh=False, interval_ms=EVERY_MS) as seated:
        sink = ViewStore(folder / VIEWS_FILE, lambda: PUBLISHED_MS)
        assert view_sink(settings).version() == 0
        publisher = Publisher(sink, expected_within_s=5.0)

        def tell(report: CycleReport) -> None:
            last[:] = [report]
            publisher.after_cycle(seated.desk, report)

        ended = run_agent(
            seated.desk, until_ms=None, interval_ms=EVERY_MS, cycles=CYCLES, tell=tell,
            complain=lambda text: pytest.fail(text), stop=lambda: False,
        )  # fmt: skip
        assert ended.cycles == CYCLES
        sink.close()
        positions = {
            one["instrument_name"]: Decimal(one["size"])
            for currency in ("BTC", "ETH", "USDC")
            for one in asked(seated, "private/get_positions", currency=currency)
        }
        equities = {
            currency: Decimal(asked(seated, "private/get_account_summary", currency=currency)["equity"])
            for currency in ("BTC", "ETH")
        }
        log = {code: transaction_log(seated.transport, code) for code in ("BTC", "ETH", "USDC")}
        return World(folder, seated.desk, last[0], positions, equities, log)


@pytest.fixture(scope="session")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Two finished runs: 1 and 2."""
    house = House(tmp_path_factory.mktemp("lab"))
    assert [house.queue(), house.queue(name="second", config={"step_minutes": 240}, group="pair")] == [1, 2]
    house.work()
    yield house
    house.lab.close()


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """No run, for the tests whose every request is refused."""
    house = House(tmp_path_factory.mktemp("empty"))
    yield house
    house.lab.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.lab.close()
