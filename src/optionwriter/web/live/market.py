"""What an underlying's card shows beside its places of its own: whatever else the agent publishes of the market."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TENORS = ("7d", "30d")
PAIRS = ("realised", "atm_iv", "risk_reversal", "pump", "crash")
SINGLES = ("underlying", "spot", "regime", "volatility_index", "volatility_rank_1y", "return_1d", "return_7d",
           "return_30d", "data_age_ms", "at_ms", "at")  # fmt: skip
SHOWN = frozenset((*SINGLES, *(f"{name}_{tenor}" for name in PAIRS for tenor in TENORS)))


def rest(underlying: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Names and values that have no place of their own; a mapping's parts each under its name."""
    found: list[tuple[str, Any]] = []
    for name, value in underlying.items():
        if name in SHOWN:
            continue
        if isinstance(value, Mapping):
            found += [(f"{name}_{part}", one) for part, one in value.items()]
        elif isinstance(value, (str, int, float)):
            found.append((name, value))
    return found
