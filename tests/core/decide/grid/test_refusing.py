"""What the compiled driver does not take it names."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from optionwriter.core.decide.grid.refusing import fill_share, why_not
from optionwriter.core.decide.limits import Bounds, Limits
from optionwriter.core.decide.strategies.base import StrategyConfig, Style

TAKEN = StrategyConfig("x", underlyings=("BTC",))


def test_the_default_writer_on_one_coin_is_taken() -> None:
    assert why_not(TAKEN, Limits(), "share") is None
    assert why_not(replace(TAKEN, style=Style.WORK), Limits(), "mid") is None


@pytest.mark.parametrize(
    ("changes", "limits", "fill", "word"),
    [
        ({"kind": "wheel"}, {}, "share", "wheel"),
        ({"underlyings": ("BTC", "ETH")}, {}, "share", "2 underlyings"),
        ({"style": Style.MID}, {}, "share", "middle"),
        ({}, {}, "probability", "probability"),
        ({"max_chains": 2}, {"max_call_chains": 2}, "share", "call chains"),
        ({"limits": Bounds(max_vega_usd=Decimal(5))}, {}, "share", "max_vega_usd"),
        ({}, {"strategies": {"x": Bounds(max_chains_total=1)}}, "share", "max_chains_total"),
    ],
)
def test_what_is_refused_is_named(changes: Any, limits: Any, fill: str, word: str) -> None:
    why = why_not(replace(TAKEN, **changes), Limits(**limits), fill)
    assert why is not None
    assert word in why


def test_several_chains_are_taken_when_either_bound_is_one() -> None:
    assert why_not(replace(TAKEN, max_chains=3), Limits(), "cross") is None


def test_the_share_that_fills_keep() -> None:
    assert [fill_share(one, Decimal("0.25")) for one in ("cross", "mid", "share")] == [
        Decimal(0), Decimal("0.5"), Decimal("0.25"),
    ]  # fmt: skip
