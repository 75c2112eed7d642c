"""Labels, ids and intents; price steps."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optionwriter.core.books.account import Side
from optionwriter.core.decide.execution import lowered, price_steps, step_price
from optionwriter.core.decide.limits import Limits
from optionwriter.core.decide.orders import (
    MAX_LABEL,
    LabelError,
    chain_id_of,
    decision_id,
    make_label,
    plan_orders,
    read_label,
)
from optionwriter.core.decide.risk import Approved, review
from optionwriter.core.market.instruments import product
from tests.core.decide.worlds import NOW, account, chain_at, item, proposal, sell, state_of

D = Decimal
CHAIN = chain_at()
NAME = "BTC-17JAN26-102000-C"
ALLOWED = re.compile(r"[A-Za-z0-9_.-]+")


def approved(key: str = "cc/BTC/open/x/full", start: str = "0.005") -> Approved:
    """An approved sale of one call."""
    leg = replace(sell(NAME, "1", "0.005"), start_price=D(start))
    result = review(state_of(CHAIN, account=account()), Limits(), [proposal(item(leg, key=key))])
    assert result.refused == (), result.refused
    return result.approved[0]


def test_nobody_else_can_approve() -> None:
    with pytest.raises(TypeError, match=r"only risk\.review"):
        Approved(proposal(item(sell(NAME, "1", "0.005"))))


def test_an_intent_is_what_was_approved() -> None:
    (intent,) = plan_orders(approved(), "d1", "CCBOT_", NOW, 5_000)
    assert (intent.instrument, intent.side, intent.amount, intent.limit_price) == (
        NAME,
        Side.SELL,
        1,
        D("0.005"),
    )
    assert intent.valid_until_ms == NOW + 5_000
    assert not intent.reduce_only
    found = read_label(intent.label, "CCBOT_")
    assert found is not None
    assert (found.plan, found.step, found.attempt) == (intent.plan, 0, 0)


def test_the_same_decision_spells_the_same_labels_and_another_never_does() -> None:
    one = approved()
    again = approved()
    assert plan_orders(one, "d1", "CCBOT_", NOW, 5_000) == plan_orders(again, "d1", "CCBOT_", NOW, 5_000)
    labels = {
        plan_orders(approved(key), decision, "CCBOT_", NOW, 5_000, attempt, 3)[0].label
        for key in ("cc/BTC/open/x/full", "cc/BTC/open/x/half")
        for decision in ("d1", "d2")
        for attempt in range(3)
    }
    assert len(labels) == 12
    assert chain_id_of(one, "d1") == chain_id_of(again, "d1") != chain_id_of(one, "d2")


def test_decision_ids_follow_content() -> None:
    first = decision_id("A1", "cc", NOW, "f", ["k1", "k2"])
    assert first == decision_id("A1", "cc", NOW, "f", ["k1", "k2"])
    others = {
        decision_id("A2", "cc", NOW, "f", ["k1", "k2"]),
        decision_id("A1", "cd", NOW, "f", ["k1", "k2"]),
        decision_id("A1", "cc", NOW + 1, "f", ["k1", "k2"]),
        decision_id("A1", "cc", NOW, "g", ["k1", "k2"]),
        decision_id("A1", "cc", NOW, "f", ["k2", "k1"]),
        decision_id("A1", "cc", NOW, "f", ["k1,k2"]),
    }
    assert len(others | {first}) == 7


PREFIXES = st.from_regex(r"[A-Za-z0-9_.-]{1,24}", fullmatch=True)


@given(
    PREFIXES, st.text("0123456789abcdef", min_size=24, max_size=24), st.integers(0, 99), st.integers(0, 9999)
)
def test_labels_fit_the_exchange_and_read_back(prefix: str, plan: str, step: int, attempt: int) -> None:
    label = make_label(prefix, plan, step, attempt)
    assert len(label) <= MAX_LABEL
    assert ALLOWED.fullmatch(label)
    assert read_label(label, prefix) == (plan, step, attempt)


@given(st.integers(0, 44), st.characters(codec="ascii"))
def test_a_label_with_one_other_letter_is_a_strangers(place: int, letter: str) -> None:
    label = make_label("CCBOT_", "0123456789abcdef01234567", 0)
    changed = label[:place] + letter + label[place + 1 :]
    if changed != label:
        assert read_label(changed, "CCBOT_") is None


@pytest.mark.parametrize("label", ["", "CCBOT_", "CCBOT_manual", "CCBOT_0123456789abcdef01234567.0.0.000000"])
def test_what_only_begins_like_ours_is_not_ours(label: str) -> None:
    assert read_label(label, "CCBOT_") is None


@pytest.mark.parametrize("prefix", ["", "a b", "x" * 25, "é"])
def test_a_bad_prefix_is_refused(prefix: str) -> None:
    with pytest.raises(LabelError, match="prefix"):
        make_label(prefix, "0123456789abcdef01234567", 0)


def test_a_worked_order_steps_from_its_start_to_its_limit() -> None:
    one = approved(start="0.0065")
    prices = [plan_orders(one, "d1", "CCBOT_", NOW, 5_000, n, 4)[0].limit_price for n in range(6)]
    assert prices == [D("0.0065"), D("0.006"), D("0.0055"), D("0.005"), D("0.005"), D("0.005")]


GRID = st.integers(1, 400).map(lambda n: D(n) * D("0.0005"))


@given(st.sampled_from(Side), GRID, GRID, st.integers(1, 8))
def test_steps_only_near_the_limit_and_never_pass_it(
    side: Side, start: Decimal, limit: Decimal, n: int
) -> None:
    book = product("BTC")
    steps = [step_price(book, side, start, limit, k, n) for k in range(n + 1)]
    assert all((limit - price) * side.sign >= 0 for price in steps)
    assert steps == sorted(steps, reverse=side is Side.SELL)
    assert steps[-1] == limit
    assert all(book.price_on_grid(price) for price in steps)
    assert price_steps(book, side, start, limit, n)[-1] == limit


def test_an_intent_is_never_grown() -> None:
    (intent,) = plan_orders(approved(), "d1", "CCBOT_", NOW, 5_000)
    assert lowered(intent, D("0.4")) == replace(intent, amount=D("0.4"))
    assert lowered(intent, D("7")) == intent
    assert lowered(intent, D(0)) is None
