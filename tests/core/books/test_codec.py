"""The written form of facts: whatever is written comes back, and nothing else is accepted."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optionwriter.core.books.codec import VERSIONS, from_json, to_json
from optionwriter.core.books.facts import Body, Deposited, Fact, FactError, Intent, LedgerOpened
from tests.core.books.story import Story

numbers = st.decimals(allow_nan=False, allow_infinity=False)
st.register_type_strategy(Decimal, numbers)
bodies = st.one_of([st.builds(body) for body in get_args(Body)])
facts = st.builds(Fact, body=bodies, version=st.just(1))


@given(facts)
def test_round_trip_keeps_everything_digits_included(fact: Fact) -> None:
    line = to_json(fact)
    back = from_json(line)
    assert back == fact and repr(back) == repr(fact)  # repr tells 1.0 from 1.00
    assert to_json(back) == line
    assert line.isascii() and "\n" not in line


def test_every_kind_has_a_version() -> None:
    assert set(VERSIONS) == {body.__name__ for body in get_args(Body)} and len(VERSIONS) == 13


def test_the_line_is_canonical() -> None:
    fact = Fact(
        2, 5, 6, "acc", "", "", "", Deposited("m1", "BTC", Decimal("2.50"), "opening", Decimal("9E+4"))
    )
    assert to_json(fact) == (
        '{"account":"acc","at_ms":5,"body":{"amount":"2.50","currency":"BTC","index":"9E+4","movement_id":"m1",'
        '"reason":"opening"},"chain_id":"","decision_id":"","kind":"Deposited","recorded_ms":6,"seq":2,'
        '"strategy_id":"","version":1}'
    )


def told() -> dict[str, object]:
    story = Story()
    story.prepare("s1")
    return json.loads(to_json(story.facts[-1]))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"kind": "Teleported"}, r"fact 3 is of the unknown kind 'Teleported': upgrade optionwriter"),
        ({"version": 2}, r"fact 3 is a IntentPrepared of version 2, .* knows version 1: upgrade"),
        ({"version": True}, "version True"),
        ({"extra": 1}, "fields differ from an envelope's: .'extra'"),
        ({"seq": "3"}, "'3' is no whole number"),
        ({"at_ms": 1.5}, r"1\.5 is no whole number"),
        ({"account": None}, "None is no text"),
        ({"body": {}}, "IntentPrepared has the fields intent"),
        ({"body": []}, "IntentPrepared has the fields intent"),
    ],
)
def test_a_foreign_line_is_refused_by_name(change: dict[str, object], why: str) -> None:
    with pytest.raises(FactError, match=why):
        from_json(json.dumps({**told(), **change}))


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("amount", 1.5, r"1\.5 is no text"),
        ("amount", "NaN", "'NaN' is not finite"),
        ("amount", "Infinity", "is not finite"),
        ("amount", "two", "'two' is no decimal number"),
        ("side", "short", "'short' is no Side"),
        ("action", ["x"], "is no Action"),
        ("reduce_only", 1, "1 is no yes or no"),
        ("step", True, "True is no whole number"),
    ],
)
def test_a_misshapen_body_is_refused(field: str, value: object, why: str) -> None:
    document = told()
    document["body"]["intent"][field] = value
    with pytest.raises(FactError, match=why):
        from_json(json.dumps(document))


@pytest.mark.parametrize("line", ["", "{", "[]", "null", "7", "{}", '"x"', "\x00\x00", "[" * 10_000])
def test_what_is_no_fact_at_all_is_refused(line: str) -> None:
    with pytest.raises(FactError, match="no fact: the ledger is damaged"):
        from_json(line)


def test_what_cannot_be_read_back_is_not_written() -> None:
    fact = Fact(1, 5, 6, "acc", "", "", "", LedgerOpened("local", "live"))
    with pytest.raises(FactError, match="finite"):
        to_json(replace(fact, body=Deposited("m", "BTC", Decimal("NaN"), "", Decimal(1))))
    with pytest.raises(FactError, match="1 is no Decimal"):
        to_json(replace(fact, body=Deposited("m", "BTC", 1, "", Decimal(1))))
    with pytest.raises(FactError, match="version 2"):
        to_json(replace(fact, version=2))
    with pytest.raises(FactError, match=r"cannot be written: 1\.5 is no whole number"):
        to_json(replace(fact, at_ms=1.5))


def test_an_intent_survives_whole() -> None:
    story = Story()
    story.prepare("s1")
    back = from_json(to_json(story.facts[-1]))
    assert isinstance(back.body.intent, Intent) and back == story.facts[-1]
