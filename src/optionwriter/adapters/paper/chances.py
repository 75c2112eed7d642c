"""Chances: how likely a resting order is reached, by the share of the spread it keeps and the time it waits.

Measured by scripts/fill_table.py on Deribit's 5-minute captures of December 2025 (BTC and ETH, inverse and linear,
2 to 60 days, 0.05 to 0.5 of delta; 153,452 orders watched for 5 minutes, 105,062 for an hour): the other side came to
the order's price by a later capture. It is a lower bound: what traded between two captures was not seen, nor was who
would have crossed to meet the order. And it is a fact of five days: other months are not known.
"""

from __future__ import annotations

import hashlib
from decimal import Decimal

import numpy as np

from optionwriter.core.books.account import Side

SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
MINUTES = (0.0, 5.0, 10.0, 15.0, 30.0, 60.0)
_SOLD = (
    (1.0, 1.0, 1.0, 1.0, 1.0, 1.0),  # crossing: at once
    (0.0, 0.3395, 0.4614, 0.5322, 0.6440, 0.7225),
    (0.0, 0.3011, 0.4227, 0.4969, 0.6140, 0.6985),
    (0.0, 0.2260, 0.3383, 0.4157, 0.5407, 0.6379),
    (0.0, 0.1222, 0.2140, 0.2875, 0.4179, 0.5349),
    (0.0, 0.1067, 0.1927, 0.2617, 0.3895, 0.5060),
)
_BOUGHT = (
    (1.0, 1.0, 1.0, 1.0, 1.0, 1.0),
    (0.0, 0.3665, 0.4983, 0.5757, 0.7008, 0.7972),
    (0.0, 0.3260, 0.4575, 0.5397, 0.6720, 0.7777),
    (0.0, 0.2427, 0.3671, 0.4531, 0.5978, 0.7190),
    (0.0, 0.1279, 0.2289, 0.3125, 0.4616, 0.6071),
    (0.0, 0.1107, 0.2034, 0.2810, 0.4256, 0.5721),
)


def chance_of_fill(side: Side, share: float, minutes: float) -> float:
    """The measured chance, linear between the table's rows and columns; a wait beyond an hour counts as an hour.

    Any share above 0 is held to a tenth at least: how often so small a share is reached was not measured.
    """
    if share <= 0.0:
        return 1.0
    table = _SOLD if side is Side.SELL else _BOUGHT
    by_share = [float(np.interp(minutes, MINUTES, row)) for row in table]
    return float(np.interp(max(share, SHARES[1]), SHARES, by_share))


def drawn(seed: int, instrument: str, side: Side, at_ms: int) -> float:
    """A number in [0, 1) that depends on nothing else: the same question has the same luck in every run."""
    digest = hashlib.sha256(f"{seed} {instrument} {side.value} {at_ms}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2.0**64


def share_kept(side: Side, price: Decimal, bid: Decimal, ask: Decimal) -> float:
    """The share of the spread that a price keeps: 0 at the other side's price, 1 at our own side's."""
    if ask <= bid:
        return 0.0
    kept = price - bid if side is Side.SELL else ask - price
    return float(max(Decimal(0), min(kept / (ask - bid), Decimal(1))))
