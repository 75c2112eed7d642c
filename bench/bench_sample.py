"""How long the bundled market takes to load and to quote."""

from __future__ import annotations

from bench import Row, best_seconds
from optionwriter.adapters.tapes.sample import SampleFeed
from optionwriter.core.market.instruments import MS_PER_DAY


def run() -> list[Row]:
    """Milliseconds; every chain and quote at an instant that was not asked before."""
    feed = SampleFeed()
    start = feed.start_ms + 40 * MS_PER_DAY
    names = feed.listed("BTC", start)[100:104]
    minute = iter(range(start, feed.end_ms, 60_000))
    return [
        Row("sample: load and check the files", 1e3 * best_seconds(SampleFeed, 10), "ms", 100.0),
        Row(
            f"sample: BTC chain, {len(feed.listed('BTC', start))} options",
            1e3 * best_seconds(lambda: feed.chain("BTC", next(minute)), 200),
            "ms",
            1.5,
        ),
        Row(
            "sample: quotes of 4 options",
            1e3 * best_seconds(lambda: feed.quotes("BTC", names, next(minute)), 200),
            "ms",
            0.1,
        ),
    ]
