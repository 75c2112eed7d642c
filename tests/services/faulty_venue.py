"""A transport that loses, delays, tears or breaks the exchange's answers, at the slots and calls that a plan names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from optionwriter.adapters.clocks import SimulatedClock
from optionwriter.ports import Transport, TransportError

Call = tuple[
    str, str
]  # ("summary", "USDC"), ("index", "eth_usdc"), ("volatility", "BTC"), ("instruments", "USDC")
_KINDS = {
    "public/get_book_summary_by_currency": ("summary", "currency"),
    "public/get_index_price": ("index", "index_name"),
    "public/get_volatility_index_data": ("volatility", "currency"),
    "public/get_instruments": ("instruments", "currency"),
}


@dataclass
class FaultyVenue:
    """Does to each call in `plan` (slot, call) what it says; every other goes through."""

    inner: Transport
    clock: SimulatedClock
    interval_ms: int
    plan: Mapping[tuple[int, Call], str]
    done: list[tuple[int, Call, str]] = field(default_factory=list)
    calls: dict[str, int] = field(default_factory=dict)
    _before: dict[Call, bytes] = field(default_factory=dict)

    def call(self, method: str, params: Mapping[str, object]) -> bytes:
        kind, name = _KINDS[method]
        call = (kind, str(params[name]))
        self.calls[kind] = self.calls.get(kind, 0) + 1
        slot = self.clock.now_ms() // self.interval_ms * self.interval_ms
        fault = self.plan.get((slot, call))
        if fault is None:
            body = self._before[call] = self.inner.call(method, params)
            return body
        self.done.append((slot, call, fault))
        if fault == "stale":
            return self._before[call]
        if fault.startswith("late"):
            self.clock.sleep_until(slot + round(float(fault[4:]) * self.interval_ms))
        if fault == "lost":
            raise TransportError("nothing came in 20 s")
        if fault == "503":
            raise TransportError("HTTP 503 and no JSON-RPC")
        return self._spoilt(fault, self.inner.call(method, params))

    @staticmethod
    def _spoilt(fault: str, body: bytes) -> bytes:
        if fault == "half":
            return body[: len(body) // 2]
        if fault == "page":
            return b"<html>Service is being updated</html>"
        whole: dict[str, Any] = json.loads(body)
        if fault == "maintenance":
            del whole["result"]
            whole["error"] = {"code": 11051, "message": "system_maintenance"}
        elif fault == "torn":
            whole["result"] = whole["result"][::3]
        elif fault == "empty":
            whole["result"] = []
        elif fault == "type":
            whole["result"][5]["mark_price"] = "0.01"
        elif fault == "twice":
            whole["result"] *= 2
        elif fault == "zero":
            whole["result"] = {"index_price": 0.0}
        elif fault == "production":
            whole["testnet"] = False
        return json.dumps(whole).encode()
