"""Lab: what the page needs for backtests: the run database, the checks, and what can be chosen."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Any

from optionwriter.adapters.store.runs.store import SqlRunStore
from optionwriter.bootstrap.backtest_config import BacktestConfig, instance_tables, presets
from optionwriter.bootstrap.backtests import check, run_store
from optionwriter.bootstrap.compiled import DRIVERS
from optionwriter.bootstrap.sources import SOURCES
from optionwriter.core.decide.strategies.exits import ExitStyle
from optionwriter.core.market.instruments import PRODUCTS
from optionwriter.core.report.run import RunSpec
from optionwriter.ports import RunStore
from optionwriter.settings import Settings


@dataclass(frozen=True, slots=True)
class Choices:
    """What a form offers. `fields` is BacktestConfig's JSON schema: names, types, bounds, defaults, help texts."""

    sources: tuple[str, ...]
    strategies: tuple[str, ...]
    presets: tuple[str, ...]
    underlyings: tuple[str, ...]
    exit_styles: tuple[str, ...]
    drivers: tuple[str, ...]
    fields: dict[str, Any]


class Lab:
    """One data folder's backtests. The database is opened when it is first asked for, so that a page without it serves
    everything else."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store: SqlRunStore | None = None
        self._lock = threading.Lock()

    @property
    def store(self) -> RunStore:
        """The run database. Errors: RunStoreError."""
        with self._lock:
            if self._store is None:
                self._store = run_store(self._settings)
            return self._store

    def queue(self, spec: RunSpec, now_ms: int) -> int:
        """Checks and queues a run; its id. Errors: RunError says what is wrong with it; RunStoreError."""
        config = check(self._settings, spec)
        said = config.model_dump(mode="json", exclude_unset=True)
        return self.store.queue(replace(spec, config=said), now_ms)

    def choices(self) -> Choices:
        """What can be asked for. Errors: RunError when a configuration file can't be read."""
        return Choices(
            tuple(SOURCES),
            tuple(instance_tables(self._settings)),
            tuple(presets()),
            tuple(dict.fromkeys(one.underlying for one in PRODUCTS.values())),
            tuple(str(one) for one in ExitStyle),
            DRIVERS,
            BacktestConfig.model_json_schema()["properties"],
        )

    def close(self) -> None:
        """Lets go of the database."""
        with self._lock:
            if self._store is not None:
                self._store.close()
                self._store = None
