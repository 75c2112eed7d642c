"""A coin's past beside recorded chains: cut at an instant, and continued by the snapshots where its hours end."""

from __future__ import annotations

import numpy as np

from optionwriter.adapters.tapes.captured import CoinPast
from optionwriter.adapters.tapes.snapshots import Chains
from optionwriter.core.market.chain import F64, I64
from optionwriter.core.market.history import Candles, VolatilityIndex
from optionwriter.core.market.instruments import MS_PER_HOUR


def known_past(past: CoinPast, until_ms: int) -> CoinPast:
    """What was known at an instant: hours that had closed, values that had been told."""
    own, index = past.candles, past.recorded_index
    hours = slice(int(np.searchsorted(own.open_ms, until_ms - MS_PER_HOUR, side="right")))
    told = slice(int(np.searchsorted(index.at_ms, until_ms, side="right")))
    return CoinPast(
        Candles(own.open_ms[hours], own.open[hours], own.high[hours], own.low[hours], own.close[hours]),
        VolatilityIndex(index.at_ms[told], index.value[told]),
    )


def extended(past: CoinPast, chains: Chains) -> CoinPast:
    """With an hour for every one after the last that holds a snapshot, made from their indices.

    What lies between two looks was not seen, so such an hour's extremes are narrower than the true ones.
    """
    own = past.candles
    end = int(own.open_ms[-1]) + MS_PER_HOUR if len(own.open_ms) else 0
    rows = np.flatnonzero(chains.instants >= end)
    if not rows.size:
        return past
    price: F64 = np.array([chains.snapshot(int(row)).index_price for row in rows])
    hour: I64 = chains.instants[rows] // MS_PER_HOUR * MS_PER_HOUR
    opened, first = np.unique(hour, return_index=True)
    last = np.append(first[1:], len(hour)) - 1
    columns = (
        (own.open, price[first]),
        (own.high, np.maximum.reduceat(price, first)),
        (own.low, np.minimum.reduceat(price, first)),
        (own.close, price[last]),
    )
    joined = (np.concatenate(pair) for pair in columns)
    return CoinPast(Candles(np.concatenate([own.open_ms, opened]), *joined), past.recorded_index)
