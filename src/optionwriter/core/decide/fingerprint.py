"""Fingerprint: one hash of the market that a decision rested on, the same on every machine and desk.

The same market gives the same words, any other quote gives others; it names the market in the decision log and is
content from which decision ids derive. The account is not in it: paper and live then name the same market alike.
"""

from __future__ import annotations

import hashlib

from optionwriter.core.decide.state import AgentState
from optionwriter.core.market.chain import OptionChain


def fingerprint(state: AgentState) -> str:
    """16 hex digits over instant, indices, chains and contexts."""
    found = hashlib.sha256()
    for part in (state.at_ms, state.usdc_index):
        found.update(repr(part).encode())
    for name, underlying in sorted(state.underlyings.items()):
        found.update(f"{name} {underlying.index} {underlying.context!r}".encode())
        for code in sorted(underlying.chains):
            _add(found, underlying.chains[code])
    return found.hexdigest()[:16]


def _add(found: hashlib._Hash, chain: OptionChain) -> None:
    found.update(f"{chain.product.code} {chain.at_ms} {chain.index_price!r}".encode())
    found.update("\n".join(chain.table.names).encode())
    for column in (
        chain.forward,
        chain.mark,
        chain.mark_iv,
        chain.bid,
        chain.ask,
        chain.bid_size,
        chain.ask_size,
        chain.open_interest,
    ):
        found.update(column.astype("<f8").tobytes())
