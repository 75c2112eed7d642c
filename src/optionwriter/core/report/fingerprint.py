"""A market's fingerprint: the same quotes give the same words, any other quote gives others."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

from optionwriter.core.market.chain import OptionChain


def market_fingerprint(chains: Iterable[OptionChain]) -> str:
    """16 hex digits over instant, index, names, bids, asks, marks and mark IVs of all chains, in product order."""
    seen = hashlib.sha256()
    for chain in sorted(chains, key=lambda one: one.product.code):
        seen.update(f"{chain.product.code}|{chain.at_ms}|{chain.index_price!r}|".encode())
        seen.update("\n".join(chain.table.names).encode())
        for column in (chain.bid, chain.ask, chain.mark, chain.mark_iv, chain.forward):
            seen.update(np.ascontiguousarray(column).tobytes())
    return seen.hexdigest()[:16]
