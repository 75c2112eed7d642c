"""Skews: skew factors kept between looks at a market: their age is told, old ones are fetched anew or refused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from optionwriter.adapters.clocks import SystemClock
from optionwriter.adapters.files.skew_file import SKEW_FOLDER, SkewFileError, read_skew, skew_path, write_skew
from optionwriter.bootstrap.calibrating import LIVE, Asked, exchange_now_ms, looks_of
from optionwriter.core.market.fitted import surface_of
from optionwriter.core.market.skew_factors import TENOR_DAYS, Skew, skew_of
from optionwriter.services.calibrate import CalibrationError
from optionwriter.settings import Settings

SKEW_DIR = Path("data") / SKEW_FOLDER
MOST_HOURS = 24.0
IfOld = Literal["fetch", "refuse", "keep"]


@dataclass(frozen=True, slots=True)
class Kept:
    """Factors, how old they are, and whether they were fetched just now."""

    skew: Skew
    age_hours: float
    is_fresh: bool


def skew_for(
    settings: Settings,
    asked: Asked,
    folder: Path = SKEW_DIR,
    *,
    most_hours: float = MOST_HOURS,
    if_old: IfOld = "fetch",
    tenor_days: float = TENOR_DAYS,
    now_ms: int | None = None,
) -> Kept:
    """The factors kept in `folder`, or fetched as `asked` where they are missing, older than `most_hours`, of another
    tenor, or of another source. `now_ms`: the instant that ages are told at.

    Errors: CalibrationError; with `refuse` also for missing or old ones.
    """
    now = _now_ms(settings, asked) if now_ms is None else now_ms
    path = skew_path(folder, asked.underlying)
    try:
        found = read_skew(path)
        if found is not None:
            age = found.age_hours(now)
            fits = found.tenor_days == tenor_days and found.source == source_name(asked)
            if if_old == "keep" or (fits and 0.0 <= age <= most_hours):
                return Kept(found, age, False)
        if if_old != "fetch":
            problem = (
                "is not there" if found is None
                else f"is of {found.source} at {found.tenor_days:g} days, {found.age_hours(now):,.1f} hours old"
            )  # fmt: skip
            raise CalibrationError(f"{path} {problem}: fetch it with optionwriter calibrate skew")
        fresh = captured_skew(settings, asked, tenor_days)
        write_skew(path, fresh)
    except SkewFileError as error:
        raise CalibrationError(str(error)) from None
    return Kept(fresh, fresh.age_hours(now), True)


def captured_skew(settings: Settings, asked: Asked, tenor_days: float = TENOR_DAYS) -> Skew:
    """The factors of the chain that is asked for. Errors: CalibrationError."""
    looks, _ = looks_of(settings, replace(asked, end_ms=asked.start_ms))
    *_, last = looks
    surface = surface_of(last.chain)
    if surface is None:
        raise CalibrationError(f"the chain of {last.chain.product.code} has too few marks for a smile")
    try:
        return skew_of(asked.underlying, surface, source_name(asked), tenor_days)
    except ValueError as error:
        raise CalibrationError(f"the smile of {last.chain.product.code} makes no sense: {error}") from None


def _now_ms(settings: Settings, asked: Asked) -> int:
    """Now, where the factors come from: the local exchange's day is another than the machine's."""
    if asked.source == LIVE and asked.environment == "local":
        return exchange_now_ms(settings, asked.environment)
    return SystemClock().now_ms()


def source_name(asked: Asked) -> str:
    """How the factors' source is told."""
    return f"{LIVE} {asked.environment}" if asked.source == LIVE else asked.source
