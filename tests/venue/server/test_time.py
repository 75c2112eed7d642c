"""Exchange time over the wire: real in flight, jumps between, frozen when asked, never back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from optionwriter.venue.exchange_time import ExchangeTime
from tests.patience import LONGEST_S
from tests.venue.flat_feed import FlatFeed
from tests.venue.server.house import OPENED, HandClock, decoded, exchange, serving

BASIC = ("local", "local")
HOUR = 3_600_000
NAME = "BTC-2JAN26-82000-C"


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def http(clock: HandClock) -> Iterator[httpx2.Client]:
    opened = exchange(clock=clock, counts_credits=False)
    with (
        serving(opened) as url,
        httpx2.Client(base_url=f"{url}/api/v2/", auth=BASIC, timeout=LONGEST_S) as client,
    ):
        yield client


def ask(http: httpx2.Client, path: str) -> Any:
    return decoded(http.get(path))["result"]


def test_time_flows_with_the_machine(http: httpx2.Client, clock: HandClock) -> None:
    assert ask(http, "public/get_time") == OPENED
    clock.seconds += 1.2345
    assert ask(http, "public/get_time") == OPENED + 1_234
    clock.seconds += 90_000
    assert ask(http, "public/get_time") == OPENED + 90_001_234


def test_jumps_go_forward_only(http: httpx2.Client, clock: HandClock) -> None:
    told = ask(http, f"local/advance?to_ms={OPENED + HOUR}")
    assert (told["now_ms"], told["ended"], told["frozen"]) == (OPENED + HOUR, False, False)
    assert ask(http, "public/get_time") == OPENED + HOUR
    clock.seconds += 2
    assert ask(http, f"local/advance?to_ms={OPENED}")["now_ms"] == OPENED + HOUR + 2_000
    assert ask(http, "public/get_time") == OPENED + HOUR + 2_000
    for wrong in ("", "to_ms=", "to_ms=soon", "to_ms=-1", f"to_ms={OPENED + 400 * 86_400_000}"):
        error = decoded(http.get(f"local/advance?{wrong}"))["error"]
        assert (error["code"], error["data"]["param"]) == (-32602, "to_ms")
    assert ask(http, "public/get_time") == OPENED + HOUR + 2_000


def test_a_jump_brings_everything_on_its_way(http: httpx2.Client) -> None:
    sold = ask(http, f"private/sell?instrument_name={NAME}&amount=0.5&price=0.0005")
    assert sold["order"]["order_state"] == "filled"
    ask(http, f"local/advance?to_ms={OPENED + 23 * HOUR}")  # past the expiry at 08:00 of the next day
    assert ask(http, "private/get_positions") == []
    history = ask(http, "private/get_settlement_history_by_currency?currency=BTC")["settlements"]
    assert history[-1]["instrument_name"] == NAME


def test_valid_until_means_the_same_after_a_jump(http: httpx2.Client, clock: HandClock) -> None:
    ask(http, f"local/advance?to_ms={OPENED + HOUR}")
    sell = f"private/sell?instrument_name={NAME}&amount=0.1&price=0.02&valid_until={OPENED + HOUR + 3_000}"
    clock.seconds += 2.999
    assert http.get(sell).status_code == 200
    clock.seconds += 0.001
    assert decoded(http.get(sell))["error"]["code"] == 13888


def test_the_sample_s_end_is_told() -> None:
    feed = FlatFeed(end_ms=OPENED + 2 * HOUR)
    with serving(exchange(clock=HandClock(), feed=feed)) as url, httpx2.Client(timeout=LONGEST_S) as http:
        time = f"{url}/api/v2/local/time"
        assert decoded(http.get(time))["result"] == {
            "now_ms": OPENED,
            "start_ms": feed.start_ms,
            "end_ms": feed.end_ms,
            "ended": False,
            "frozen": False,
        }
        moved = decoded(http.get(f"{url}/api/v2/local/advance?to_ms={feed.end_ms}"))["result"]
        assert (moved["ended"], moved["now_ms"]) == (True, feed.end_ms)


def test_a_frozen_exchange_repeats_its_bytes() -> None:
    def life() -> tuple[list[bytes], str]:
        with serving(exchange(frozen=True)) as url, httpx2.Client(auth=BASIC, timeout=LONGEST_S) as http:
            base = f"{url}/api/v2"
            bodies = [
                http.get(f"{base}/{one}").content
                for one in (
                    "public/auth?grant_type=client_credentials&client_id=local&client_secret=local",
                    f"private/sell?instrument_name={NAME}&amount=0.5&price=0.0005&label=a",
                    f"private/sell?instrument_name={NAME}&amount=0.5&price=0.02&label=b",
                    f"local/advance?to_ms={OPENED + 5 * HOUR}",
                    "public/get_book_summary_by_currency?currency=BTC&kind=option",
                    "private/cancel_all",
                    f"local/advance?to_ms={OPENED + 30 * HOUR}",
                    f"private/get_transaction_log?currency=BTC&start_timestamp=0&end_timestamp={OPENED * 2}",
                )
            ]
            return bodies, decoded(http.get(f"{base}/local/digest"))["result"]["digest"]

    first, second = life(), life()
    assert first == second
    assert b'"usDiff":0,' in first[0][0]
    assert b"error" not in b"".join(first[0])


def test_a_clock_that_goes_back_holds_time_still() -> None:
    machine = HandClock()
    time = ExchangeTime(1_000, machine.monotonic)
    machine.seconds = 5.0
    assert time.now_ms() == 6_000
    machine.seconds = 1.0
    assert time.now_ms() == 6_000
    time.jump(5_000)
    assert time.now_ms() == 6_000
    time.jump(10_000)
    machine.seconds = 1.5
    assert time.now_ms() == 10_500
