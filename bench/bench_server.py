"""The exchange's server on the recorded market: requests a second of one core, a day's log read back, snapshots.

The server runs in a process of its own on loopback; its processor time is read from /proc, so that the client beside it
on the same core doesn't count.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from bench import Row
from optionwriter.adapters.tapes.sample import SampleFeed
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR, next_expiry_instant
from optionwriter.venue.calls import Call
from optionwriter.venue.front import Visit
from optionwriter.venue.opening import DEMO_CASH, DEMO_KEY, SNAPSHOT_NAME, Exchange, open_exchange

BASIC = "Basic bG9jYWw6bG9jYWw="
SECONDS = 2.0

SERVER = """
import sys
from pathlib import Path
from bench.bench_server import opened
from optionwriter.venue.server import serve
serve(opened(Path(sys.argv[1])), "127.0.0.1", 0, lambda text: print(text, flush=True))
"""


def opened(folder: Path | None, feed: SampleFeed | None = None) -> Exchange:
    """The demo's exchange without credits, at 09:00 UTC of the sample's second day."""
    feed = feed or SampleFeed()
    start = next_expiry_instant(feed.start_ms) + MS_PER_DAY + MS_PER_HOUR
    cash, wall_ms = {"local": DEMO_CASH}, lambda: time.time_ns() // 1_000_000
    return open_exchange(
        feed,
        cash,
        (DEMO_KEY,),
        start,
        time.monotonic,
        wall_ms,
        folder,
        allow_local=True,
        counts_credits=False,
    )


def ask(exchange: Exchange, method: str, params: Mapping[str, Any]) -> Any:
    """One call at the desk, without a wire."""
    served = exchange.desk.serve(Call(method, params), Visit(BASIC))
    if served.error is not None:
        raise RuntimeError(f"{method}: {served.error}")
    return msgspec.json.decode(served.body)["result"]


def far_call(chain: list[dict[str, Any]]) -> dict[str, Any]:
    """A quoted call some weeks out, in the middle of the list of bids: it is not settled within the bench."""
    calls = [one for one in chain if one["instrument_name"].endswith("-C") and one["bid_price"]]
    return sorted(calls, key=lambda one: one["bid_price"])[len(calls) // 2]


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _load(connection: http.client.HTTPConnection, pid: int, name: str, path: str, aim: float) -> list[Row]:
    """Asks for some seconds, one request after the other."""
    count, before, start = 0, _cpu_seconds(pid), time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        connection.request("GET", path, headers={"Authorization": BASIC})
        reply = connection.getresponse()
        body = reply.read()
        if reply.status != 200:
            raise RuntimeError(f"{path}: {body[:200]!r}")
        count += 1
    wall, cpu = time.perf_counter() - start, _cpu_seconds(pid) - before
    return [
        Row(f"Server, {name}", count / cpu, "requests/s of a core", aim),
        Row(f"Server, {name}, there and back", wall / count * 1e3, "ms"),
    ]


def _requests(folder: Path) -> list[Row]:
    command = [sys.executable, "-c", SERVER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline().rsplit(":", 1)[1].split("/")[0])
        connection = http.client.HTTPConnection("127.0.0.1", port)
        try:
            base = "/api/v2/"
            connection.request("GET", f"{base}public/get_book_summary_by_currency?currency=BTC&kind=option")
            one = far_call(msgspec.json.decode(connection.getresponse().read())["result"])
            name, price = one["instrument_name"], one["ask_price"] or one["bid_price"]
            order = f"instrument_name={name}&amount=0.1&price={price:f}&post_only=true"
            rows: list[Row] = []
            for what, path, aim in (
                ("get_time", "public/get_time", 2_000.0),
                ("ticker", f"public/ticker?instrument_name={name}", 500.0),
                ("account summary", "private/get_account_summary?currency=BTC", 1_000.0),
                (
                    "book summary of BTC",
                    "public/get_book_summary_by_currency?currency=BTC&kind=option",
                    100.0,
                ),
                ("cancel_all, taken down", "private/cancel_all", 1_000.0),
                ("get_margins", f"private/get_margins?{order}", 500.0),
            ):
                rows += _load(connection, server.pid, what, base + path, aim)
            return rows
        finally:
            connection.close()
            server.terminate()
            server.wait(20)


def _day(exchange: Exchange) -> None:
    """A busy day: every minute a jump, every two minutes an order, an hour later its cancelling; some fill."""
    orders: list[str] = []
    for minute in range(1_440):
        if minute % 360 == 0:
            one = far_call(ask(exchange, "public/get_book_summary_by_currency", {"currency": "BTC"}))
        if minute % 2 == 0:
            price = Decimal(str(one["bid_price"])) * (1 if minute % 240 == 0 else 2)
            params = {
                "instrument_name": one["instrument_name"],
                "amount": "0.1",
                "price": f"{_grid(price):f}",
            }
            try:
                orders.append(ask(exchange, "private/sell", params)["order"]["order_id"])
            except RuntimeError:
                orders.append("")  # the account is full: the refusal is in the log too
        if minute >= 60 and minute % 2 == 0 and (old := orders[(minute - 60) // 2]):
            with contextlib.suppress(RuntimeError):  # it had filled
                ask(exchange, "private/cancel", {"order_id": old})
        ask(exchange, "local/advance", {"to_ms": exchange.desk.time.now_ms() + 60_000})


def _grid(price: Decimal) -> Decimal:
    return price // Decimal("0.0005") * Decimal("0.0005") if price > Decimal("0.005") else price


def _restart(folder: Path, feed: SampleFeed) -> list[Row]:
    exchange = opened(folder, feed)
    _day(exchange)
    assert exchange.keeper is not None
    start = time.perf_counter()
    exchange.keeper.snapshot()
    kept = time.perf_counter() - start
    orders = len(exchange.engine.account("local").orders)
    exchange.close()
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        again = opened(folder, feed)
        seconds.append(time.perf_counter() - start)
        digest = again.engine.digest()
        again.close()
        (folder / SNAPSHOT_NAME).unlink()
    again = opened(folder, feed)
    assert again.restored is not None and again.restored.inputs > 1_000
    assert digest == again.engine.digest(), "both ways give the same exchange"
    again.close()
    return [
        Row(f"A day's log, {orders} orders, a jump a minute, replayed", seconds[1], "s", 2.0),
        Row("The same from its snapshot", seconds[0], "s", 0.5),
        Row("A snapshot taken", kept * 1e3, "ms", 200.0),
        Row("Size of the day's log", (folder / "inputs.jsonl").stat().st_size / 1e6, "MB"),
    ]


def run() -> list[Row]:
    """About half a minute; a server in a process of its own, then one exchange here."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        return [*_requests(Path(one)), *_restart(Path(other), SampleFeed())]
