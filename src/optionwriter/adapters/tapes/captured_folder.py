"""The recordings of January to May 2026 as a feed: six-hourly chains, hourly prices and the index, of one folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from optionwriter.adapters.tapes.captured import Between, CapturedFeed, CoinPast
from optionwriter.adapters.tapes.captured_files import read_candles, read_deliveries, read_index
from optionwriter.adapters.tapes.captured_linear import HAIRCUT, LinearChains
from optionwriter.adapters.tapes.recordings import six_hourly
from optionwriter.adapters.tapes.sample_files import load_sample
from optionwriter.adapters.tapes.snapshots import Chains
from optionwriter.core.market.instruments import product

COINS = ("BTC", "ETH")


def captured_folder(
    folder: Path, coins: Sequence[str] = COINS, haircut: float = HAIRCUT, between: Between = "stale"
) -> CapturedFeed:
    """The feed; `haircut` is by how much linear quotes are worse than inverse ones. Errors: CaptureError."""
    inverse = {name: six_hourly(folder, name) for name in coins}
    linear = {
        f"{name}_USDC": LinearChains(product(f"{name}_USDC"), one, haircut=haircut)
        for name, one in inverse.items()
    }
    chains: dict[str, Chains] = {**inverse, **linear}
    pasts = {name: CoinPast(read_candles(folder, name), read_index(folder, name)) for name in coins}
    return CapturedFeed(chains, pasts, load_sample().books, read_deliveries(folder), between)
