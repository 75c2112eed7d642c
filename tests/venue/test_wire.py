"""Bytes: the envelope, and numbers that read back as they were."""

from __future__ import annotations

import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optionwriter.ports import Transport
from optionwriter.venue.engine import Engine, Reply
from optionwriter.venue.errors import VenueError, invalid
from optionwriter.venue.values import number_text
from optionwriter.venue.wire import InProcessVenue, reply_bytes
from tests.venue.desk import CASH
from tests.venue.flat_feed import START, FlatFeed

MONEY = st.decimals(min_value=-(10**9), max_value=10**9, places=8, allow_nan=False)


@given(MONEY)
def test_a_decimal_reads_back_as_itself(value: Decimal) -> None:
    text = number_text(value)
    assert "e" not in text.lower() and not text.startswith("-0.0 ")
    assert Decimal(text) == value
    assert msgspec.json.decode(text.encode(), type=Decimal) == value
    assert json.loads(text, parse_float=Decimal) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [("1E-8", "0.00000001"), ("2.00000000", "2.0"), ("82000", "82000.0"), ("-0", "0.0"), ("1E+3", "1000.0")],
)
def test_numbers_have_no_exponent_and_no_needless_zeros(value: str, text: str) -> None:
    assert number_text(Decimal(value)) == text


def test_numbers_that_are_none_are_refused() -> None:
    for value in ("NaN", "Infinity"):
        with pytest.raises(ValueError, match="no number for the wire"):
            number_text(Decimal(value))


def test_the_envelope_of_a_result() -> None:
    reply = Reply({"a": [Decimal("0.10"), None, True, "x"]}, None, ())
    assert reply_bytes(reply, 7, 1_000, 1_250) == (
        b'{"jsonrpc":"2.0","id":7,"result":{"a":[0.1,null,true,"x"]},'
        b'"usIn":1000,"usOut":1250,"usDiff":250,"testnet":true}'
    )
    assert b'"id"' not in reply_bytes(reply, None, 0, 0)


def test_the_envelope_of_a_refusal() -> None:
    body = json.loads(reply_bytes(Reply(None, invalid("price", "value required"), ()), 1, 0, 0))
    assert body["error"] == {
        "code": -32602,
        "message": "Invalid params",
        "data": {"reason": "value required", "param": "price"},
    }
    assert "result" not in body
    plain = json.loads(reply_bytes(Reply(None, VenueError(10007, "0.0175"), ()), 1, 0, 0))
    assert plain["error"] == {"code": 10007, "message": "price_too_high 0.0175"}


def test_the_exchange_in_process_is_a_transport_whose_time_stands_still() -> None:
    venue = InProcessVenue(Engine(FlatFeed(), {"me": CASH}, START), "me")
    transport: Transport = venue
    first = json.loads(transport.call("public/get_time", {}))
    assert first["result"] == START and first["usOut"] == START * 1_000 and first["testnet"] is True
    venue.advance(START + 60_000)
    second = json.loads(transport.call("public/get_time", {}))
    assert (second["result"], second["id"]) == (START + 60_000, first["id"] + 1)
    assert json.loads(transport.call("private/get_positions", {}))["result"] == []
