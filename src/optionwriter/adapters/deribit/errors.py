"""What can go wrong between us and the exchange.

    VenueError
    ├── NoReplyError            the wire failed before a body came: nobody knows whether the exchange acted
    │   └── RequestNotSentError … unless it failed before the request left: it has certainly not acted
    ├── MalformedReplyError     a body came and is no reply: HTML, half JSON, NaN, a missing field, too large
    ├── WrongEnvironmentError   a reply from the other network (test instead of production, or the reverse)
    └── DeribitError            the exchange's own error: code, message, data
        (is_refusal)            … of an order that it certainly did not take

Owns the list of certain refusals. Deribit's texts disagree on what some codes mean (FACTS §6), so a refusal is
recognised by its code *and* its word; any other pair leaves an order's fate unknown.
"""

from __future__ import annotations

# Code -> the word it must come with: nothing rests, nothing filled (complete list of FACTS §6). Left out on purpose:
# everything the exchange may answer after it acted or while it is unwell (10001, 10028, 10040, 10047, 10066, 11031,
# 11051, 11094, 13028, 13503, 13666, 13888) and 10003 (a taker may have filled before it met its own order).
REFUSALS: dict[int, str] = {
    10000: "authorization_required",
    10002: "qty_too_low",
    10005: "price_too_low",
    10006: "price_too_low4idx",
    10007: "price_too_high",
    10009: "not_enough_funds",
    10011: "price_not_allowed",
    10012: "book_closed",
    10019: "locked_by_admin",
    10020: "invalid_or_unsupported_instrument",
    10021: "invalid_amount",
    10023: "invalid_price",
    10026: "price_precision_exceeded",
    10031: "invalid_args_for_instrument",
    10032: "whole_cost_too_low",
    10033: "not_implemented",
    10037: "non_pme_total_short_options_positions_size",
    10039: "not_enough_funds_in_currency",
    10041: "settlement_in_progress",
    10043: "price_wrong_tick",
    11029: "invalid_arguments",
    11030: "other_reject",
    11042: "permission_denied",
    11043: "bad_argument",
    11046: "outdated_instrument",
    11047: "unsupported_arg_combination",
    11049: "bad_arguments",
    11050: "bad_request",
    11054: "post_only_reject",
    11055: "post_only_not_allowed",
    13004: "invalid_credentials",
    13009: "unauthorized",
    13010: "value_required",
    13016: "invalid_input",
    13019: "orderbook_closed",
    13020: "not_found",
    13021: "forbidden",
    13025: "method_switched_off_by_admin",
    13403: "scope_exceeded",
    -32600: "request_entity_too_large",
    -32601: "method_not_found",
    -32602: "invalid_params",
    -32700: "parse_error",
    -32000: "missing_params",
}

# The order is known and rests no more, or is not known under this id: look it up (FACTS §6).
NO_OPEN_ORDER = frozenset({10004, 10010, 11008, 11044})


class VenueError(Exception):
    """Anything that went wrong between us and the exchange."""


class NoReplyError(VenueError):
    """No body came back."""


class RequestNotSentError(NoReplyError):
    """No body came back, because the request never left: the exchange has certainly not acted."""


class MalformedReplyError(VenueError):
    """A body came back that is no reply to what was asked; says what it was instead."""


class WrongEnvironmentError(VenueError):
    """A reply whose testnet flag contradicts the environment we were told to speak to."""


class DeribitError(VenueError):
    """The exchange answered with an error."""

    def __init__(self, code: int, message: str, data: str = "") -> None:
        self.code = code
        self.message = message
        self.data = data
        super().__init__(f"{code} {message}" + (f" ({data})" if data else ""))

    @property
    def is_refusal(self) -> bool:
        """Whether an order that was answered so certainly neither rests nor filled."""
        word = REFUSALS.get(self.code)
        said = self.message.strip().lower().replace(" ", "_")
        return word is not None and (said == word or said.startswith(word + "_"))
