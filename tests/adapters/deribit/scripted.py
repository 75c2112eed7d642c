"""A transport that answers from a script, and short ways to write Deribit's answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from optionwriter.ports import TransportError

Answer = bytes | Exception | Callable[[Mapping[str, Any]], Any]


class Scripted:
    """ports.Transport. Each method has an answer, or a list of answers given one after the other (the last stays)."""

    def __init__(self, **answers: Answer | list[Answer]) -> None:
        self.answers: dict[str, Any] = {name.replace("__", "/"): one for name, one in answers.items()}
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def call(self, method: str, params: Mapping[str, object]) -> bytes:
        self.calls.append((method, dict(params)))
        answer = self.answers.get(method)
        if answer is None:
            raise AssertionError(f"the script has no answer to {method} {dict(params)}")
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if callable(answer) and not isinstance(answer, Exception):
            answer = answer(params)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, bytes)
        return answer

    def asked(self, method: str) -> list[dict[str, Any]]:
        return [params for name, params in self.calls if name == method]


def ok(result: Any, testnet: bool | None = True) -> bytes:
    """A reply; floats are written by their shortest text, `Raw` digits as they stand."""
    envelope: dict[str, Any] = {
        "jsonrpc": "2.0",
        "id": 1,
        "result": result,
        "usIn": 1,
        "usOut": 2,
        "usDiff": 1,
    }
    if testnet is not None:
        envelope["testnet"] = testnet
    return json.dumps(envelope).encode()


def err(code: int, message: str, testnet: bool | None = True) -> bytes:
    envelope: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": message}}
    if testnet is not None:
        envelope["testnet"] = testnet
    return json.dumps(envelope).encode()


LOST = TransportError("timed out after 10 s")

# What can come instead of an answer, by name: the reply itself, and a word of the error it must lead to.
NONSENSE: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "empty"),
    "a page": (b"<html><body>502 Bad Gateway</body></html>", "page instead of JSON"),
    "half JSON": (ok({"index_price": 1.5})[:-9], "truncated"),
    "plain text": (b"upstream connect error", "no JSON"),
    "NaN": (b'{"jsonrpc":"2.0","result":{"index_price":NaN},"testnet":true}', "invalid character"),
    "Infinity": (b'{"jsonrpc":"2.0","result":{"index_price":Infinity},"testnet":true}', "invalid character"),
    "a text NaN": (b'{"jsonrpc":"2.0","result":{"index_price":"NaN"},"testnet":true}', "index_price"),
    "1e999": (b'{"jsonrpc":"2.0","result":{"index_price":1e999},"testnet":true}', "index_price"),
    "a missing field": (b'{"jsonrpc":"2.0","result":{},"testnet":true}', "index_price"),
    "a null": (b'{"jsonrpc":"2.0","result":{"index_price":null},"testnet":true}', "index_price"),
    "a list": (b"[1,2]", "array"),
    "neither result nor error": (b'{"jsonrpc":"2.0","testnet":true}', "neither result nor error"),
    "no testnet flag": (b'{"jsonrpc":"2.0","result":{"index_price":1.0}}', "without its testnet flag"),
    "not UTF-8": (b'{"jsonrpc":"2.0","result":{"\xff":1},"testnet":true}', "index price"),
}
