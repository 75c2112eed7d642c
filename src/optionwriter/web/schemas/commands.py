"""Commands: what may be asked of the agent."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class CommandGiven(BaseModel):
    """POST /api/commands."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    kind: Literal["kill", "resume"]
    reason: str = Field(min_length=3, max_length=500, description="Why, in the words that the log will keep.")


class CommandTaken(BaseModel):
    """The command was left for the agent, which obeys it with its next cycle."""

    id: int | None = Field(
        description="null where no agent has run yet; the kill switch is engaged all the same."
    )
    kind: str
