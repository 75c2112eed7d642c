"""Several strategies at one desk: in declared order, and what one does wrong is its own affair."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from optionwriter.bootstrap.desks import Desktop, seat_sample
from optionwriter.core.decide.choosing import Choice, ChoiceParams, choose_best
from optionwriter.core.decide.menu import Menu
from optionwriter.core.decide.risk import Capacity
from optionwriter.core.decide.state import AgentState
from optionwriter.core.decide.strategies.base import StrategyConfig
from optionwriter.core.decide.strategies.registry import strategy
from optionwriter.core.market.instruments import MS_PER_HOUR
from optionwriter.services.cycle import CycleReport, Desk, run_cycle
from optionwriter.services.proposed import Seat
from optionwriter.settings import Settings

SELLER = strategy("covered_call")


@dataclass(frozen=True)
class Broken:
    """A strategy that takes a good one's menus and spoils them, or fails."""

    how: str
    writes: tuple[str, ...] = ("covered_call",)

    def propose(self, state: AgentState, config: StrategyConfig, capacity: Capacity) -> Sequence[Menu]:
        if self.how == "raises":
            raise ZeroDivisionError("a strategy's own mistake")
        if self.how == "nothing":
            return None
        if self.how == "words":
            return ["a menu"]
        good = list(SELLER.propose(state, config, capacity))
        return [self.spoilt(menu) for menu in good]

    def spoilt(self, menu: Menu) -> Menu:
        first, *rest = menu.items
        changed: dict[str, Any] = {
            "another's menu": lambda: replace(menu, strategy_id="good"),
            "another's items": lambda: replace(
                menu, items=tuple(replace(one, key=one.key.replace("bad/", "good/", 1)) for one in menu.items)
            ),
            "NaN scores": lambda: replace(
                menu, items=tuple(replace(one, score=math.nan) for one in menu.items)
            ),
            "no legs": lambda: replace(menu, items=(replace(first, legs=()), *rest)),
            "made-up symbols": lambda: replace(
                menu,
                items=(replace(first, legs=(replace(first.legs[0], instrument="BTC-1JAN30-1-X"),)), *rest),
            ),
            "one key twice": lambda: replace(menu, items=(first, replace(first, score=9.0), *rest)),
        }
        return changed[self.how]()


@pytest.fixture
def seated(tmp_path: Path) -> Iterator[Desktop]:
    chosen = Settings(data_dir=tmp_path, dry_run=False, underlyings=("BTC",), local_eth=Decimal(0))
    with seat_sample(chosen, fresh=False, interval_ms=MS_PER_HOUR) as desktop:
        yield desktop


def config(name: str, desk: Desk) -> StrategyConfig:
    return replace(desk.seats[0].config, id=name, kind="covered_call", writes=("covered_call",))


def cycle_with(desktop: Desktop, *seats: tuple[str, Any, Any]) -> CycleReport:
    desk = desktop.desk
    return run_cycle(
        replace(
            desk,
            seats=tuple(
                Seat(strategy_, config(name, desk), choose, ChoiceParams(0.0))
                for name, strategy_, choose in seats
            ),
        )
    )


def raising(menus: Sequence[Menu], params: ChoiceParams) -> Choice:
    raise RuntimeError("a chooser's own mistake")


def off_the_menu(menus: Sequence[Menu], params: ChoiceParams) -> Choice:
    return Choice(("bad/BTC/open/BTC-1JAN30-1-C/full", "good/BTC/open/whatever"))


@pytest.mark.parametrize(
    "how",
    ["raises", "nothing", "words", "another's menu", "another's items", "NaN scores", "no legs", "made-up symbols",
     "one key twice"],
)  # fmt: skip
def test_a_broken_strategy_stops_neither_the_others_nor_the_review(seated: Desktop, how: str) -> None:
    report = cycle_with(seated, ("bad", Broken(how), choose_best), ("good", SELLER, choose_best))
    bad, good = report.proposed
    assert bad.failure or bad.dropped
    assert not good.failure and not good.dropped
    mine = [one for one in report.review.approved if one.proposal.strategy_id == "good"]
    if how in (
        "no legs",
        "made-up symbols",
        "one key twice",
    ):  # the rest of its menu is its own, and came first
        assert [one.proposal.strategy_id for one in report.review.approved] == ["bad"]
        assert [one.codes for one in report.review.refused] != []
    else:
        assert len(mine) == 1 and [one.outcome for one in report.executions] == ["filled"]
    assert {one.strategy_id for one in report.decisions} == {"bad", "good"}


@pytest.mark.parametrize("choose", [raising, off_the_menu])
def test_a_broken_chooser_stops_nobody_else(seated: Desktop, choose: Any) -> None:
    report = cycle_with(seated, ("bad", SELLER, choose), ("good", SELLER, choose_best))
    assert [one.proposal.strategy_id for one in report.review.approved] == ["good"]
    assert bool(report.proposed[0].failure) is (choose is raising)


def test_strategies_are_reviewed_in_declared_order_and_an_instrument_is_one_strategys(
    seated: Desktop,
) -> None:
    report = cycle_with(seated, ("first", SELLER, choose_best), ("second", SELLER, choose_best))
    assert [one.proposal.strategy_id for one in report.review.approved] == ["first"]
    (refused,) = report.review.refused
    assert refused.proposal.strategy_id == "second"
    assert {"INSTRUMENT_TAKEN", "CHAINS"} <= {str(one) for one in refused.codes}


def test_the_next_cycle_goes_on_after_a_failure(seated: Desktop) -> None:
    for _ in range(2):
        report = cycle_with(seated, ("bad", Broken("raises"), choose_best), ("good", SELLER, choose_best))
        assert report.proposed[0].failure == "ZeroDivisionError: a strategy's own mistake"
        seated.desk.clock.sleep_until(seated.desk.clock.now_ms() + MS_PER_HOUR)
    assert len(report.state.book.open_ids) == 1
