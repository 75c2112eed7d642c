"""Every request that the adapter sends, and every shape that it reads, against the official specification.

The adapter is driven through all it can do on the local exchange, and once its code is read for methods that were not
reached, so that nothing escapes the comparison.
"""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

import optionwriter.adapters.deribit as adapter
from optionwriter.adapters.deribit.broker import DeribitBroker
from optionwriter.adapters.deribit.client import DeribitClient
from optionwriter.adapters.deribit.http import Answer
from optionwriter.adapters.deribit.market import DeribitMarket
from optionwriter.adapters.deribit.quotes import WireQuotes
from optionwriter.adapters.deribit.secret import Secret
from optionwriter.adapters.deribit.server_time import exchange_time
from optionwriter.adapters.deribit.session import Session
from optionwriter.adapters.deribit.token import Credentials, TokenOwner
from optionwriter.core.books.account import Acknowledged, Found, Side
from optionwriter.core.market.instruments import next_expiry_instant
from optionwriter.ports import MarketUnavailableError
from tests.adapters.deribit.scripted import ok
from tests.contracts.brokers import CALL, HOUR, PUT, TEN, Seat, deribit
from tests.venue.flat_feed import FlatFeed
from tests.venue.openapi import resolve, result_schema, specification

pytestmark = pytest.mark.shared
DAY = 24 * HOUR


@dataclass
class Seen:
    """One call: what was sent, and the shape that was wanted."""

    method: str
    params: Mapping[str, Any]
    shape: Any


SEEN: list[Seen] = []


class _Granting:
    """A wire that knows public/auth, which the in-process exchange doesn't."""

    def post(self, method: str, params: Mapping[str, object], bearer: Secret | None) -> Answer:
        scope = "account:read trade:read_write"
        return Answer(ok({"access_token": "t", "expires_in": 9, "scope": scope}), None)


@pytest.fixture(scope="module")
def seen() -> list[Seen]:
    """All that the adapter does, done once. Network methods that the local exchange lacks are answered by a script."""
    patch = pytest.MonkeyPatch()
    true_call = DeribitClient.call

    def call(self: DeribitClient, method: str, params: Mapping[str, object], result: Any) -> Any:
        SEEN.append(Seen(method, dict(params), result))
        return true_call(self, method, params, result)

    SEEN.clear()
    patch.setattr(DeribitClient, "call", call)
    feed = FlatFeed()
    feed.pin(CALL, TEN, 0.0120, 0.0125, 0.5, 0.3)
    seat = deribit(feed)
    trade(seat)
    assert seat.wire is not None
    client = DeribitClient(seat.wire, "local")
    market = DeribitMarket(client, seat.clock)
    for code in ("BTC", "BTC_USDC"):
        market.chain(code)
    for underlying in ("BTC", "ETH"):
        with contextlib.suppress(MarketUnavailableError):  # the flat feed has little of a past
            market.history(underlying)
    quotes = WireQuotes(client, seat.clock)
    alive = market.chain("BTC").table.names[:2]
    quotes.quotes("BTC", alive, seat.clock.now_ms())
    quotes.delivery_price("btc_usd", next_expiry_instant(seat.clock.now_ms()) - DAY)
    exchange_time(client)
    quotes = WireQuotes(client, seat.clock)
    name = market.chain("BTC").table.names[-1]
    quotes.quotes("BTC", [name], seat.clock.now_ms())
    quotes.index("btc_usd", seat.clock.now_ms())
    quotes.delivery_price("btc_usd", TEN + 3 * DAY - 2 * HOUR)
    TokenOwner(_Granting(), Credentials("id", Secret("word")), "local", lambda: 0.0, True).bearer()
    session = Session("testnet", lambda: 0.0, lambda _: None)
    session.client = client
    session.learn_limits()
    session.close()
    patch.undo()
    return list(SEEN)


