"""Calibration schemas: what /api/calibration is asked and answers. Stable: fields are added, never renamed or dropped.

Instants are epoch milliseconds UTC, volatilities percent points; a number that can't be known is null.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from optionwriter.web.backtest_schemas import Instant
from optionwriter.web.schemas import Growing

Coin = Annotated[str, StringConstraints(strip_whitespace=True, to_upper=True, min_length=1, max_length=20)]
Maybe = float | None


class CalibrationQuery(BaseModel):
    """Which chain, and the multiplier to hold against it; another name is refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    underlying: Coin = Field("BTC", description="Coin: BTC or ETH.")
    family: Literal["inverse", "linear"] = Field(
        "inverse", description="Option family: inverse or linear (USDC)."
    )
    source: Literal["live", "live_deribit", "real_scraper", "sample"] = Field(
        "live_deribit",
        description="Where the chains were recorded; live: the marks of the exchange in force, now.",
    )
    at_ms: Instant | None = Field(
        None,
        description="The last recorded chain at or before this instant, no older than a day; left out: the latest.",
    )
    failed_days: Literal["refuse", "skip", "take"] = Field(
        "refuse", description="Recorded days that fail their quality check: refuse, skip or take them."
    )
    iv_multiplier: float = Field(
        1.0, ge=0.1, le=10.0, description="Implied over realised volatility, tried out."
    )


class Units(BaseModel):
    """One number in the settlement currency, in USD and in volatility points."""

    price: Maybe
    usd: Maybe
    points: Maybe


class Errors(BaseModel):
    """How far a model is from the marks: mean absolute error, and bias (model less mark)."""

    marks: int
    mae: Units
    bias: Units


class CalibratedModel(Growing):
    """One volatility model against the marks."""

    name: str
    title: str
    is_fit: bool = Field(description="It was fitted to these very marks, so it forecasts nothing.")
    uses_multiplier: bool
    overall: Errors
    by_tenor: dict[str, Errors]
    by_delta: dict[str, Errors]


class BestMultiplier(BaseModel):
    """The multiplier of least mean absolute error, in volatility points and in USD."""

    points: Maybe
    usd: Maybe


class BestMultipliers(BestMultiplier):
    """Over all marks, and by tenor."""

    by_tenor: dict[str, BestMultiplier]


class SmilePicture(BaseModel):
    """One expiry: marks as points, models as lines over `line_strike`."""

    expiry_ms: int
    strike: list[float]
    iv: list[float]
    is_call: list[bool]
    line_strike: list[float]
    lines: dict[str, list[float]]


class Calibration(Growing):
    """What one chain says of the models."""

    product: str
    source: str
    environment: str | None = Field(
        description="Of live marks: local, testnet or mainnet; null of recorded ones."
    )
    age_s: Maybe = Field(
        description="Of live marks: seconds since they were read; they are read anew once that is 60. "
        "Null of recorded ones."
    )
    at_ms: int = Field(description="The chain's instant, in its exchange's time.")
    iv_multiplier: float
    marks: int
    realised_7d: Maybe
    volatility_index: Maybe
    atm_30d: Maybe
    models: list[CalibratedModel]
    best: dict[str, BestMultipliers]
    smiles: list[SmilePicture]
    notes: list[str]
