"""The money formulas are plain enough that the compiled rules can inline them, and then give the same floats."""

from __future__ import annotations

import numba

from optionwriter.core.books import fees, margin, settlement


def test_compiled_formulas_equal_the_plain_ones() -> None:
    fee, payoff = numba.njit(fees.option_fee), numba.njit(settlement.payoff)
    opening, keeping = numba.njit(margin.initial_margin), numba.njit(margin.maintenance_margin)
    assert fee(0.3, 0.0017, 1.0, 0.0003) == fees.option_fee(0.3, 0.0017, 1.0, 0.0003)
    assert payoff(9e4, 9.7e4, True, True) == settlement.payoff(9e4, 9.7e4, True, True)
    assert payoff(9e4, 8.7e4, False, False) == settlement.payoff(9e4, 8.7e4, False, False)
    assert keeping(0.02, 1.0, True) == margin.maintenance_margin(0.02, 1.0, True)
    plain = margin.initial_margin(9.1e4, 9e4, 0.02, 1.0, True, 0.095)
    assert opening(9.1e4, 9e4, 0.02, 1.0, True, 0.095) == plain
