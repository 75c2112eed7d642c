"""build_state: what it joins, and which contradictions it flags."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from optionwriter.core.books.account import Position
from optionwriter.core.books.book import Book
from optionwriter.core.decide.fingerprint import fingerprint
from optionwriter.core.decide.state import StateError, build_state
from tests.core.decide.worlds import (
    NOW,
    Ledger,
    account,
    chain_at,
    context_of,
    currency,
    state_of,
    with_column,
)

D = Decimal
CHAIN = chain_at()
SOLD = "BTC-17JAN26-102000-C"


def flags(state: Any) -> list[str]:
    return [flag.detail for flag in state.flags]


def test_a_held_option_is_told_apart_from_what_is_external() -> None:
    ledger = Ledger()
    ledger.sold(SOLD, "0.4", "0.005")
    state = state_of(CHAIN, account=account(positions={SOLD: "-1"}), book=ledger.book)
    (held,) = state.held
    assert (held.amount, held.ours, held.external) == (-1, D("-0.4"), D("-0.6"))
    assert held.otm == pytest.approx(102_000 / 93_000 - 1)
    assert held.days_to_expiry == pytest.approx(11 + 20 / 24)
    assert held.delta == pytest.approx(0.1358, abs=0.0001)  # ln(93/102) = -0.09237, s√T = 0.08103, N(-1.0995)
    assert held.mark == pytest.approx(0.005373)
    assert state.flags == ()


def test_equity_counts_every_currency_at_its_price() -> None:
    ether = chain_at("ETH", spot=3_200.0)
    seen = account(
        currency("BTC", "2", "-0.1"), currency("ETH", "10"), currency("USDC", "500"), currency("SOL", "9")
    )
    state = build_state(
        NOW,
        seen,
        Book(),
        {"BTC": CHAIN, "ETH": ether},
        {name: context_of(name, NOW, 0.4) for name in ("BTC", "ETH")},
        usdc_index=D("0.999"),
    )
    assert state.equity_usd == D("1.9") * 93_000 + 32_000 + D("499.5")


def test_an_underlying_needs_its_index_and_its_context() -> None:
    blind = state_of(replace(CHAIN, index_price=float("nan")), account=account())
    assert blind.underlyings == {}
    assert "index" in flags(blind)[0]
    assert build_state(NOW, account(), Book(), {"BTC": CHAIN}, {}).underlyings == {}


def test_the_linear_chains_index_stands_in_when_the_coins_own_is_not_there() -> None:
    linear = chain_at("BTC_USDC", spot=92_990.0)
    assert state_of(linear, account=account()).index("BTC") == 92_990
    assert state_of(linear, CHAIN, account=account()).index("BTC") == 93_000


def test_a_chain_under_a_wrong_name_is_an_error() -> None:
    with pytest.raises(StateError, match="ETH"):
        build_state(NOW, account(), Book(), {"ETH": CHAIN}, {})


def test_futures_and_unknown_options_are_foreign() -> None:
    seen = account(positions={"BTC-PERPETUAL": "10", "SOL_USDC-27MAR26-200-C": "-1", SOLD: "-1"})
    state = state_of(CHAIN, account=seen)
    assert state.foreign == ("BTC-PERPETUAL", "SOL_USDC-27MAR26-200-C")
    assert [one.option.name for one in state.held] == [SOLD]


def ledger_of(amount: str) -> Book:
    ledger = Ledger()
    ledger.sold(SOLD, amount, "0.005")
    return ledger.book


@pytest.mark.parametrize(
    ("build", "word"),
    [
        (
            lambda: state_of(CHAIN, account=account(replace(currency("BTC", "1"), margin_balance=D("1.1")))),
            "margin",
        ),
        (
            lambda: state_of(CHAIN, account=account(replace(currency("BTC", "1"), balance=D("NaN")))),
            "no number",
        ),
        (
            lambda: state_of(
                CHAIN, account=replace(account(), positions=(Position(SOLD, D("NaN"), D(0), D(0)),))
            ),
            "number",
        ),
        (lambda: state_of(CHAIN, account=account(), book=ledger_of("1")), "venue shows 0"),
        (
            lambda: state_of(CHAIN, account=account(positions={SOLD: "-0.5"}), book=ledger_of("1")),
            "venue shows -0.5",
        ),
        (
            lambda: state_of(CHAIN, account=account(positions={SOLD: "1"}), book=ledger_of("1")),
            "venue shows 1",
        ),
        (lambda: state_of(CHAIN, account=replace(account(), account_id="B2"), book=ledger_of("1")), "B2"),
        (
            lambda: state_of(CHAIN, account=replace(account(), environment="mainnet"), book=ledger_of("1")),
            "mainnet",
        ),
        (
            lambda: build_state(
                NOW, account(), Book(), {"BTC": CHAIN}, {"BTC": context_of("BTC", NOW + 1, 0.4)}
            ),
            "future",
        ),
        (lambda: state_of(replace(CHAIN, bid=CHAIN.bid[:-1]), account=account()), "lengths"),
    ],
)
def test_contradictions_are_flagged(build: Any, word: str) -> None:
    assert any(word in detail for detail in flags(build()))


def test_the_fingerprint_is_the_markets_content() -> None:
    def of(chain: Any = CHAIN, cash: str = "1", at_ms: int = NOW, realised: float = 0.4) -> str:
        return fingerprint(
            state_of(chain, account=account(currency("BTC", cash)), at_ms=at_ms, realised=realised)
        )

    assert of() == of(chain_at()) == of(cash="1.00000001")
    others = {
        of(with_column(CHAIN, "bid", SOLD, 0.0049)),
        of(with_column(CHAIN, "mark_iv", SOLD, 0.4501)),
        of(at_ms=NOW + 1),
        of(realised=0.41),
    }
    assert len(others | {of()}) == 5
