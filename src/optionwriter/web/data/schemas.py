"""Data schemas: what GET /api/data takes and answers. Stable: fields are added, never renamed or dropped."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

Code = Annotated[str, StringConstraints(strip_whitespace=True, max_length=60)]
Day = Annotated[date | None, BeforeValidator(lambda one: one or None)]  # a form sends "" for a day left out


class DataQuery(BaseModel):
    """Which days of recorded data; another name is refused."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    asset: Code = Field("", description="Only this asset: BTC, BTC_USDC.")
    source: Code = Field("", description="Only this source folder: live_deribit, real_scraper.")
    first: Day = Field(None, alias="from", description="First day, UTC; default: 91 days before the last.")
    last: Day = Field(None, alias="to", description="Last day, UTC; default: the last there is.")

    @model_validator(mode="after")
    def _ordered(self) -> DataQuery:
        if self.first and self.last and self.first > self.last:
            raise ValueError("from is after to: swap them")
        return self


class DayQuery(BaseModel):
    """One asset's day."""

    model_config = ConfigDict(extra="forbid")

    source: Code = Field(description="Its source folder.")
    asset: Code = Field(description="BTC, BTC_USDC, …")
    day: date = Field(description="UTC.")


class DataFinding(BaseModel):
    """One thing that a check found."""

    name: str
    severity: Literal["fault", "warning", "note"]
    count: int = Field(description="How many rows, pairs or snapshots it holds of.")
    of: int = Field(description="How many could be judged.")
    share: float = Field(description="count / of.")
    points: float = Field(description="What it takes off the score.")
    example: str = Field(description="The first case in words.")


class DataDay(BaseModel):
    """One asset's day in one source folder."""

    source: str
    asset: str
    day: date
    snapshots: int
    rows: int
    first_ms: int
    last_ms: int
    longest_gap_ms: int = Field(description="Between two snapshots, within the day or into it.")
    cadence_ms: int = Field(description="The usual time between snapshots; 0 where there are not two.")
    compacted: bool
    bytes: int
    score: int | None = Field(description="0 to 100; null: not checked yet.")
    verdict: Literal["pass", "warn", "fail"] | None
    findings: list[DataFinding]


class Harvester(BaseModel):
    """How the harvester of this folder does."""

    environment: str = Field(description="Empty: no harvester ever ran here.")
    is_running: bool
    interval_minutes: int
    last_slot_ms: int
    next_slot_ms: int
    missing_slots: int = Field(description="An asset's slots without a file, of all that are remembered.")


class DataFound(BaseModel):
    """GET /api/data: coverage and quality of recorded data by source, asset and day, and the harvester's state."""

    where: str = Field(description="The folder.")
    bundled: bool = Field(description="Whether it is the bundled month, for there is no other data.")
    unchecked: int = Field(
        description="Days that are not checked yet; ask again, or run optionwriter data check."
    )
    days: list[DataDay]
    harvester: Harvester
