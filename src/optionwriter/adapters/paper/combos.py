"""Combos: what a plan's legs pay together when they trade as one combo, instead of one after the other.

Keeps: legs belong together that one plan sent, that fill at the same instant and that settle in the same currency; what
a leg pays is the combo's fee so far less what was paid, never below nothing; nothing is kept beyond its instant.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from optionwriter.core.books.account import Side
from optionwriter.core.books.fees import ComboSide, combo_waived

_ZERO = Decimal(0)


@dataclass(slots=True)
class _Plan:
    """What was done of one combo so far: by side, and the fee that was charged."""

    sides: dict[Side, ComboSide] = field(default_factory=dict)
    charged: Decimal = _ZERO


@dataclass(slots=True)
class Combos:
    """The combos of one instant."""

    _at_ms: int = -1
    _plans: dict[tuple[str, str], _Plan] = field(default_factory=dict)

    def charge(
        self, plan: str, currency: str, side: Side, amount: Decimal, fee: Decimal, at_ms: int
    ) -> Decimal:
        """What a fill pays whose own fee is `fee`; the whole fee for an order of no plan."""
        if not plan:
            return fee
        if at_ms != self._at_ms:
            self._at_ms = at_ms
            self._plans.clear()
        own = self._plans.setdefault((plan, currency), _Plan())
        before = own.sides.get(side, ComboSide())
        own.sides[side] = ComboSide(before.amount + amount, before.fees + fee)
        bought, sold = own.sides.get(Side.BUY, ComboSide()), own.sides.get(Side.SELL, ComboSide())
        due = bought.fees + sold.fees - combo_waived(bought, sold, currency)
        paid = max(_ZERO, due - own.charged)
        own.charged += paid
        return paid
