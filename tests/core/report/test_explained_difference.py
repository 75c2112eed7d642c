"""What each change is worth adds up to the whole difference; what the named sources leave is the rest."""

from __future__ import annotations

import pytest

from optionwriter.core.report.explained_difference import REST, SOURCES, STEPS, StepResult, explained


def chain(values: list[float]) -> list[StepResult]:
    return [
        StepResult(name, {("USD", "option_pnl"): value}) for name, value in zip(STEPS, values, strict=True)
    ]


def test_changes_are_told_in_order_and_add_up() -> None:
    found = explained(chain([100.0, 90.0, 120.0, 110.0, 111.0, 80.0, 95.0]), "USD", "option_pnl")
    assert found.changes == {
        "level": -10.0, "skew": 30.0, "spread": -10.0, "settlement": 1.0, "hours": -31.0, "recorded": 15.0,
    }  # fmt: skip
    assert set(found.changes) == {*SOURCES, *REST}
    assert found.rest == -16.0
    assert found.first + sum(found.changes[one] for one in SOURCES) + found.rest == found.last == 95.0


def test_another_chain_is_refused() -> None:
    with pytest.raises(ValueError, match="in this order"):
        explained(chain([1.0] * 7)[1:], "USD", "option_pnl")
    with pytest.raises(ValueError, match="trades in USD is not known of synthetic"):
        explained(chain([1.0] * 7), "USD", "trades")
