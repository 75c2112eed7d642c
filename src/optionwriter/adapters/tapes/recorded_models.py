"""Volatility models that take a part of the recorded smile: its level by expiry, or the whole of it.

They stand between the synthetic market and the recorded one. Each uses the last recorded surface at or before the
instant, as it was: volatility by expiry and the standardised smile stay until the next one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from optionwriter.adapters.tapes.synthetic_models import Past, unknown
from optionwriter.core.market.chain import F64, InstrumentTable
from optionwriter.core.market.fitted import at_a_later_time, iv_on_forward
from optionwriter.core.market.instruments import MS_PER_DAY, InstrumentError
from optionwriter.core.market.surface import Surface
from optionwriter.core.market.synthetic import TENORS_DAYS, Shape


class RecordedSurfaces:
    """One underlying's recorded surfaces, ascending."""

    def __init__(self, surfaces: Sequence[Surface]) -> None:
        self._surfaces = surfaces
        self._at_ms = np.array([one.at_ms for one in surfaces], dtype=np.int64)

    def at(self, at_ms: int) -> Surface:
        """The last one at or before the instant, moved there. Errors: InstrumentError before the first."""
        row = int(np.searchsorted(self._at_ms, at_ms, side="right")) - 1
        moved = at_a_later_time(self._surfaces[row], at_ms) if row >= 0 else None
        if moved is None:
            raise InstrumentError(f"no recorded smile is known at {at_ms}: choose another period")
        return moved


class RecordedLevel:
    """The recorded at-the-money volatility of every expiry under the typical shape's smile."""

    notes = ("At-the-money volatility by expiry is the last recorded one, its smile the typical one.",)

    def __init__(self, surfaces: Mapping[str, RecordedSurfaces], shapes: Mapping[str, Shape]) -> None:
        self._surfaces, self._shapes = surfaces, shapes

    def iv(
        self, past: Past, underlying: str, at_ms: int, index: float, table: InstrumentTable, forward: F64
    ) -> F64:
        """As Model."""
        recorded = _of(self._surfaces, underlying).at(at_ms)
        expiries = np.unique(table.expiry_ms)
        level = recorded.at_expiries(expiries)
        tenors = at_ms + np.rint(np.array(TENORS_DAYS) * MS_PER_DAY).astype(np.int64)
        zero = np.zeros(len(tenors))
        shape = self._shapes[underlying]
        bent = Surface(at_ms, 1.0, tenors, zero, shape.ratio, shape.nodes).at_expiries(expiries)
        made = Surface(at_ms, 1.0, expiries, np.zeros(len(expiries)), level.atm_iv, bent.nodes)
        return iv_on_forward(made, table.strike, forward, table.expiry_ms)


class RecordedSmile:
    """The recorded smile, at-the-money volatility and skew alike."""

    notes = ("Volatility by strike and expiry is that of the last recorded smile.",)

    def __init__(self, surfaces: Mapping[str, RecordedSurfaces]) -> None:
        self._surfaces = surfaces

    def iv(
        self, past: Past, underlying: str, at_ms: int, index: float, table: InstrumentTable, forward: F64
    ) -> F64:
        """As Model."""
        recorded = _of(self._surfaces, underlying).at(at_ms)
        return iv_on_forward(recorded, table.strike, forward, table.expiry_ms)


def _of(surfaces: Mapping[str, RecordedSurfaces], underlying: str) -> RecordedSurfaces:
    found = surfaces.get(underlying)
    return found if found is not None else unknown("recorded smile of", underlying, surfaces)
