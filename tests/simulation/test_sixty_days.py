"""Sixty recorded days, both coins, live orders to the exchange engine: everything happens, and the books are exact."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from simulation.runs import Ran, simulate

from optionwriter.bootstrap.parts import LEDGER_FILE, LOG_FOLDER
from optionwriter.core.books.codec import to_json
from optionwriter.core.books.facts import Deposited, Filled, IntentPrepared, Settled
from optionwriter.core.books.ledger import replay
from optionwriter.core.books.pnl import Prices, account_pnl, chain_pnl
from optionwriter.core.market.money import EXACT

pytestmark = pytest.mark.slow
DAYS, DAYS_AGAIN = 60, 20
SETTINGS: dict[str, object] = {
    "strategies_file": Path(__file__).parent / "strategies.toml",
    "candidate_retention_days": DAYS,  # the first days are compared after the last
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ran]:
    folder = tmp_path_factory.mktemp("sixty")
    return folder, simulate(folder, DAYS, live=True, settings=SETTINGS)


def prices(ran: Ran) -> Prices:
    state = ran.last.state
    marks = {one.instrument: one.mark_price for one in ran.account.positions}
    return Prices(marks, {"USDC": Decimal(1), **{name: one.index for name, one in state.underlyings.items()}})


def test_everything_that_the_rules_can_do_has_happened(ran: tuple[Path, Ran]) -> None:
    _, result = ran
    reasons = {(fact.body.intent.reason, fact.body.intent.instrument[:3])
               for fact in result.facts if isinstance(fact.body, IntentPrepared)}  # fmt: skip
    settled = [fact.body for fact in result.facts if isinstance(fact.body, Settled)]
    rolled = [chain for chain in result.book.chains.values() if chain.rolls]
    assert {coin for _, coin in reasons} == {"BTC", "ETH"}
    assert any("profit" in reason for reason, _ in reasons), reasons
    assert rolled
    assert any(one.payoff < 0 for one in settled) and any(one.payoff == 0 for one in settled)
    assert not any(one.differences or one.failures for one in result.cycles)


def test_the_ledger_equals_the_exchanges_own_log(ran: tuple[Path, Ran]) -> None:
    _, result = ran
    for currency, entries in result.log.items():
        opening = sum((fact.body.amount for fact in result.facts
                       if isinstance(fact.body, Deposited) and fact.body.currency == currency), Decimal(0))  # fmt: skip
        changes = sum(
            (Decimal(str(entry["change"])) for entry in entries if entry["type"] != "deposit"), Decimal(0)
        )
        assert opening + changes == result.book.cash.get(currency, Decimal(0))
        by_trade: dict[str, Decimal] = {}
        for entry in entries:
            if entry["type"] == "trade":
                trade = str(entry["trade_id"])
                by_trade[trade] = by_trade.get(trade, Decimal(0)) + Decimal(str(entry["change"]))
        ours = {
            fact.body.trade_id: fact.body.cash - fact.body.fee
            for fact in result.facts
            if isinstance(fact.body, Filled) and fact.body.instrument.startswith(currency + "-")
        }
        assert ours == by_trade


def test_coin_and_dollars_add_up_to_the_last_digit(ran: tuple[Path, Ran]) -> None:
    _, result = ran
    now = prices(ran[1])
    held = {one.instrument: one.amount for one in result.account.positions}
    account = account_pnl(result.book, held, now)
    assert EXACT.add(account.option_usd, account.holding_usd) == account.gain_usd
    for one in account.currencies:
        venue = result.account.currency(one.currency)
        assert venue is not None and result.book.cash.get(one.currency, Decimal(0)) == venue.balance
        chains = [
            chain_pnl(chain, now).total
            for chain in result.book.chains.values()
            if chain.product == one.currency
        ]
        assert sum((total.coin for total in chains), Decimal(0)) == one.option.coin
        total_usd = Decimal(0)
        for total in chains:
            total_usd = EXACT.add(total_usd, total.usd)
        assert total_usd == one.option.usd


def test_replaying_the_facts_gives_the_book(ran: tuple[Path, Ran]) -> None:
    _, result = ran
    again = replay(result.facts)
    assert again.cash == result.book.cash and again.totals == result.book.totals
    assert dict(again.chains) == dict(result.book.chains) and dict(again.orders) == dict(result.book.orders)


def test_never_naked_at_any_cycle(ran: tuple[Path, Ran]) -> None:
    _, result = ran
    for cycle in result.cycles:
        account = cycle.account
        for coin in ("BTC", "ETH"):
            short = -sum(
                (one.amount for one in account.positions if one.instrument.startswith(coin + "-")), Decimal(0)
            )
            seen = account.currency(coin)
            assert seen is not None and short <= seen.balance, (cycle.at_ms, coin, short, seen.balance)


def test_a_second_run_tells_byte_for_byte_what_the_first_told(ran: tuple[Path, Ran], tmp_path: Path) -> None:
    """For its days: they end in the middle of the first run, so each file is how that run's began."""
    folder, result = ran
    again = simulate(tmp_path, DAYS_AGAIN, live=True, settings=SETTINGS)
    facts = [to_json(fact) for fact in again.facts]
    assert [to_json(fact) for fact in result.facts[: len(facts)]] == facts
    assert any(isinstance(fact.body, Settled) for fact in again.facts)
    written = {
        str(path.relative_to(tmp_path)): path.read_bytes()
        for path in tmp_path.rglob("*")
        if path.is_file() and LEDGER_FILE not in path.name and not path.parent.name.endswith(".parts")
    }
    assert sum(name.startswith(LOG_FOLDER) for name in written) > 2 * DAYS_AGAIN, "two files a day"
    for name, told in written.items():
        assert (folder / name).read_bytes().startswith(told), name
