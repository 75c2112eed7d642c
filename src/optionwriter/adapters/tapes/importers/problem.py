"""What every importer speaks of: the options a user may set, the refusal, and what a file gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import polars as pl

from optionwriter.core.report.imports import Dropped

DEFAULT_EVERY_MINUTES = 60


class ImportRefusedError(Exception):
    """A file of which nothing is taken; the message gives the reason and the cure."""


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What settles ambiguities; empty or None where the file's own evidence is to decide.

    `at_ms` is the instant of a file that has no times; `every_minutes` the grid of snapshots that streams of changes
    are thinned to; `timezone` the zone of times that name none (IANA: America/New_York).
    """

    iv: Literal["", "percent", "decimal"] = ""
    price: Literal["", "coin", "usd"] = ""
    timezone: str = ""
    underlying: str = ""
    at_ms: int | None = None
    every_minutes: int = DEFAULT_EVERY_MINUTES


@dataclass(frozen=True, slots=True)
class Batch:
    """A part of a file in the canonical schema, and what was left out. `done` is the share of the file read."""

    rows: pl.DataFrame
    read: int
    dropped: tuple[Dropped, ...]
    done: float

    @property
    def kept(self) -> int:
        """How many rows they are."""
        return self.rows.height


class Rows(Protocol):
    """Rows of a piece of a table, and the share of the file behind them."""

    @property
    def rows(self) -> pl.DataFrame:
        """As the file has them."""
        ...

    @property
    def done(self) -> float:
        """From 0 to 1."""
        ...


class TableSource(Protocol):
    """Where a table comes from: its name, its first rows, and all of them in bounded parts."""

    @property
    def name(self) -> str:
        """The file's own name."""
        ...

    @property
    def head(self) -> pl.DataFrame:
        """The first rows."""
        ...

    def pieces(self) -> Iterator[Rows]:
        """The table, a part at a time."""
        ...


class Opened(Protocol):
    """A file that was recognised and whose units are settled."""

    @property
    def format(self) -> str:
        """The format's name."""
        ...

    @property
    def table(self) -> str:
        """Where the rows go: chains, prices, volatility_index, deliveries."""
        ...

    @property
    def facts(self) -> tuple[str, ...]:
        """What was settled, each with its evidence."""
        ...

    def batches(self) -> Iterator[Batch]:
        """The rows, a bounded part at a time. Errors: ImportRefusedError when the file ends before its end."""
        ...