def trade(seat: Seat) -> None:
    """Orders that fill, rest, end, get lost and expire; then everything that was, looked up."""
    broker = seat.broker
    assert isinstance(broker, DeribitBroker)
    filled = seat.intent(CALL, Side.SELL, "0.5", "0.012")
    assert isinstance(broker.send(filled), Acknowledged)
    resting = broker.send(seat.intent(PUT, Side.SELL, "0.1", "2600"))
    buying = seat.intent(CALL, Side.BUY, "0.1", "0.0001", reduce=True)
    assert isinstance(resting, Acknowledged)
    assert isinstance(broker.send(buying), Acknowledged)
    for intent in (filled, buying):
        assert isinstance(broker.look_up(intent), Found)
    order = resting.order
    for _ in range(2):  # the second finds it ended
        assert isinstance(broker.cancel(order.label, order.order_id, PUT), Found)
    broker.account()
    seat.to(TEN + 1 * DAY)
    broker.look_up(filled)  # by history and trades: it left the recent store
    broker.look_up(seat.intent(PUT, Side.BUY, "0.1", "10", label="CCBOT_never_sent"))
    seat.to(TEN + 4 * DAY)
    broker.events_since(TEN - HOUR)
    broker.account()


def _methods_in_code() -> set[str]:
    """Every method that a `.call("…")` in the adapter names, or builds from buy and sell."""
    found: set[str] = set()
    for path in Path(adapter.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "call" and node.args):
                continue
            named = node.args[0]
            if isinstance(named, ast.Constant):
                found.add(str(named.value))
            elif isinstance(named, ast.JoinedStr):
                assert ast.unparse(named) == "f'private/{intent.side.value}'"
                found |= {"private/buy", "private/sell"}
    return {one for one in found if not one.startswith("local/")}  # control methods are ours


def test_everything_the_code_can_call_was_called(seen: list[Seen]) -> None:
    assert {one.method for one in seen} == _methods_in_code()


# -- requests ---------------------------------------------------------------------------------------------------

JSON: dict[str, tuple[type, ...]] = {
    "string": (str, Secret),
    "number": (int, float, Decimal),
    "integer": (int,),
    "boolean": (bool,),
}


def wrong(value: Any, schema: Mapping[str, Any]) -> str:
    """What is wrong with a parameter, by its schema."""
    schema = resolve(dict(schema))
    options = schema.get("oneOf") or schema.get("anyOf")
    if options:
        found = [wrong(value, one) for one in options]
        return "" if "" in found else "; ".join(found)
    kind = schema.get("type")
    if kind is not None and (
        isinstance(value, bool) != (kind == "boolean") or not isinstance(value, JSON[kind])
    ):
        return f"{value!r} is no {kind}"
    # resolutions are texts, and their enumeration lost its quotes: the official examples send "60"
    if "enum" in schema and str(value) not in map(str, schema["enum"]):
        return f"{value!r} is none of {schema['enum']}"
    if "maxLength" in schema and len(value) > schema["maxLength"]:
        return f"{value!r} is too long"
    return ""


def test_every_parameter_is_documented_and_of_its_type_and_none_is_missing(seen: list[Seen]) -> None:
    problems: set[str] = set()
    for one in seen:
        documented = specification()["paths"][f"/{one.method}"]["get"].get("parameters", [])
        known = {item["name"]: item for item in map(resolve, documented)}
        for name, value in one.params.items():
            said = "is not documented" if name not in known else wrong(value, known[name].get("schema", {}))
            if said:
                problems.add(f"{one.method} {name}: {said}")
        for name, item in known.items():
            # public/auth marks all parameters of all its grant types as required, and says in words which are
            needed = item.get("required") and "Required for grant type" not in item.get("description", "")
            if needed and name not in one.params:
                problems.add(f"{one.method} {name}: is required and missing")
    assert problems == set()


