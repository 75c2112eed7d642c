"""Black-76: nanoseconds an option for price and delta, all greeks and implied volatility; and the first call."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import numpy as np

from bench import Row, best_seconds
from optionwriter.core.market import black76

FIRST = """
import time
start = time.perf_counter()
from optionwriter.core.market import black76
imported = time.perf_counter()
black76.price_delta(1e5, 1e5, 0.1, 0.5, True)
print(imported - start, time.perf_counter() - imported)
"""


def _first_call() -> tuple[float, float]:
    """Seconds to import, and to the end of the first call, in a new process whose cache is warm."""
    command = [sys.executable, "-c", FIRST]
    subprocess.run(command, check=True, capture_output=True)
    imported, called = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(imported), float(called)


def _columns(n: int) -> list[Row]:
    """The loops over a chain of `n` options."""
    rng = np.random.default_rng(1)
    forward = 90_000 * np.exp(rng.normal(0, 0.01, n))
    strike = forward * np.exp(rng.normal(0, 0.3, n))
    years, sigma = rng.uniform(1 / 365, 1, n), rng.uniform(0.2, 1.5, n)
    call = rng.random(n) < 0.5
    price, delta = black76.price_delta(forward, strike, years, sigma, call)

    def row(name: str, action: Callable[[], object], aim: float | None = None) -> Row:
        seconds = best_seconds(action)
        return Row(f"Black-76 {name}, {n:,} options", seconds / n * 1e9, "ns an option", aim)

    options = (forward, strike, years, sigma, call)
    return [
        row("price and delta, kernel", lambda: black76.fill_price_delta(*options, price, delta), 10.0),
        row("price and delta, checked", lambda: black76.price_delta(*options)),
        row("price and greeks", lambda: black76.greeks(*options)),
        row(
            "implied volatility",
            lambda: black76.implied_volatility(price, forward, strike, years, call),
            400.0,
        ),
    ]


def _one() -> None:
    for _ in range(1_000):
        black76.price_delta_one(90_000.0, 95_000.0, 0.1, 0.5, True)


def run() -> list[Row]:
    """One process, one thread; a chain of 800 options and a column of 100,000."""
    imported, called = _first_call()
    return [
        *_columns(800),
        *_columns(100_000),
        Row("Black-76 one option, called from Python", best_seconds(_one) * 1e6, "ns"),
        Row("Black-76 import, numba not loaded", imported, "s"),
        Row("Black-76 first call, cache warm: numba loads", called, "s"),
    ]
