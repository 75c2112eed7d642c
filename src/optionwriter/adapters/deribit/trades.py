"""The account's trades in a span of time, recent and archived, every page of both (FACTS §2, retention)."""

from __future__ import annotations

from optionwriter.adapters.deribit.client import DeribitClient
from optionwriter.adapters.deribit.errors import MalformedReplyError
from optionwriter.adapters.deribit.wire import TradePage, TradeRow
from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR

PAGE = 1_000
_MOST_PAGES = 1_000
RECENT_MS = (
    MS_PER_DAY - MS_PER_HOUR
)  # trades leave the recent store after 24 h; an hour's overlap with the archive


def trades_between(client: DeribitClient, currency: str, start_ms: int, end_ms: int) -> list[TradeRow]:
    """All trades settled in `currency` in [start_ms, end_ms], each once. Raises VenueError."""
    found: dict[str, TradeRow] = {}
    if start_ms < end_ms - RECENT_MS:
        _read(client, currency, start_ms, end_ms, True, found)
    _read(client, currency, start_ms, end_ms, False, found)
    return list(found.values())


def _read(
    client: DeribitClient,
    currency: str,
    start_ms: int,
    end_ms: int,
    historical: bool,
    found: dict[str, TradeRow],
) -> None:
    """Pages forward by time; each page begins with the last instant of the one before, so that none is missed."""
    for _ in range(_MOST_PAGES):
        page = client.call(
            "private/get_user_trades_by_currency_and_time",
            {
                "currency": currency,
                "start_timestamp": start_ms,
                "end_timestamp": end_ms,
                "count": PAGE,
                "sorting": "asc",
                "historical": historical,
            },
            TradePage,
        )
        found.update((row.trade_id, row) for row in page.trades)
        if not page.has_more:
            return
        last_ms = max((row.timestamp for row in page.trades), default=start_ms)
        if last_ms <= start_ms:
            raise MalformedReplyError(f"the {currency} trades do not go on after {start_ms}")
        start_ms = last_ms
    raise MalformedReplyError(f"more than {_MOST_PAGES} pages of {currency} trades")
