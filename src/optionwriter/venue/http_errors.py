"""HTTP statuses and the refusals of the protocol itself, before any method is reached (FACTS §1, §6).

Recorded: error bodies come with 400, and 13009 with 401. The other statuses are assumed.
"""

from __future__ import annotations

from optionwriter.venue.errors import VenueError

BODY_LIMIT = 32_768  # the documented 32 kB, read as KiB (assumed)

_STATUS: dict[int, int] = {
    10000: 401,
    10028: 429,
    11094: 500,
    13004: 401,
    13009: 401,
    13028: 503,
    13403: 403,
}

WEBSOCKET_ONLY = frozenset(
    (
        "public/subscribe",
        "public/unsubscribe",
        "public/unsubscribe_all",
        "public/set_heartbeat",
        "public/disable_heartbeat",
        "private/subscribe",
        "private/unsubscribe",
        "private/unsubscribe_all",
        "private/enable_cancel_on_disconnect",
        "private/disable_cancel_on_disconnect",
        "private/get_cancel_on_disconnect",
        "private/logout",
    )
)
"""Methods that HTTP refuses with 10030."""


def status_of(error: VenueError | None) -> int:
    """The HTTP status that a reply goes out with."""
    return 200 if error is None else _STATUS.get(error.code, 400)


def too_large() -> VenueError:
    """The body or the query is over the limit."""
    return VenueError(-32600)
