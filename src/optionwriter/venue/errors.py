"""Errors: the exchange's refusals, by code.

Owns the codes and their messages (FACTS §6, the complete list; the short table of the same page contradicts it and is
not used). Everything a request can be refused for is one VenueError; anything else that escapes is a bug of ours.
"""

from __future__ import annotations

from optionwriter.venue.values import Json

INVALID_PARAMS = -32602
METHOD_NOT_FOUND = -32601

MESSAGES: dict[int, str] = {
    -32700: "Parse error",
    -32600: "request entity too large",
    INVALID_PARAMS: "Invalid params",
    METHOD_NOT_FOUND: "Method not found",
    10000: "authorization_required",
    10002: "qty_too_low",
    10004: "order_not_found",
    10005: "price_too_low",
    10007: "price_too_high",
    10009: "not_enough_funds",
    10012: "book_closed",
    10019: "locked_by_admin",
    10020: "invalid_or_unsupported_instrument",
    10021: "invalid_amount",
    10023: "invalid_price",
    10028: "too_many_requests",
    10029: "not_owner_of_order",
    10030: "must_be_websocket_request",
    10033: "not_implemented",
    10041: "settlement_in_progress",
    10043: "price_wrong_tick",
    11030: "other_reject",
    11044: "not_open_order",
    11050: "bad_request",
    11054: "post_only_reject",
    11055: "post_only_not_allowed",
    11094: "internal_server_error",
    13004: "invalid_credentials",
    13009: "unauthorized",
    13018: "invalid_content_type",
    13020: "not_found",
    13028: "temporarily_unavailable",
    13032: "non_unique_order_label",
    13403: "scope_exceeded",
    13888: "timed_out",
}


class VenueError(Exception):
    """A refusal: nothing has changed by the request that met it."""

    def __init__(self, code: int, detail: str = "", data: Json | None = None) -> None:
        self.code = code
        self.message = f"{MESSAGES[code]} {detail}".rstrip()
        self.data = data
        super().__init__(f"{code} {self.message}")


def invalid(param: str, reason: str) -> VenueError:
    """-32602 with the parameter and the reason, as recorded (FACTS §1)."""
    return VenueError(INVALID_PARAMS, data={"reason": reason, "param": param})


class FeedError(RuntimeError):
    """The feed has no number where the exchange must have one: the sample is torn or too short."""
