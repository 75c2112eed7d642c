"""Calls: one JSON-RPC request out of any of the four forms that HTTP gives it (FACTS §1).

GET with a query; GET or POST to a method's own path with a JSON-RPC body; POST to the bare base with the method in the
body. Where there is a body, its `method` counts and the path's is not looked at (assumed when both differ).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

import msgspec

from optionwriter.venue.errors import VenueError, invalid
from optionwriter.venue.http_errors import BODY_LIMIT, too_large

BASE = "/api/v2"


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked. `request_id` is None when none was sent; the reply then has none."""

    method: str
    params: Mapping[str, object] = field(default_factory=dict)
    request_id: int | str | None = None


class MalformedError(Exception):
    """No call could be made out; `request_id` is the one that could still be read."""

    def __init__(self, refusal: VenueError, request_id: int | str | None = None) -> None:
        self.refusal, self.request_id = refusal, request_id
        super().__init__(str(refusal))


def read_call(http_method: str, path: str, query: bytes, content_type: str, body: bytes) -> Call:
    """The call in one HTTP request. `path` starts with the base. Errors: MalformedError with the refusal."""
    if len(body) > BODY_LIMIT or len(query) > BODY_LIMIT:
        raise MalformedError(too_large())
    if body:
        if content_type.partition(";")[0].strip().lower() != "application/json":
            raise MalformedError(VenueError(13018))
        return _from_body(body)
    method = path.removeprefix(BASE).strip("/")
    if http_method != "GET" or not method:
        raise MalformedError(VenueError(11050))
    try:
        params = dict(parse_qsl(query.decode(), keep_blank_values=True, errors="strict"))
    except (UnicodeDecodeError, ValueError):
        raise MalformedError(VenueError(11050)) from None
    return Call(method, params)


def _from_body(body: bytes) -> Call:
    try:
        request = msgspec.json.decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise MalformedError(VenueError(-32700)) from None
    if not isinstance(request, dict):  # a batch is one too
        raise MalformedError(VenueError(11050))
    sent = request.get("id")
    request_id = sent if isinstance(sent, (int, str)) and not isinstance(sent, bool) else None
    method, params = request.get("method"), request.get("params")
    if not isinstance(method, str) or not method:
        raise MalformedError(VenueError(11050), request_id)
    if params is None:
        params = {}
    if not isinstance(params, dict):
        raise MalformedError(invalid("params", "must be an object: parameters are named"), request_id)
    return Call(method, params, request_id)
