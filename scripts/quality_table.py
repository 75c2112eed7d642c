"""Checks every folder of recorded data beside the checkout and writes what it says of their known faults into
docs/data-quality.md: python scripts/quality_table.py [--data ../shared/data]. The known faults are those that the
folders' own READMEs list; a fault that the check does not see is written as such, and a test holds that there is none.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

from optionwriter.bootstrap.catalogue import Catalogue, Wanted  # noqa: E402
from optionwriter.core.market.quality import DayQuality, Verdict  # noqa: E402

DOCUMENT = ROOT / "docs" / "data-quality.md"
BEGIN, END = "<!-- known faults: begin -->", "<!-- known faults: end -->"
UNSEEN = "**not seen**"
Seen = Callable[[Sequence[DayQuality]], str]


def tells(name: str, asset: str = "", day: str = "", least: float = 0.0, mentions: str = "") -> Seen:
    """The finding on days of an asset (or file) with at least that share, told by the worst of them."""

    def look(days: Sequence[DayQuality]) -> str:
        own = [one for one in days if asset in ("", one.asset) and day in one.day]
        found = [
            each
            for one in own
            for each in one.findings
            if each.name == name and each.share >= least and mentions in each.example
        ]
        if not found:
            return ""
        worst = max(found, key=lambda one: one.share)
        where = f"{len(found)} of {len(own)} days, at most " if len(own) > 1 else ""
        return f"{name} ({worst.severity}): {where}{worst.count:,} of {worst.of:,}; {worst.example}"

    return look


def never(name: str, asset: str = "") -> Seen:
    """That there is no such finding."""

    def look(days: Sequence[DayQuality]) -> str:
        own = [one for one in days if asset in ("", one.asset)]
        seen = any(each.name == name for one in own for each in one.findings)
        return "" if seen or not own else f"{name}: none on {len(own)} days"

    return look


SIX, FIVE = "chains_deribit_6h_btc_eth", "chains_deribit_5min_multiasset"
SPOT = "prices_hourly/{}_USDT_binance_spot_1h.parquet"
KNOWN: tuple[tuple[str, str, Seen], ...] = (
    (SIX, "no bid_iv, ask_iv, gamma, theta", tells("absent columns", "BTC", mentions="bid_iv, ask_iv, gamma, theta")),
    (SIX, "null bid 7.6 %, null ask 1.5 % of rows", tells("one-sided quotes", "ETH")),
    (SIX, "mark outside bid and ask in 1.6 %", tells("mark outside quotes", "BTC")),
    (SIX, "mark rounds to 0 in 1.5 %", tells("mark of zero", "BTC")),
    (SIX, "volatility above 3 near expiry in stress", tells("extreme volatility", "BTC")),
    (SIX, "12 h steps on 2025-12-31 to 2026-01-02", tells("gaps", "BTC", "2026-01-01", mentions="12.0 h")),
    (SIX, "longest other gap 13.5 h (12.7 h in the files)", tells("gaps", "BTC", "2026-02-02", mentions="12.7 h")),
    (SIX, "bid never above ask", never("crossed quotes")),
    (SIX, "no duplicates", never("duplicates")),
    (FIVE, "bursts: gap of 49 h", tells("gaps", "BTC", mentions="49.0 h")),
    (FIVE, "bursts: 52 h of linear ones", tells("gaps", "SOL_USDC", mentions="52.1 h")),
    (FIVE, "bid_iv, ask_iv and greeks always null", tells("null columns", "ETH", mentions="bid_iv, greek_delta")),
    (FIVE, "parsed fields null for strikes with d: all of TRX", tells("null parsed fields", "TRX_USDC", least=0.999)),
    (FIVE, "… 85 % of XRP", tells("null parsed fields", "XRP_USDC", least=0.8)),
    (FIVE, "… 23 % of AVAX", tells("null parsed fields", "AVAX_USDC", least=0.15)),
    (FIVE, "first files have no parsed fields", tells("null parsed fields", "BTC", "2025-12-07")),
    (FIVE, "AVAX has no bid or ask", tells("no quotes", "AVAX_USDC", least=0.999)),
    (FIVE, "TRX has no bid or ask", tells("no quotes", "TRX_USDC", least=0.999)),
    (FIVE, "PAXG about half empty", tells("no quotes", "PAXG_USDC", least=0.4)),
    (FIVE, "first BTC file holds few rows", tells("torn snapshots", "BTC", "2025-12-07", mentions="20:30:52")),
    (FIVE, "no crossed quotes", never("crossed quotes")),
    (FIVE, "no duplicates", never("duplicates")),
    ("chains_btc_full_ticker", "no bid is 0, not null", tells("zero for no quote", "BTC")),
    ("chains_btc_full_ticker", "bid_iv is 0 in 24 % of rows", tells("zero volatilities", "BTC", least=0.2)),
    ("chains_btc_full_ticker", "columns differ by day (54, 57)", tells("null columns", "BTC")),
    ("chains_btc_full_ticker", "rows within a day span about 30 s", tells("rows over seconds", "BTC")),
    ("chains_btc_full_ticker", "no crossed quotes", never("crossed quotes")),
    ("chains_btc_full_ticker", "no duplicates", never("duplicates")),
    ("chains_btc_hourly_iv_greeks", "no prices, no underlying", tells("no price columns", "BTC")),
    ("prices_hourly", "BTC spot: 122 missing hours, 27 gaps, longest 34 h",
     tells("missing periods", SPOT.format("BTC"), mentions="27 gaps, the longest 34 h")),
    ("prices_hourly", "ETH spot: the same",
     tells("missing periods", SPOT.format("ETH"), mentions="27 gaps, the longest 34 h")),
    ("prices_hourly", "3 hours without volume", tells("no volume", SPOT.format("BTC"))),
    ("prices_hourly", "perpetuals: no gap", never("missing periods", "prices_hourly/BTC_USDT_binance_perp_1h.parquet")),
    ("prices_hourly", "no inconsistent candles", never("impossible candles")),
    ("prices_hourly", "no duplicates", never("duplicate periods")),
    ("prices_daily", "flat rows in 2010 and 2011", tells("flat candles", "prices_daily/BTC_USD_1d_2010.parquet")),
    ("prices_daily", "no missing days", never("missing periods")),
    ("dvol", "no missing hours", never("missing periods")),
    ("dvol", "no duplicates", never("duplicate periods")),
)  # fmt: skip


def checked(folder: Path, wanted: Wanted | None = None) -> list[DayQuality]:
    """Every day of the folder's chains (not of the untouched samples beside them), and every series."""
    catalogue = Catalogue(folder)
    only = wanted or Wanted(sources=(folder.name,))
    days = [one.quality for one in catalogue.check(only)] if catalogue.recordings else []
    return days + catalogue.check_series()


def table(data: Path) -> str:
    """The table of known faults, and of what else was found."""
    lines = ["| folder | known fault | what the check says |", "|---|---|---|"]
    whole: list[str] = []
    for folder in dict.fromkeys(one for one, _, _ in KNOWN):
        print(f"checking {folder}", flush=True)
        days = checked(data / folder)
        lines += [
            f"| {folder} | {fault} | {(look(days) or UNSEEN).replace('|', '/')} |"
            for one, fault, look in KNOWN
            if one == folder
        ]
        counts = ", ".join(
            f"{count} {verdict}"
            for verdict in Verdict
            if (count := sum(one.verdict is verdict for one in days))
        )
        scores = sorted(one.score for one in days)
        whole.append(f"| {folder} | {len(days)} | {counts} | {scores[0]} | {scores[len(scores) // 2]} |")
    head = ["| folder | days or files | verdicts | lowest score | median |", "|---|---|---|---|---|"]
    return "\n".join([*head, *whole, "", *lines])


def main() -> int:
    """Writes the table between its marks."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    made = table(asked.parse_args().data)
    text = DOCUMENT.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{made}\n{END}{after}", encoding="utf-8")
    return int(UNSEEN in made)


if __name__ == "__main__":
    sys.exit(main())
