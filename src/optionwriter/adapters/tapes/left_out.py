"""Chains without some of their days: as if those had never been recorded."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import numpy as np

from optionwriter.adapters.tapes.snapshots import Chains, Snapshot
from optionwriter.core.market.chain import I64
from optionwriter.core.market.instruments import Product, utc_day


class LeftOut:
    """`chains` without the snapshots of `days` (UTC)."""

    def __init__(self, chains: Chains, days: Collection[date]) -> None:
        self._chains = chains
        kept = [row for row, at in enumerate(chains.instants.tolist()) if utc_day(at) not in days]
        self._rows = np.array(kept, dtype=np.int64)
        self._instants: I64 = chains.instants[self._rows]

    @property
    def product(self) -> Product:
        """Whose options these are."""
        return self._chains.product

    @property
    def instants(self) -> I64:
        """When there is a snapshot."""
        return self._instants

    def snapshot(self, row: int) -> Snapshot:
        """The snapshot at `instants[row]`."""
        return self._chains.snapshot(int(self._rows[row]))
