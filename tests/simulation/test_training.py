"""Ten recorded days of training on both coins: ladders of six calls, rolled, never naked at any cycle."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest

from optionwriter.bootstrap.desks import seat_sample
from optionwriter.bootstrap.parts import LOG_FOLDER
from optionwriter.core.books.account import AccountSnapshot
from optionwriter.core.books.book import open_chains
from optionwriter.core.books.facts import IntentPrepared
from optionwriter.core.books.ledger import replay
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR, parse_instrument
from optionwriter.services.agent import run_agent
from optionwriter.services.cycle import CycleReport
from optionwriter.settings import Settings

pytestmark = pytest.mark.slow
DAYS, COINS, MOST = 10, ("BTC", "ETH"), 6


@dataclass
class Log:
    """What was seen of each cycle."""

    accounts: list[AccountSnapshot] = field(default_factory=list)
    calls: list[Counter[str]] = field(default_factory=list)  # of our open chains, by coin
    codes: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    idle: list[str] = field(default_factory=list)

    def tell(self, report: CycleReport) -> None:
        book = report.state.book
        self.accounts.append(report.state.account)
        legs = [leg.instrument for one in open_chains(book) for leg in one.open_legs if leg.position < 0]
        assert len(legs) == len(set(legs)), "one instrument in two chains"
        self.calls.append(Counter(parse_instrument(name).product.underlying for name in legs))
        for one in report.review.refused:
            self.codes.update(str(code) for code in one.codes)
        for approved in report.review.approved:
            self.done[approved.item.action] += 1
        self.failures += [one.failure for one in report.proposed if one.failure]
        self.failures += [str(one) for one in report.differences]
        self.idle += [one.choice.note for one in report.proposed if not one.chosen]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Log, list[object]]:
    folder = tmp_path_factory.mktemp("training")
    log, complaints = Log(), list[str]()
    chosen = Settings(data_dir=folder, dry_run=False, training_mode=True)
    with seat_sample(chosen, fresh=False, interval_ms=2 * MS_PER_HOUR) as seated:
        run_agent(
            seated.desk,
            until_ms=seated.desk.clock.now_ms() + DAYS * MS_PER_DAY,
            interval_ms=2 * MS_PER_HOUR,
            tell=log.tell,
            complain=complaints.append,
            stop=seated.at_the_end,
        )
        facts = list(seated.desk.recorder.facts())
        assert replay(facts).open_ids == seated.desk.recorder.book.open_ids
    assert not complaints
    return folder, log, [one.body for one in facts]


def test_ladders_grow_to_six_on_each_coin_and_no_further(ran: tuple[Path, Log, list[object]]) -> None:
    _, log, _ = ran
    for coin in COINS:
        assert max(one[coin] for one in log.calls) == MOST


def test_never_naked_at_any_cycle_by_the_accounts_own_figures(ran: tuple[Path, Log, list[object]]) -> None:
    _, log, _ = ran
    assert len(log.accounts) > DAYS * 12 - 2
    for seen in log.accounts:
        for coin in COINS:
            cash = seen.currency(coin)
            assert cash is not None
            sold = sum(
                (-one.amount for one in seen.positions if one.instrument.startswith(f"{coin}-")), Decimal(0)
            )
            resting = sum(
                (one.amount - one.filled_amount for one in seen.open_orders
                 if one.instrument.startswith(f"{coin}-") and one.side.value == "sell"), Decimal(0),
            )  # fmt: skip
            assert sold + resting <= min(cash.balance, cash.margin_balance), (seen.at_ms, coin)


def test_every_order_is_the_smallest_lot(ran: tuple[Path, Log, list[object]]) -> None:
    _, _, bodies = ran
    sold = [one.intent for one in bodies if isinstance(one, IntentPrepared)]
    assert len(sold) > 12
    for intent in sold:
        assert intent.amount == parse_instrument(intent.instrument).product.min_amount


def test_rolls_happen_and_collide_with_nothing(ran: tuple[Path, Log, list[object]]) -> None:
    _, log, _ = ran
    assert log.done["ROLL_CALL"] > 3, (log.done, log.codes)
    assert not log.failures
    assert set(log.codes) <= {"INSTRUMENT_TAKEN"}, log.codes  # two rolls wanting one target: the second waits
    assert sum(log.codes.values()) <= log.done["ROLL_CALL"]


def test_idle_cycles_say_that_the_maximum_is_reached(ran: tuple[Path, Log, list[object]]) -> None:
    _, log, _ = ran
    assert log.idle
    for note in log.idle:
        for part in note.split("; "):
            assert (
                "the most that training has" in part
                or "no call is on the menu" in part
                or "every call" in part
            )


def test_the_log_carries_the_diagnostics_of_every_action(ran: tuple[Path, Log, list[object]]) -> None:
    folder, _, _ = ran
    lines = [json.loads(one) for path in sorted((folder / LOG_FOLDER).glob("agent_decisions_*.jsonl"))
             for one in path.read_text().splitlines()]  # fmt: skip
    actions = [one for line in lines for one in line["proposed"]["actions"]]
    assert len(actions) > 12
    by_profile = Counter(one["because"] for one in actions)
    assert {"profile conservative", "profile moderate", "profile aggressive"} <= set(by_profile)
    for one in actions:
        if one["action"] == "OPEN_COVERED_CALL":
            assert 1 <= one["dte"] <= 21 and 0 < one["delta"] < 1
            assert one["premium_usd"] > 0 and one["ivrv"] > 0
    assert {line["choice"]["chooser"] for line in lines} == {"training"}
    assert {line["choice"]["propensity"] for line in lines} == {1.0}
