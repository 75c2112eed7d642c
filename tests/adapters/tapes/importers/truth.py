"""A chain whose every number is known, written in the ways that people write chains."""

from __future__ import annotations

from datetime import UTC, date, datetime
from math import erf, exp, log, pi, sqrt
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl

from optionwriter.adapters.tapes.importers.problem import Batch, ImportOptions, ImportRefusedError, Opened
from optionwriter.adapters.tapes.importers.registry import open_file
from optionwriter.core.market.instruments import expiry_at

AT = datetime(2026, 3, 3, 21, 30, tzinfo=UTC)
INDEX = 70_000.0
EXPIRIES = {"5MAR26": (date(2026, 3, 5), 70_010.0), "27MAR26": (date(2026, 3, 27), 70_400.0)}
STRIKES = (62_000, 64_000, 66_000, 68_000, 70_000, 72_000, 74_000, 76_000, 78_000)


def _normal(x: float) -> float:
    return 0.5 * (1.0 + erf(x / sqrt(2.0)))


def _price(forward: float, strike: float, years: float, sigma: float, call: bool) -> float:
    """Black-76 as in the textbook, apart from the project's own."""
    deviation = sigma * sqrt(years)
    d1 = log(forward / strike) / deviation + 0.5 * deviation
    value = forward * _normal(d1) - strike * _normal(d1 - deviation)
    return value if call else value - forward + strike


def _vega(forward: float, strike: float, years: float, sigma: float) -> float:
    """USD a point of volatility."""
    deviation = sigma * sqrt(years)
    d1 = log(forward / strike) / deviation + 0.5 * deviation
    return 0.01 * forward * sqrt(years) * exp(-0.5 * d1 * d1) / sqrt(2.0 * pi)


def chain(at: datetime = AT, code: str = "BTC", scale: float = 1.0) -> pl.DataFrame:
    """The truth: prices in coin (USDC for linear products), volatilities as fractions; every fifth has no bid."""
    rows = []
    for name, (day, forward) in EXPIRIES.items():
        forward, years = forward * scale, (expiry_at(day) / 1000 - at.timestamp()) / (365 * 86_400)
        for strike in (one * scale for one in STRIKES):
            sigma = 0.5 + 0.4 * log(strike / forward) ** 2
            for letter in "CP":
                usd = _price(forward, strike, years, sigma, letter == "C")
                mark = usd if "_" in code else usd / forward
                rows.append(
                    {
                        "timestamp": at,
                        "instrument_name": f"{code}-{name}-{strike:g}".replace(".", "d") + f"-{letter}",
                        "expiry": datetime(day.year, day.month, day.day, 8, tzinfo=UTC),
                        "strike": float(strike),
                        "option_type": letter,
                        "forward": forward,
                        "index_price": INDEX * scale,
                        "mark_price": mark,
                        "bid_price": None if len(rows) % 5 == 0 else mark * 0.97,
                        "ask_price": mark * 1.03,
                        "mark_iv": sigma,
                        "delta": _normal(log(forward / strike) / sigma / sqrt(years) + sigma * sqrt(years) / 2)
                        - (letter == "P"),
                        "vega": _vega(forward, strike, years, sigma),
                        "open_interest": 10.0 + len(rows),
                    }
                )  # fmt: skip
    return pl.DataFrame(rows)


def eastern(at: datetime) -> str:
    """An instant as a clock in New York shows it, without its zone."""
    return at.astimezone(ZoneInfo("America/New_York")).strftime("%Y-%m-%d %H:%M:%S")


def opened(
    path: Path, options: ImportOptions | None = None, name: str = "auto"
) -> tuple[Opened, list[Batch]]:
    """A file read to its end."""
    file = open_file(path, name, options or ImportOptions())
    return file, list(file.batches())


def rows_of(path: Path, options: ImportOptions | None = None) -> pl.DataFrame:
    """The canonical rows of a file, in the truth's order; every row that was read is accounted for."""
    _, batches = opened(path, options)
    assert sum(one.read for one in batches) == sum(one.kept for one in batches) + sum(
        each.count for one in batches for each in one.dropped
    )
    return pl.concat([one.rows for one in batches])


def refusal(path: Path, options: ImportOptions | None = None, name: str = "auto") -> str:
    """Why a file is refused."""
    try:
        opened(path, options, name)
    except ImportRefusedError as error:
        return str(error)
    raise AssertionError(f"{path} was taken")
