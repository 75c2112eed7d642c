"""The recorded market and the demo account: what the local exchange and the tape play."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from optionwriter.adapters.tapes.sample import SampleFeed
from optionwriter.adapters.tapes.sample_files import FOLDER as SAMPLE_FOLDER
from optionwriter.adapters.tapes.sample_files import SampleError
from optionwriter.bootstrap.exchange_smile import exchange_bends
from optionwriter.bootstrap.parts import (
    BootError,
)
from optionwriter.ports import Feed
from optionwriter.settings import Settings
from optionwriter.venue.opening import DEMO_KEY

LOCAL_ACCOUNT = "local"


def sample_feed(settings: Settings, begins: bool = False) -> SampleFeed:
    """The recorded market with the smile of LOCAL_SMILE, which is kept where an exchange `begins`.

    Errors: BootError when the sample is torn, or the exchange began with another smile."""
    try:
        return SampleFeed(settings.local_seed, SAMPLE_FOLDER, bends=exchange_bends(settings, begins))
    except SampleError as error:
        raise BootError(str(error)) from error


def start_ms_of(settings: Settings, feed: Feed, interval_ms: int) -> int:
    """LOCAL_START as an instant within the sample, on a multiple of the interval. Errors: BootError."""
    try:
        moment = datetime.fromisoformat(settings.local_start)
    except ValueError:
        raise BootError(
            f"LOCAL_START {settings.local_start!r} is no time such as 2026-01-01T00:00:00Z"
        ) from None
    if moment.tzinfo is None:
        raise BootError(f"LOCAL_START {settings.local_start!r} names no zone: end it with Z for UTC")
    start = -(-int(moment.timestamp() * 1_000) // interval_ms) * interval_ms
    if not feed.start_ms <= start < feed.end_ms:
        first, last = (
            datetime.fromtimestamp(ms / 1000, tz=moment.tzinfo) for ms in (feed.start_ms, feed.end_ms)
        )
        raise BootError(
            f"LOCAL_START {settings.local_start} is outside the sample: {first:%Y-%m-%d} to {last:%Y-%m-%d}"
        )
    return start


def opening_cash(settings: Settings) -> dict[str, Decimal]:
    return {"BTC": settings.local_btc, "ETH": settings.local_eth, "USDC": settings.local_usdc}


def demo_account(settings: Settings) -> str:
    """The local exchange's demo account for whoever wants to use it: a play exchange's secrets are no secrets."""
    cash = ", ".join(f"{amount:,f} {currency}" for currency, amount in opening_cash(settings).items())
    return f"client id {DEMO_KEY.client_id}, client secret {DEMO_KEY.secret}, opened with {cash}"
