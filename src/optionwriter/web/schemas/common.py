"""Common: what every answer is made of: exact amounts, freshness, growing rows, problems."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Amount = Annotated[str, Field(description="Decimal number as text, exact.")]
Maybe = Amount | None


class Fresh(BaseModel):
    """How old the answer is, and in words what to think of it."""

    version: int = Field(description="Grows with every publication; 0 before the first.")
    age_s: float | None = Field(
        description="Seconds since the agent last published, by this machine's clock."
    )
    stale: bool = Field(description="The agent has stopped, hangs, or has not published yet.")
    message: str


class Growing(BaseModel):
    """A row to which the agent may add fields that are not named here yet; they are passed on."""

    model_config = ConfigDict(extra="allow")


class Problem(BaseModel):
    """Any answer that is not 200: one sentence that names what is wrong and the cure."""

    error: str
    fields: dict[str, str] | None = Field(
        None, description="Of what was sent: by its name what is wrong with it, where that is known."
    )


class NoQuery(BaseModel):
    """The address takes no parameter; any is refused."""

    model_config = ConfigDict(extra="forbid")
