"""The client: what counts as a reply, and what everything else is called."""

from __future__ import annotations

from decimal import Decimal

import pytest

from optionwriter.adapters.deribit.client import MAX_REPLY_BYTES, DeribitClient
from optionwriter.adapters.deribit.errors import (
    REFUSALS,
    DeribitError,
    MalformedReplyError,
    NoReplyError,
    WrongEnvironmentError,
)
from optionwriter.adapters.deribit.wire import IndexPrice
from tests.adapters.deribit.scripted import LOST, NONSENSE, Scripted, err, ok

METHOD = "public/get_index_price"


def ask(reply: bytes | Exception, environment: str = "testnet") -> Decimal:
    client = DeribitClient(Scripted(**{METHOD.replace("/", "__"): reply}), environment)
    return client.call(METHOD, {"index_name": "btc_usd"}, IndexPrice).index_price


@pytest.mark.parametrize("digits", ["302.618692140000000000000001", "0.1", "80815.660", "1E-8", "0.00000001"])
def test_the_digits_of_the_wire_survive(digits: str) -> None:
    got = ask(b'{"jsonrpc":"2.0","result":{"index_price":%s},"testnet":true}' % digits.encode())
    assert got.as_tuple() == Decimal(digits).as_tuple()  # no digit more, none less


@pytest.mark.parametrize("name", [name for name in NONSENSE if name != "not UTF-8"])
def test_nonsense_is_malformed_and_says_what_it_was(name: str) -> None:
    body, word = NONSENSE[name]
    with pytest.raises(MalformedReplyError, match=word) as caught:
        ask(body)
    assert METHOD in str(caught.value)


def test_bytes_that_are_no_text_are_malformed() -> None:
    with pytest.raises(MalformedReplyError):
        ask(NONSENSE["not UTF-8"][0])


def test_a_lost_reply_and_an_endless_one() -> None:
    with pytest.raises(NoReplyError, match="timed out"):
        ask(LOST)
    with pytest.raises(MalformedReplyError, match="limit"):
        ask(b" " * (MAX_REPLY_BYTES + 1))


@pytest.mark.parametrize(
    ("environment", "flag", "taken"),
    [
        ("mainnet", False, True),
        ("mainnet", True, False),
        ("testnet", True, True),
        ("testnet", False, False),
        ("local", True, True),
        ("local", False, False),
    ],
)
def test_a_reply_of_the_other_network_is_refused(environment: str, flag: bool, taken: bool) -> None:
    reply = ok({"index_price": 1.5}, testnet=flag)
    if taken:
        assert ask(reply, environment) == Decimal("1.5")
        return
    with pytest.raises(WrongEnvironmentError, match="DERIBIT_ENV"):
        ask(reply, environment)
    with pytest.raises(WrongEnvironmentError):
        ask(err(10009, "not_enough_funds", testnet=flag), environment)


def test_the_exchanges_error_keeps_its_code_word_and_data() -> None:
    body = (
        b'{"jsonrpc":"2.0","error":{"code":-32602,"message":"Invalid params",'
        b'"data":{"param":"currency"}},"testnet":true}'
    )
    with pytest.raises(DeribitError) as caught:
        ask(body)
    assert (caught.value.code, caught.value.message) == (-32602, "Invalid params")
    assert "currency" in caught.value.data
    with pytest.raises(DeribitError):
        ask(err(10028, "too_many_requests", testnet=None))  # recorded without the flag


def test_a_refusal_is_its_code_with_its_word() -> None:
    for code, word in REFUSALS.items():
        assert DeribitError(code, word).is_refusal
        assert DeribitError(code, f"{word} 0.0115").is_refusal
        assert not DeribitError(code, "something_else").is_refusal
    assert DeribitError(-32602, "Invalid params").is_refusal
    # The other table of the same page of Deribit's calls 10009 an invalid argument (FACTS §6).
    assert not DeribitError(10009, "invalid_argument").is_refusal
    assert not DeribitError(10009, "not_enough_fundsX").is_refusal


@pytest.mark.parametrize(
    "code", [10001, 10003, 10028, 10040, 10047, 10066, 11031, 11051, 11094, 13028, 13888, 99999]
)
def test_an_unclear_code_is_no_refusal_whatever_its_word(code: int) -> None:
    for word in (*REFUSALS.values(), "timed_out", "internal_server_error"):
        assert not DeribitError(code, word).is_refusal


def test_an_unknown_environment_is_refused() -> None:
    with pytest.raises(ValueError, match="production"):
        DeribitClient(Scripted(), "production")
