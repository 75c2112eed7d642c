"""The wire: what HTTP adds to a call and to a chain, against canned replies from a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from decimal import Decimal

from bench import Row, best_seconds
from bench.bench_chain_decode import NOW, _Recorded
from optionwriter.adapters.clocks import SimulatedClock
from optionwriter.adapters.deribit.client import DeribitClient
from optionwriter.adapters.deribit.http import HttpTransport
from optionwriter.adapters.deribit.market import DeribitMarket

# Answers each request on a kept-alive connection with the body for its method, the id put in. Standard library only.
SERVER = r"""
import json, socket, sys
bodies = {k: v.encode() for k, v in json.load(sys.stdin).items()}
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    peer, _ = listener.accept()
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    reader = peer.makefile("rb")
    while True:
        length = 0
        line = reader.readline()
        if not line:
            break
        while (text := reader.readline()) not in (b"\r\n", b""):
            if text.lower().startswith(b"content-length:"):
                length = int(text.split(b":")[1])
        call = json.loads(reader.read(length))
        body = b'{"jsonrpc":"2.0","id":%d,%s' % (call["id"], bodies[call["method"]][1:])
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        peer.sendall(head % len(body) + body)
"""

ORDER = {
    "instrument_name": "BTC-27MAR26-100000-C",
    "amount": Decimal("0.1"),
    "type": "limit",
    "price": Decimal("0.0125"),
    "label": "CCBOT_0123456789abcdef",
    "time_in_force": "good_til_cancelled",
    "post_only": False,
    "reduce_only": False,
    "valid_until": NOW,
}


def _bodies() -> dict[str, str]:
    """The replies without version and id."""
    replies = {method: json.loads(body) for method, body in _Recorded().replies.items()}
    for reply in replies.values():
        del reply["jsonrpc"]
    replies["public/get_time"] = {"result": NOW, "testnet": True}
    replies["private/sell"] = {"result": {"order": {}, "trades": []}, "testnet": True}
    return {method: json.dumps(reply, separators=(",", ":")) for method, reply in replies.items()}


def run() -> list[Row]:
    """One connection on loopback; the server's time is in the figures."""
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps(_bodies()).encode())
    server.stdin.close()
    http = HttpTransport(f"http://127.0.0.1:{int(server.stdout.readline())}", time.monotonic)
    try:
        client = DeribitClient(http, "local")
        market = DeribitMarket(client, SimulatedClock(NOW))
        count = len(market.chain("BTC"))
        body = http.call("public/get_book_summary_by_currency", {})
        chain_s = best_seconds(lambda: market.chain("BTC"))
        bytes_s = best_seconds(lambda: http.call("public/get_book_summary_by_currency", {}))
        small_s = best_seconds(lambda: http.call("public/get_time", {}), 500)
        order_s = best_seconds(lambda: http.call("private/sell", ORDER), 500)
        rate = _rate(http)
    finally:
        http.close()
        server.kill()
        server.wait()
        server.stdout.close()
    return [
        Row(
            f"Wire: a chain of {count:,} options over HTTP (two calls), asked to columns", chain_s * 1e3, "ms"
        ),
        Row(f"Wire: its summary alone, {len(body):,} bytes, asked to bytes", bytes_s * 1e3, "ms"),
        Row("Wire: a small call", small_s * 1e3, "ms"),
        Row("Wire: an order", order_s * 1e3, "ms"),
        Row("Wire: small calls a second, one connection, two processes", rate, "1/s"),
    ]


def _rate(http: HttpTransport) -> float:
    """Mean over two seconds."""
    begun, done = time.perf_counter(), 0
    while time.perf_counter() - begun < 2:
        http.call("public/get_time", {})
        done += 1
    return done / (time.perf_counter() - begun)
