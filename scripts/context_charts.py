"""Draws the charts of docs/market-context.md from the recorded data beside the checkout, and prints its tables.

    python scripts/context_charts.py [--data ../shared/data] [--out docs/img]     the charts
    python scripts/context_charts.py --table [--data ../shared/data]              the tables of skill

Every number comes from the functions that trade: build_context, event_risks, with_chains. Prices are Binance's hourly
candles and the volatility index is Deribit's daily DVOL, both from 2021-03-24, when DVOL begins.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
from svg_chart import Line, Numbers, Panel, chart, years

from optionwriter.core.market.chain import InstrumentTable, OptionChain
from optionwriter.core.market.context import MarketContext, Regime, build_context
from optionwriter.core.market.event_risk import PREDICTORS, Past, Skill, event_risks, skill_of
from optionwriter.core.market.history import Candles, PriceHistory, VolatilityIndex
from optionwriter.core.market.instruments import MS_PER_DAY, product
from optionwriter.core.market.term_structure import with_chains
from optionwriter.core.market.touch import HORIZON_DAYS, daily_bars, touches

ROOT = Path(__file__).resolve().parents[1]
COINS = ("BTC", "ETH")
FIRST = datetime(2021, 3, 24, tzinfo=UTC)
EVERY_DAYS = 4  # between two points of a chart over years
SIDES = ("pump", "crash")


def history(data: Path, coin: str) -> PriceHistory:
    """All that is recorded of a coin since FIRST, up to the last day of DVOL."""
    prices = pl.read_parquet(data / f"prices_hourly/{coin}_USDT_binance_spot_1h.parquet")
    index = pl.read_csv(data / f"dvol/{coin.lower()}_dvol_1d.csv", try_parse_dates=True).sort("date")
    known = (index["date"].cast(pl.Int32).cast(pl.Int64).to_numpy() + 1) * MS_PER_DAY  # a day's close
    end = int(known[-1])
    prices = prices.filter((pl.col("date") >= FIRST) & (pl.col("date").dt.epoch("ms") < end))
    columns = [prices[name].to_numpy() for name in ("open", "high", "low", "close")]
    candles = Candles(prices["date"].dt.epoch("ms").to_numpy(), *columns)
    return PriceHistory(coin, end, candles, VolatilityIndex(known, index["close"].to_numpy()))


def contexts(past: PriceHistory) -> list[MarketContext]:
    """The context every few days, each from what was known by then."""
    first = int(FIRST.timestamp() * 1000)
    return [
        build_context(past, at)
        for at in range(first + 8 * MS_PER_DAY, past.at_ms + 1, EVERY_DAYS * MS_PER_DAY)
    ]


def column(rows: list[MarketContext], name: str) -> Numbers:
    """One field over time."""
    return np.array([getattr(row, name) for row in rows], dtype=np.float64)


def price_charts(seen: dict[str, list[MarketContext]]) -> dict[str, str]:
    """The charts that need nothing but prices and the volatility index."""
    btc = seen["BTC"]
    x = column(btc, "at_ms")
    ticks = years(int(x[0]), int(x[-1]), 12)

    def lines(rows: list[MarketContext], *named: tuple[str, str]) -> list[Line]:
        return [Line(label, column(rows, name)) for label, name in named]

    def both(title: str, *named: tuple[str, str], **options: bool) -> str:
        panels = [Panel(coin, lines(seen[coin], *named), **options) for coin in COINS]
        return chart(title, x, panels, ticks, 150)

    spot = column(btc, "spot")
    averages = [Line(f"{days} days", spot / (1.0 + column(btc, f"distance_{days}d"))) for days in (50, 200)]
    regime = [
        Panel("BTC, USD, and the averages; green bull, red bear", [Line("price", spot), *averages], False, True,
              _bands(btc, x)),
        Panel("distance from the averages", lines(btc, ("50 days", "distance_50d"), ("200 days", "distance_200d"))),
    ]  # fmt: skip
    index = [
        Panel("volatility index, percent points",
              [Line(coin, column(seen[coin], "volatility_index")) for coin in COINS], False),
        Panel("rank within the last year",
              [Line(coin, column(seen[coin], "volatility_rank_1y")) for coin in COINS]),
    ]  # fmt: skip
    return {
        "returns": both(
            "Returns", ("1 day", "return_1d"), ("7 days", "return_7d"), ("30 days", "return_30d")
        ),
        "realised": both(
            "Realised volatility of 30 days",
            ("close to close", "realised_30d"), ("Garman-Klass", "range_volatility_30d"),
        ),
        "realised-7d": both(
            "Realised volatility of 7 days", ("close to close", "realised_7d"), ("Garman-Klass", "range_volatility_7d")
        ),
        "regime": chart("Averages and regime", x, regime, ticks, 170),
        "index": chart("Volatility index", x, index, ticks, 150),
    }  # fmt: skip


def risk_charts(seen: dict[str, list[MarketContext]]) -> dict[str, str]:
    """Probability and base rate, 7 and 30 days."""
    x = column(seen["BTC"], "at_ms")
    found = {}
    for days in (7, 30):
        panels = []
        for coin in COINS:
            for side in SIDES:
                now = Line("probability", column(seen[coin], f"{side}_{days}d"))
                base = Line("base rate", column(seen[coin], f"{side}_base_{days}d"), dashed=True)
                panels.append(Panel(f"{coin}, {side} within {days} days", [now, base]))
        found[f"risk-{days}d"] = chart(
            f"Pump and crash risk, {days} days", x, panels, years(int(x[0]), int(x[-1]), 12), 110
        )
    return found


def _bands(rows: list[MarketContext], x: Numbers) -> list[tuple[float, float, str]]:
    found: list[tuple[float, float, str]] = []
    for start, end, row in zip(x, x[1:], rows, strict=False):
        if row.regime in (Regime.BULL, Regime.BEAR):
            if found and found[-1][1] == start and found[-1][2] == row.regime.value:
                start = found.pop()[0]
            found.append((float(start), float(end), row.regime.value))
    return found


def chain_charts(data: Path) -> dict[str, str]:
    """Term structure and skew of the recorded chains, one snapshot a day."""
    seen = {coin: _chain_contexts(data, coin) for coin in COINS}
    x = column(seen["BTC"], "at_ms")
    ticks = years(int(x[0]), int(x[-1]), 1)

    def panels(*named: tuple[str, str, str]) -> list[Panel]:
        found = []
        for coin in COINS:
            rows = seen[coin]
            for heading in dict.fromkeys(one[0] for one in named):
                lines = [Line(label, column(rows, name)) for group, label, name in named if group == heading]
                found.append(Panel(f"{coin}, {heading}", lines, "slope" not in heading))
        return found

    level, slope = "volatility at the money", "slope of the term structure"
    reversal, wings = "25-delta risk reversal", "25-delta butterfly"
    return {
        "term": chart(
            "Term structure", x,
            panels((level, "7 days", "atm_iv_7d"), (level, "30 days", "atm_iv_30d"), (level, "90 days", "atm_iv_90d"),
                   (slope, "30 over 7", "term_slope_30_7"), (slope, "90 over 30", "term_slope_90_30")),
            ticks, 110,
        ),
        "skew": chart(
            "Skew", x,
            panels((reversal, "7 days", "risk_reversal_7d"), (reversal, "30 days", "risk_reversal_30d"),
                   (wings, "7 days", "butterfly_7d"), (wings, "30 days", "butterfly_30d")),
            ticks, 110,
        ),
    }  # fmt: skip


def _chain_contexts(data: Path, coin: str) -> list[MarketContext]:
    found = []
    for path in sorted((data / f"chains_deribit_6h_btc_eth/{coin}").glob("*.parquet")):
        frame = pl.read_parquet(path)
        for stamp in frame["timestamp"].dt.truncate("1d").unique().sort():
            day = frame.filter(pl.col("timestamp").dt.truncate("1d") == stamp)
            rows = day.filter(pl.col("timestamp") == pl.col("timestamp").min())
            chain = _chain(rows, coin)
            found.append(with_chains(MarketContext(coin, chain.at_ms), [chain]))
    return found


def _chain(rows: pl.DataFrame, coin: str) -> OptionChain:
    def numbers(name: str) -> Numbers:
        return rows[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()

    table = InstrumentTable.of(product(coin), tuple(rows["instrument_name"].to_list()))
    at_ms = round(rows["timestamp"][0].timestamp() * 1000)
    none = np.full(len(rows), np.nan)
    return OptionChain(
        table, at_ms, float(rows["index_price"][0]), numbers("underlying_price"), numbers("mark_price"),
        numbers("mark_iv_decimal"), none, none, none, none, none, none,
    )  # fmt: skip


def used_skills(past: PriceHistory) -> dict[str, list[Skill]]:
    """Per side and horizon, the skill of the probability as it was shown day by day, gate and all."""
    bars = daily_bars(past.candles, past.at_ms)
    shown = np.full((2, 2, len(HORIZON_DAYS), len(bars)), np.nan)
    for day in range(len(bars)):
        at_ms = (bars.first + 1 + day) * MS_PER_DAY
        for side, risk in enumerate(event_risks(Past(past.candles, past.volatility_index, at_ms))):
            shown[side, 0, :, day], shown[side, 1, :, day] = risk.curve, risk.base
    found: dict[str, list[Skill]] = {}
    for side, name in enumerate(SIDES):
        found[name] = [
            skill_of("used", shown[side, 0, row], shown[side, 1, row], touches(bars, days)[side], days)
            for row, days in enumerate(HORIZON_DAYS)
        ]
    return found


def skill_chart(skills: dict[tuple[str, str], list[tuple[Skill, ...]]]) -> str:
    """Skill by horizon with its standard error, a panel for each coin and side."""
    x = np.arange(len(HORIZON_DAYS), dtype=np.float64)
    panels = []
    for (coin, side), rows in skills.items():
        lines = []
        for number, name in enumerate(PREDICTORS):
            scores, errors = (
                np.array([getattr(row[number], key) for row in rows]) for key in ("score", "error")
            )
            lines.append(Line(name, scores, error=errors))
        panels.append(Panel(f"{coin}, {side}", [*lines, Line("base rate", np.zeros(len(x)), dashed=True)]))
    ticks = [(float(place), f"{days} d") for place, days in enumerate(HORIZON_DAYS)]
    return chart("Brier skill against the base rate, with one standard error", x, panels, ticks, 120)


def table(pasts: dict[str, PriceHistory]) -> str:
    """The tables of docs/market-context.md."""
    lines = [
        "| coin | event | days | windows | base rate | index | realised | mix | as shown | in use |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for coin, past in pasts.items():
        used = used_skills(past)
        for side, risk in zip(
            SIDES, event_risks(Past(past.candles, past.volatility_index, past.at_ms)), strict=True
        ):
            for row, days in enumerate(HORIZON_DAYS):
                cells = [_signed(one) for one in (*risk.skills[row], used[side][row])]
                windows = risk.skills[row][0].windows
                head = [
                    coin,
                    side,
                    str(days),
                    f"{windows:,} ({windows / days:,.0f})",
                    f"{100 * risk.base[row]:.1f} %",
                ]
                lines.append(f"| {' | '.join([*head, *cells, risk.chosen[row] or 'base rate'])} |")
    return "\n".join(lines)


def _signed(skill: Skill) -> str:
    if max(abs(skill.score), skill.error) < 0.0005:
        return "= base rate"
    cell = f"{100 * skill.score:+.1f} ± {100 * skill.error:.1f}".replace("-", "−")
    return f"**{cell}**" if skill.score > skill.error else cell


def main() -> int:
    """Draws or prints. Errors: exit 2 without the data."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "img")
    parser.add_argument("--table", action="store_true", help="print the tables instead")
    asked = parser.parse_args()
    if not (asked.data / "prices_hourly").is_dir():
        sys.stderr.write(f"{asked.data} holds no recorded data: name its folder with --data\n")
        return 2
    pasts = {coin: history(asked.data, coin) for coin in COINS}
    if asked.table:
        sys.stdout.write(table(pasts) + "\n")
        return 0
    seen = {coin: contexts(past) for coin, past in pasts.items()}
    skills = {
        (coin, side): list(risk.skills)
        for coin, past in pasts.items()
        for side, risk in zip(
            SIDES, event_risks(Past(past.candles, past.volatility_index, past.at_ms)), strict=True
        )
    }
    drawn = price_charts(seen) | risk_charts(seen) | chain_charts(asked.data) | {"skill": skill_chart(skills)}
    for name, text in drawn.items():
        (asked.out / f"context-{name}.svg").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
