"""Calibrator: calibrations for the page and the API, whose slider asks for one chain again and again."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from optionwriter.adapters.tapes.sample_files import FOLDER, load_sample
from optionwriter.bootstrap.calibrating import (
    RECORDED,
    Asked,
    Family,
    Report,
    looks_of,
    product_of,
    shape_of,
)
from optionwriter.bootstrap.sources import typical_factors
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR
from optionwriter.services.calibrate import CalibrationError, Look, calibrate
from optionwriter.settings import Settings

_KEPT = 8
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class CalibrationChoices:
    """What can be asked for."""

    sources: tuple[str, ...]
    underlyings: tuple[str, ...]
    families: tuple[Family, ...] = ("inverse", "linear")


class Calibrator:
    """Recorded chains held against the models; the last few chains stay at hand, whatever the multiplier."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[Asked, str], tuple[list[Look], tuple[str, ...]]] = OrderedDict()

    @property
    def choices(self) -> CalibrationChoices:
        """What a form offers."""
        return CalibrationChoices(RECORDED, tuple(load_sample().recorded))

    def at(
        self, source: str, underlying: str, family: Family, at_ms: int | None, multiplier: float
    ) -> Report:
        """The last recorded chain at or before an instant, or the latest. Errors: CalibrationError."""
        if source not in RECORDED:
            raise CalibrationError(f"source {source!r} is not there: choose from {', '.join(RECORDED)}")
        own = product_of(underlying, family)
        last, newest = latest(source, own.code)
        when = last if at_ms is None else at_ms
        asked = Asked(underlying, family, source, when, when)
        looks, notes = self._looks(asked, newest)
        shape = shape_of(underlying)
        found = calibrate(looks, shape, multiplier, typical_factors(shape))
        return Report(replace(asked, multiplier=multiplier), found, notes)

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