def test_the_check_of_parameters_can_fail() -> None:
    documented = {
        item["name"]: item
        for item in map(resolve, specification()["paths"]["/private/buy"]["get"]["parameters"])
    }
    assert wrong("0.5", documented["amount"]["schema"]) != ""
    assert wrong("good", documented["time_in_force"]["schema"]) != ""
    assert wrong(1, documented["post_only"]["schema"]) != ""
    assert wrong(True, documented["valid_until"]["schema"]) != ""
    assert wrong(Decimal("0.5"), documented["amount"]["schema"]) == ""


# -- shapes -----------------------------------------------------------------------------------------------------

# Where we read otherwise than the specification says, and why.
KNOWN_GAPS = {
    "public/get_instruments[].tick_size_steps[]": "documented as one step; every recording has a list of them",
}


def unread(shape: Any, schema: Mapping[str, Any], path: str) -> set[str]:
    """Where a shape wants what the specification doesn't promise: paths and reasons."""
    schema = resolve(dict(schema))
    kind = msgspec.inspect.type_info(shape) if not isinstance(shape, msgspec.inspect.Type) else shape
    if isinstance(kind, msgspec.inspect.UnionType):
        some = [one for one in kind.types if not isinstance(one, msgspec.inspect.NoneType)]
        return unread(some[0], schema, path) if len(some) == 1 else set()
    if isinstance(kind, msgspec.inspect.ListType):
        if schema.get("type") != "array":
            return {f"{path}: wanted an array, documented {schema.get('type')}"}
        return unread(kind.item_type, schema.get("items", {}), f"{path}[]")
    if isinstance(kind, msgspec.inspect.VarTupleType):
        return unread(kind.item_type, schema.get("items", {}), f"{path}[]")
    if isinstance(kind, msgspec.inspect.StructType):
        return _unread_fields(kind, schema, path)
    expected = {
        msgspec.inspect.StrType: ("string",),
        msgspec.inspect.BoolType: ("boolean",),
        msgspec.inspect.IntType: ("integer", "number"),
        msgspec.inspect.FloatType: ("number", "integer"),
        msgspec.inspect.DecimalType: ("number", "integer"),
    }.get(type(kind))
    said = schema.get("type")
    if expected is not None and said is not None and said not in expected:
        return {f"{path}: wanted {expected[0]}, documented {said}"}
    return set()


def _unread_fields(kind: msgspec.inspect.StructType, schema: Mapping[str, Any], path: str) -> set[str]:
    properties: dict[str, Any] = {}
    for one in [schema, *(resolve(x) for x in schema.get("allOf", []))]:
        properties |= one.get("properties", {})
    if not properties:
        return {f"{path}: wanted an object, documented {schema.get('type')}"}
    found: set[str] = set()
    for field in kind.fields:
        here = f"{path}.{field.encode_name}"
        if field.encode_name not in properties:
            found.add(f"{here}: is not documented")
        else:
            found |= unread(field.type, properties[field.encode_name], here)
    return found


def documented_result(method: str) -> Mapping[str, Any]:
    """The result's schema; get_user_trades_by_order has none, FACTS §2 says that it is the bare array of trades."""
    if method == "private/get_user_trades_by_order":
        page = result_schema("private/get_user_trades_by_currency")
        schema: Mapping[str, Any] = resolve(page["properties"]["trades"])
        return schema
    return result_schema(method)


def test_every_field_that_is_read_is_documented_with_its_type(seen: list[Seen]) -> None:
    problems = {
        problem for one in seen for problem in unread(one.shape, documented_result(one.method), one.method)
    }
    assert {one for one in problems if one.partition(":")[0] not in KNOWN_GAPS} == set()
    assert {one.partition(":")[0] for one in problems} == set(KNOWN_GAPS)


def test_the_check_of_shapes_can_fail() -> None:
    class Wrong(msgspec.Struct):
        index_price: str
        nonsense: int

    assert unread(Wrong, result_schema("public/get_index_price"), "x") == {
        "x.index_price: wanted string, documented number",
        "x.nonsense: is not documented",
    }
    assert unread(list[Wrong], result_schema("public/get_index_price"), "x") != set()
