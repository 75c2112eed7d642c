"""RebuiltIndex: the recorded volatility index, continued from the chains where its hours were not recorded.

A rebuilt value is known at its snapshot's instant and rests on that snapshot alone. Snapshots within a stretch of
recorded hours give none: the recorded value is nearer the truth.
"""

from __future__ import annotations

import numpy as np

from optionwriter.adapters.tapes.snapshots import Chains, Snapshot
from optionwriter.core.market.chain import F64, I64
from optionwriter.core.market.history import VolatilityIndex
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR
from optionwriter.core.market.surface import fit_surface
from optionwriter.core.market.volatility_index import HORIZON_DAYS, SHORTEST_DAYS, volatility_index


class RebuiltIndex:
    """One coin's volatility index, percent points, as far as it is known at an instant."""

    def __init__(self, recorded: VolatilityIndex, chains: Chains) -> None:
        self._chains = chains
        after = np.searchsorted(recorded.at_ms, chains.instants, side="right")
        last = np.where(after > 0, recorded.at_ms[np.maximum(after - 1, 0)] if len(recorded.at_ms) else 0, 0)
        self._rows = np.flatnonzero(chains.instants - last > MS_PER_HOUR)  # no recorded hour is this fresh
        self._due = 0  # the first of them that is not in what follows
        self._at: I64 = recorded.at_ms
        self._value: F64 = recorded.value

    def between(self, start_ms: int, end_ms: int) -> VolatilityIndex:
        """Values known in [start_ms, end_ms], ascending; views."""
        self._rebuild(end_ms)
        first = int(np.searchsorted(self._at, start_ms))
        last = int(np.searchsorted(self._at, end_ms, side="right"))
        return VolatilityIndex(self._at[first:last], self._value[first:last])

    def _rebuild(self, end_ms: int) -> None:
        """Adds what the snapshots up to an instant give and is not there yet."""
        instants = self._chains.instants[self._rows]
        end = int(np.searchsorted(instants, end_ms, side="right"))
        if end <= self._due:
            return
        new = self._rows[self._due : end].tolist()
        values = [round(index_of(self._chains.snapshot(row)), 2) for row in new]
        at = instants[self._due : end]
        where = np.searchsorted(self._at, at, side="right")
        self._at, self._value = np.insert(self._at, where, at), np.insert(self._value, where, values)
        self._due = end


def index_of(one: Snapshot) -> float:
    """The volatility index of one snapshot, percent points, from the calls of the expiries around 30 days."""
    table = one.table
    days = (table.expiry_ms - one.at_ms) / MS_PER_DAY
    usable = np.unique(days[days >= SHORTEST_DAYS])
    beyond = min(int(np.searchsorted(usable, HORIZON_DAYS)), len(usable) - 1)
    around = usable[max(beyond - 1, 0) : beyond + 1]
    rows = table.is_call & np.isin(days, around)
    columns = (table.expiry_ms[rows], table.strike[rows], one.forward[rows], one.iv[rows])
    return volatility_index(fit_surface(one.at_ms, one.index_price, *columns))
