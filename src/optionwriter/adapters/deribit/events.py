"""What happened to the account: trades, settlements and every other movement of its cash.

The transaction log is the frame: every entry becomes an event or a part of one, in the log's order, so that the
events' cash is the log's. Option trades are told by the trades (they carry label and index); options at expiry by
their own entries; whatever else moves cash, known type or not, is a CashMovement by the log's own word for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from optionwriter.adapters.deribit import translate
from optionwriter.adapters.deribit.client import DeribitClient
from optionwriter.adapters.deribit.errors import MalformedReplyError
from optionwriter.adapters.deribit.expiries import Ended, ended_options, option_named
from optionwriter.adapters.deribit.trades import trades_between
from optionwriter.adapters.deribit.wire import IndexPrice, LogPage, LogRow, TradeRow
from optionwriter.core.books.account import CashMovement, VenueEvent

LOG_PAGE = 250
_MOST_PAGES = 1_000


Placed = tuple[
    int, int, VenueEvent
]  # instant, number in the log (the next one when the log doesn't show it yet), event


def events_between(
    client: DeribitClient, currencies: Iterable[str], start_ms: int, end_ms: int
) -> list[VenueEvent]:
    """Everything that happened in [start_ms, end_ms], by time. Raises VenueError."""
    placed: list[Placed] = []
    for currency in currencies:
        log = _log(client, currency, start_ms, end_ms)
        ended = ended_options(log)
        placed += _fills(trades_between(client, currency, start_ms, end_ms), log)
        placed += [(one.at_ms, number, one) for number, one in ended.settlements]
        placed += _movements(client, currency, log, ended)
    placed.sort(key=lambda one: one[:2])
    return [event for _, _, event in placed]


def _log(client: DeribitClient, currency: str, start_ms: int, end_ms: int) -> list[LogRow]:
    """Every page of the log, each entry once, oldest first."""
    rows: dict[int, LogRow] = {}
    params: dict[str, object] = {
        "currency": currency,
        "start_timestamp": start_ms,
        "end_timestamp": end_ms,
        "count": LOG_PAGE,
    }
    for _ in range(_MOST_PAGES):
        page = client.call("private/get_transaction_log", params, LogPage)
        known = len(rows)
        rows.update((row.id, row) for row in page.logs)
        if page.continuation is None:
            return [rows[number] for number in sorted(rows)]
        if len(rows) == known:
            raise MalformedReplyError(f"the {currency} transaction log goes on without end")
        params["continuation"] = page.continuation
    raise MalformedReplyError(f"more than {_MOST_PAGES} pages of the {currency} transaction log")


def _fills(trades: list[TradeRow], log: list[LogRow]) -> list[Placed]:
    """Option trades at their places; the first entry of a trade that the log splits at zero is its place."""
    mine = [row for row in log if row.type == "trade" and option_named(row.instrument_name) is not None]
    numbers = {row.trade_id: row.id for row in reversed(mine)}
    missing = sorted(str(one) for one in set(numbers) - {row.trade_id for row in trades})
    if missing:
        raise MalformedReplyError(f"trades {', '.join(missing)} are logged, but not shown yet")
    unseen = log[-1].id + 1 if log else 0
    return [
        (row.timestamp, numbers.get(row.trade_id, unseen), translate.fill(row))
        for row in sorted(trades, key=lambda row: (row.timestamp, len(row.trade_id), row.trade_id))
        if option_named(row.instrument_name) is not None
    ]


def _movements(client: DeribitClient, currency: str, log: list[LogRow], ended: Ended) -> list[Placed]:
    """Entries whose cash nothing else tells, valued at the index they carry or else at the index now."""
    found: list[Placed] = []
    now: Decimal | None = None
    for row in log:
        amount = ended.left_over.get(row.id, Decimal(0)) if row.id in ended.told else row.change
        told_by_a_fill = row.type == "trade" and option_named(row.instrument_name) is not None
        if amount == 0 or told_by_a_fill:
            continue
        index = row.index_price
        if index is None:
            now = index = now if now is not None else usd_value(client, currency)
        event = CashMovement(f"{currency}-{row.id}", currency, amount, row.type, index, row.timestamp)
        found.append((row.timestamp, row.id, event))
    return found


def usd_value(client: DeribitClient, currency: str) -> Decimal:
    """One unit of a currency in USD now. The exchange has no index of USDC in USD: it is the quotient of two."""
    if currency == "USDC":
        return (_index(client, "btc_usd") / _index(client, "btc_usdc")).quantize(Decimal("1e-6"))
    return _index(client, f"{currency.lower()}_usd")


def _index(client: DeribitClient, name: str) -> Decimal:
    value = client.call("public/get_index_price", {"index_name": name}, IndexPrice).index_price
    if not value > 0:
        raise MalformedReplyError(f"the index {name} is {value}")
    return value
