"""Credits: bursts and refills of FACTS §5, counted by hand and met over the wire."""

from __future__ import annotations

import httpx2
import pytest

from optionwriter.venue.credits import Credits
from tests.patience import LONGEST_S
from tests.venue.server.house import HandClock, decoded, exchange, serving

BASIC = ("local", "local")


@pytest.mark.parametrize(
    ("method", "has_currency", "burst", "per_second"),
    [
        ("public/ticker", True, 100, 20),
        ("private/get_positions", False, 100, 20),
        ("private/sell", False, 20, 5),
        ("private/cancel_all_by_currency", True, 20, 5),
        ("private/cancel_by_label", True, 20, 5),
        ("private/cancel_by_label", False, 20, 5),
        ("private/cancel_all", False, 20, 5),
        ("public/get_instruments", True, 50, 1),
        ("private/get_transaction_log", True, 8, 1),
    ],
)
def test_a_burst_then_the_sustained_rate(
    method: str, has_currency: bool, burst: int, per_second: int
) -> None:
    clock = HandClock()
    credits = Credits(lambda: round(clock.seconds * 1e6))

    def paid() -> int:
        count = 0
        while credits.spend("me", method, has_currency):
            count += 1
        return count

    assert paid() == burst
    for _ in range(3):
        clock.seconds += 1
        assert paid() == per_second
    clock.seconds += 0.5 / per_second
    assert paid() == 0
    clock.seconds += 0.5 / per_second
    assert paid() == 1
    clock.seconds += 3_600
    assert paid() == burst, "no more than the pool is ever saved"


def test_payers_and_buckets_are_apart() -> None:
    credits = Credits(lambda: 0)
    while credits.spend("me", "private/sell"):
        pass
    assert credits.spend("you", "private/sell")
    assert credits.spend("me", "private/get_positions")
    assert credits.spend("me", "private/cancel_all"), "cancel_all has a bucket of its own"
    assert credits.spend("me", "private/cancel_by_label"), "and so has cancelling a label everywhere"
    assert not credits.spend("me", "private/cancel_by_label", has_currency=True)


def test_too_many_requests_over_the_wire() -> None:
    clock = HandClock()
    with (
        serving(exchange(clock=clock)) as url,
        httpx2.Client(base_url=f"{url}/api/v2/", timeout=LONGEST_S) as http,
    ):
        ask = "private/get_account_summary?currency=BTC"
        replies = [http.get(ask, auth=BASIC) for _ in range(101)]
        assert [one.status_code for one in replies] == [200] * 100 + [429]
        error = decoded(replies[-1])["error"]
        assert (error["code"], error["message"]) == (10028, "too_many_requests")
        assert replies[-1].headers["connection"] == "close", "the session ends"
        assert http.get(ask, auth=("AMANDA", "AMANDASECRECT")).status_code == 200
        assert http.get("local/time").status_code == 200, "control methods cost nothing"
        now = decoded(http.get("local/time"))["result"]["now_ms"]
        assert http.get(f"local/advance?to_ms={now + 1_000}").status_code == 200
        more = [http.get(ask, auth=BASIC).status_code for _ in range(21)]
        assert more == [200] * 20 + [429], "a second of exchange time refills a second's worth"


def test_a_refused_order_is_not_placed() -> None:
    with (
        serving(exchange(clock=HandClock())) as url,
        httpx2.Client(base_url=f"{url}/api/v2/", timeout=LONGEST_S) as http,
    ):
        sell = "private/sell?instrument_name=BTC-4JAN26-82000-C&amount=0.1&price=0.02"
        codes = [http.get(sell, auth=BASIC).status_code for _ in range(25)]
        assert codes == [200] * 20 + [429] * 5
        orders = decoded(http.get("private/get_open_orders", auth=BASIC))["result"]
        assert len(orders) == 20
