"""Calibrator: calibrations for the page and the API, whose slider asks for one chain again and again.

Keeps: recorded chains are read again once something newer was recorded; live marks once the last reading is LIVE_S old,
and an exchange that gave none is left alone for FAILED_S, however often the page asks.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from optionwriter.adapters.clocks import SystemClock
from optionwriter.adapters.deribit.http import Timeouts
from optionwriter.adapters.deribit.retries import Patience
from optionwriter.adapters.tapes.sample_files import FOLDER, load_sample
from optionwriter.bootstrap.calibrating import (
    LIVE,
    SOURCES,
    Asked,
    Environment,
    FailedDays,
    Family,
    Haste,
    Report,
    UnreachableError,
    live_look,
    live_notes,
    looks_of,
    product_of,
    shape_of,
)
from optionwriter.bootstrap.sources import typical_factors
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR, Product
from optionwriter.services.calibrate import CalibrationError, Look, calibrate
from optionwriter.settings import Settings

LIVE_S = 60.0
FAILED_S = 5.0
_KEPT = 8
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_HASTE = Haste(
    Timeouts(connect_s=3.0, read_s=6.0, total_s=8.0), Patience(read_tries=2, total_s=8.0)
)  # somebody waits before the page


@dataclass(frozen=True, slots=True)
class CalibrationChoices:
    """What can be asked for; `environment` is the exchange of live marks."""

    sources: tuple[str, ...]
    underlyings: tuple[str, ...]
    environment: Environment
    families: tuple[Family, ...] = ("inverse", "linear")
    failed_days: tuple[FailedDays, ...] = ("refuse", "skip", "take")


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """What the exchange last gave of a product, or why it gave nothing; `at_s` by the machine's monotonic clock."""

    at_s: float
    look: Look | None
    problem: str = ""


class Calibrator:
    """Chains, recorded or the exchange's own now, held against the models; the last few stay at hand, whatever the
    multiplier."""

    def __init__(self, settings: Settings, monotonic: Callable[[], float] | None = None) -> None:
        self._settings = settings
        self._monotonic = monotonic or SystemClock().monotonic
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[Asked, str], tuple[list[Look], tuple[str, ...]]] = OrderedDict()
        self._asking = threading.Lock()  # one at a time asks the exchange, the others take what it was told
        self._read: dict[str, _Read] = {}

    @property
    def choices(self) -> CalibrationChoices:
        """What a form offers."""
        return CalibrationChoices(SOURCES, tuple(load_sample().recorded), self._settings.deribit_env)

    def at(
        self,
        source: str,
        underlying: str,
        family: Family,
        at_ms: int | None,
        multiplier: float,
        failed_days: FailedDays = "refuse",
    ) -> Report:
        """The last recorded chain at or before an instant, or the latest; of `live` the exchange's now.

        Errors: CalibrationError; UnreachableError where the exchange gives no chain.
        """
        if source not in SOURCES:
            raise CalibrationError(f"source {source!r} is not there: choose from {', '.join(SOURCES)}")
        own, shape = product_of(underlying, family), shape_of(underlying)
        if source == LIVE:
            if at_ms is not None:
                raise CalibrationError("live is now: leave the instant out, or choose a recorded source")
            environment = self._settings.deribit_env
            look, age_s = self._live(own, environment)
            asked = Asked(underlying, family, LIVE, environment=environment)
            looks, notes = [look], live_notes(environment)
        else:
            last, newest = latest(source, own.code)
            when = last if at_ms is None else at_ms
            asked, age_s = Asked(underlying, family, source, when, when, failed_days=failed_days), None
            looks, notes = self._looks(asked, newest)
        found = calibrate(looks, shape, multiplier, typical_factors(shape))
        return Report(replace(asked, multiplier=multiplier), found, notes, age_s)

    def _live(self, own: Product, environment: Environment) -> tuple[Look, float]:
        """(the exchange's chain, seconds since it was read): at most LIVE_S old."""
        with self._asking:
            known = self._read.get(own.code)
            age_s = 0.0 if known is None else self._monotonic() - known.at_s
            if known is None or age_s >= (LIVE_S if known.look is not None else FAILED_S):
                try:
                    look, problem = live_look(self._settings, own, environment, _HASTE), ""
                except UnreachableError as error:
                    look, problem = None, str(error)
                known, age_s = _Read(self._monotonic(), look, problem), 0.0
                self._read[own.code] = known
            if known.look is None:
                raise UnreachableError(known.problem)
            return known.look, age_s

    def _looks(self, asked: Asked, newest: str) -> tuple[list[Look], tuple[str, ...]]:
        """The chains; read again once something newer was recorded."""
        with self._lock:
            found = self._kept.get((asked, newest))
            if found is None:
                looks, notes = looks_of(self._settings, asked)
                found = self._kept[asked, newest] = list(looks), notes
                if len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
            return found


def latest(source: str, code: str) -> tuple[int, str]:
    """The end of the last day of which the source holds a chain of the product, and what was recorded last.

    Errors: CalibrationError.
    """
    if source == "sample":
        recorded = load_sample().recorded.get(code.partition("_")[0])
        if recorded is None:
            raise CalibrationError(f"the sample has no {code}: choose BTC or ETH")
        return int(recorded.snapshot_ms[-1]) // MS_PER_HOUR * MS_PER_HOUR, source
    own = Path("data") / source
    folder = own if own.is_dir() else FOLDER / source
    names = sorted(path.stem for path in (folder / code).rglob(f"{code}_*.parquet"))
    found = [name for name in names if _DAY.fullmatch(name.removeprefix(f"{code}_")[:10])]
    if not found:
        raise CalibrationError(
            f"{source} holds no chain of {code}: harvest or import some, or choose another source or other options"
        )
    day = date.fromisoformat(found[-1].removeprefix(f"{code}_")[:10])
    return (day - date(1970, 1, 1)).days * MS_PER_DAY + MS_PER_DAY - 1, found[-1]
