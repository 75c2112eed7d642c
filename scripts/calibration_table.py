"""Writes docs/calibration.md's tables and pictures: the models against recorded marks of January to May 2026.

    python scripts/calibration_table.py [--data ../shared/data] [--only inverse|linear|bundled|none]
    optionwriter calibrate explain-backtest --from 2026-01-02 --to 2026-05-31 -o data=../shared/data \\
        -o step_minutes=60 --metric option_pnl,premium_sold,fees,trades --seed SEED --json > SEED.json
    python scripts/calibration_table.py --only none --backtests 1.json 2.json …

Inverse options from the six-hourly recordings, linear ones from the five-minute captures of December 2025 (a chain an
hour). The figures are kept in docs/img/calibration.json, from which tables and pictures are made: a test repeats a
week of the bundled month. The chain of backtests is run by the command above, seed by seed: the first file given is the
page's, all of them give the spread over seeds. `--only none` writes the page from what is kept. Only measured figures
are written.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from svg_chart import Line, Panel, chart, years

from optionwriter.adapters.tapes.layouts import HARVEST_FOLDER, day_path
from optionwriter.bootstrap.calibrating import Asked, calibration
from optionwriter.core.market.instruments import MS_PER_HOUR
from optionwriter.core.report.calibration_models import FITS, TITLES, Model
from optionwriter.core.report.explained_difference import REST, SOURCES
from optionwriter.services.calibrated import report_json
from optionwriter.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
DOC = ROOT / "docs" / "calibration.md"
FIGURES = ROOT / "docs" / "img" / "calibration.json"
BACKTESTS = FIGURES.with_name("calibration-backtests.json")
COINS = ("BTC", "ETH")
CAPTURES = "chains_deribit_5min_multiasset"
BEGIN, END = "<!-- {} -->", "<!-- end of {} -->"
MOST_POINTS = 200  # of a curve
SHOWN = {"option_pnl": "options", "premium_sold": "premium sold", "fees": "fees", "trades": "positions"}
BUNDLED = ("2026-02-02", "2026-02-09")  # the part that a test repeats


def day_ms(day: str) -> int:
    """A day's first instant, UTC."""
    return int(np.datetime64(day, "ms").astype(np.int64))


def asked_of(name: str, data: str = "") -> Asked:
    """What is asked for under a name such as `BTC inverse`."""
    coin, _, family = name.partition(" ")
    if family == "linear":
        return Asked(
            coin, "linear", "live_deribit", day_ms("2025-12-10"), day_ms("2025-12-13"), MS_PER_HOUR, 1.0, data
        )
    first, last = ("2026-01-01", "2026-06-01") if family == "inverse" else BUNDLED
    every = 0 if family == "inverse" else 24 * MS_PER_HOUR
    return Asked(coin, "inverse", "live_deribit", day_ms(first), day_ms(last), every, 1.0, data)


def measured(name: str, data: str = "") -> dict[str, Any]:
    """The figures at multiplier 1, and the multiplied models' overall errors at their best multiplier in points."""
    settings = Settings()
    asked = asked_of(name, data)
    found = report_json(calibration(settings, asked).found, ())
    best: float = found["best"]["skew"]["points"]
    at_best = report_json(calibration(settings, replace(asked, multiplier=best)).found, ())
    found["at_best"] = {one["name"]: one["overall"] for one in at_best["models"] if one["uses_multiplier"]}
    found["at_best_by_tenor"] = {
        one["name"]: one["by_tenor"] for one in at_best["models"] if one["uses_multiplier"]
    }
    found["best_used"] = best
    del found["smiles"], found["notes"]
    step = -(-found["chains"] // MOST_POINTS)
    over = found["over_time"]
    found["over_time"] = {
        key: {name: column[::step] for name, column in one.items()} if isinstance(one, dict) else one[::step]
        for key, one in over.items()
    }
    return found


@contextmanager
def as_harvested(data: Path) -> Iterator[str]:
    """The five-minute captures in the harvester's layout, a file a day, for as long as they are read."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / HARVEST_FOLDER
        for code in (one + end for one in COINS for end in ("", "_USDC")):
            frame = pl.read_parquet(data / CAPTURES / f"{code}.parquet")
            for (day,), part in frame.group_by(pl.col("harvest_time").dt.date()):
                path = folder / day_path(code, day)  # type: ignore[arg-type]  # a date, by the expression
                path.parent.mkdir(parents=True, exist_ok=True)
                part.sort("harvest_time", "instrument_name").write_parquet(path)
        yield name


def rounded(value: Any) -> Any:
    """Six significant digits: what is printed, and the same on every machine."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    return [rounded(one) for one in value] if isinstance(value, list) else value


def table(figures: dict[str, Any]) -> list[str]:
    """The models' errors, a product after the other."""
    rows = []
    for name, found in figures.items():
        unit = found["product"] if "_" not in found["product"] else "USDC"
        rows += [
            "",
            f"**{name}**: {found['chains']} chains, {found['marks']:,} marks, multiplier {found['best_used']:.3f}",
            "",
            f"| model | points | bias | USD | bias | {unit} | bias |",
            "|---|--:|--:|--:|--:|--:|--:|",
        ]
        for one in found["models"]:
            row = found["at_best"].get(one["name"], one["overall"])
            if row["mae"]["points"] is not None:
                mark = " (fit)" if one["is_fit"] else ""
                rows.append(f"| {TITLES[Model(one['name'])]}{mark} | " + " | ".join(cells(row)) + " |")
    return rows


def cells(row: dict[str, Any]) -> list[str]:
    """Error and bias in points, USD, settlement currency."""
    mae, bias = row["mae"], row["bias"]
    return [
        f"{mae['points']:.2f}", f"{bias['points']:+.2f}", f"{mae['usd']:,.2f}", f"{bias['usd']:+,.2f}",
        f"{mae['price']:.6f}" if mae["price"] < 1 else f"{mae['price']:,.2f}",
        f"{bias['price']:+.6f}" if mae["price"] < 1 else f"{bias['price']:+,.2f}",
    ]  # fmt: skip


def buckets(figures: dict[str, Any]) -> list[str]:
    """Points off by tenor and by delta, and the multiplier by tenor."""
    rows = []
    for name, found in figures.items():
        by_tenor = found["at_best_by_tenor"]
        models = [one for one in found["models"] if one["name"] not in {str(fit) for fit in FITS}]
        shown = {one["name"]: by_tenor.get(one["name"], one["by_tenor"]) for one in models}
        rows += ["", f"**{name}**, points off (bias) by tenor", ""]
        rows += [
            f"| days | {' | '.join(shown)} | best multiplier, flat | skew |",
            "|---|" + "--:|" * (len(shown) + 2),
        ]
        for tenor in next(iter(shown.values())):
            parts = [
                "-" if one[tenor]["mae"]["points"] is None
                else f"{one[tenor]['mae']['points']:.1f} ({one[tenor]['bias']['points']:+.1f})"
                for one in shown.values()
            ]  # fmt: skip
            best = [found["best"][one]["by_tenor"][tenor]["points"] for one in ("flat", "skew")]
            parts += ["-" if one is None else f"{one:.3f}" for one in best]
            rows.append(f"| {tenor} | " + " | ".join(parts) + " |")
    return rows


def backtests(told: dict[str, Any]) -> list[str]:
    """The chain of backtests, a figure a column: what each change is worth, and both ends."""
    rows = [
        one for one in told["rows"]
        if one["metric"] == "option_pnl" or (one["metric"] in SHOWN and one["currency"] == "USD")
    ]  # fmt: skip
    names = [
        f"{SHOWN[one['metric']]}{', ' + one['currency'] if one['metric'] != 'trades' else ''}" for one in rows
    ]
    table = [f"| step | {' | '.join(names)} |", "|---|" + "--:|" * len(names)]

    def line(title: str, value: Callable[[dict[str, Any]], float], sign: str = "+") -> str:
        return f"| {title} | " + " | ".join(figure(value(one), one["currency"], sign) for one in rows) + " |"

    table.append(line("**synthetic**", lambda one: one["first"], ""))
    for name, text in {**SOURCES, **REST}.items():
        table.append(line(text, lambda one, name=name: one["changes"][name]))
    table.append(line("**recorded**", lambda one: one["last"], ""))
    table.append(line("recorded less synthetic", lambda one: one["last"] - one["first"]))
    table.append(line("explained by the four sources", explained))
    return ["", *table, line("not explained: the rest", lambda one: one["rest"])]


def same_trades(told: dict[str, Any]) -> list[str]:
    """The recorded run's own trades at the other markets' prices, USD."""
    same = told["same_trades"]

    def whole(name: str) -> float:
        return float(same["flows_usd"][name] + same["payoffs_usd"][name])

    rows = ["", f"| the recorded run's {same['trades']} trades | USD |", "|---|--:|"]
    rows.append(f"| **at synthetic prices** | {figure(whole('synthetic'), 'USD')} |")
    for name, text in {**SOURCES, "rest": "not explained: the rest"}.items():
        rows.append(f"| {text} | {figure(same['changes'][name], 'USD', '+')} |")
    return [*rows, f"| **as they were made** | {figure(whole('recorded'), 'USD')} |"]


def seeds(told: dict[str, Any]) -> list[str]:
    """What each change is worth over the seeds, USD: the mean, and least to most; positions least to most."""
    runs = told["seeds"]
    by = {
        metric: [
            row for one in runs for row in one["rows"] if (row["metric"], row["currency"]) == (metric, "USD")
        ]
        for metric in ("option_pnl", "trades")
    }
    titles = (
        "step", "options, USD: mean", "least", "most", "positions: least", "most", "its trades, USD: mean",
        "least", "most",
    )  # fmt: skip
    table = ["", f"| {' | '.join(titles)} |", "|---|" + "--:|" * (len(titles) - 1)]

    def line(title: str, value: Callable[[dict[str, Any]], float], name: str, sign: str = "+") -> None:
        pnl, trades = ([value(row) for row in by[metric]] for metric in ("option_pnl", "trades"))
        cells = [sum(pnl) / len(pnl), min(pnl), max(pnl), min(trades), max(trades)]
        same = [_same(one["same_trades"], name) for one in runs] if name else []
        told_same = [sum(same) / len(same), min(same), max(same)] if same else []
        shown = [figure(one, "USD", sign) for one in (*cells, *told_same)]
        table.append(f"| {title} | " + " | ".join([*shown, *[""] * (len(titles) - 1 - len(shown))]) + " |")

    line("**synthetic**", lambda one: one["first"], "synthetic", "")
    for name, text in {**SOURCES, **REST}.items():
        line(text, lambda one, name=name: one["changes"][name], name if name in SOURCES else "")
    line("**recorded**", lambda one: one["last"], "recorded", "")
    line("recorded less synthetic", lambda one: one["last"] - one["first"], "")
    line("explained by the four sources", explained, "")
    line("not explained: the rest", lambda one: one["rest"], "rest")
    return table


def _same(same: dict[str, Any], name: str) -> float:
    if name in same["changes"]:
        return float(same["changes"][name])
    return float(same["flows_usd"][name] + same["payoffs_usd"][name])


def gathered(paths: list[Path]) -> dict[str, Any]:
    """The first of the told chains whole, and of all of them what the spread over seeds needs."""
    read = [json.loads(path.read_text()) for path in paths]
    kept = [
        {
            "seed": one["seed"],
            "rows": [
                row for row in one["rows"]
                if row["currency"] == "USD" and row["metric"] in ("option_pnl", "trades")
            ],
            "same_trades": one["same_trades"],
        }
        for one in read
    ]  # fmt: skip
    if len({one["step_minutes"] for one in read}) > 1 or len({one["seed"] for one in read}) < len(read):
        raise SystemExit("error: the files are not one chain by different seeds")
    return {**read[0], "seeds": kept}


def explained(row: dict[str, Any]) -> float:
    """What the named sources are worth together."""
    return float(sum(row["changes"][name] for name in SOURCES))


def figure(value: float, currency: str, sign: str = "") -> str:
    """A number as the page shows it: dollars whole, coins to four places."""
    digits = 0 if currency in ("USD", "USDC") else 4
    return f"{round(value, digits) + 0.0:{sign},.{digits}f}"


def pictures(figures: dict[str, Any]) -> dict[str, str]:
    """Points off and the best multiplier over time, for the coins' inverse options."""
    found = {}
    for coin in COINS:
        one = figures.get(f"{coin} inverse")
        if one is None:
            continue
        over = one["over_time"]
        x = np.array(over["at_ms"], dtype=np.float64)

        def line(label: str, values: list[Any], scale: float = 1.0) -> Line:
            return Line(
                label, np.array([np.nan if v is None else v * scale for v in values], dtype=np.float64)
            )

        names = (Model.SKEW, Model.ANCHORED, Model.ANCHORS_BEFORE, Model.SURFACE_BEFORE)
        panels = [
            Panel("volatility points off at multiplier 1, mean absolute, logarithmic",
                  [line(str(name), over["points"][str(name)]) for name in names], percent=False, logarithmic=True),
            Panel("the level: points",
                  [line("realised 7 d", over["realised_7d"]), line("index", over["volatility_index"]),
                   line("at the money 30 d", over["atm_30d"])], percent=False),
            Panel("iv_multiplier of least error in points", [line("flat", over["best_multiplier"])], percent=False),
        ]  # fmt: skip
        title = f"{coin}: models against recorded marks"
        found[f"calibration-{coin.lower()}.svg"] = chart(
            title, x, panels, years(int(x[0]), int(x[-1]), 1), 130.0
        )
    return found


def filled(text: str, name: str, rows: list[str]) -> str:
    """The page with what stands between two marks replaced."""
    begin, end = BEGIN.format(name), END.format(name)
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n" + "\n".join(rows) + f"\n{end}{after}"


def write(figures: dict[str, Any]) -> None:
    """The page's tables and the pictures."""
    shown = {name: one for name, one in figures.items() if not name.endswith("bundled")}
    text = filled(DOC.read_text(), "table", table(shown))
    text = filled(text, "buckets", buckets(shown))
    if BACKTESTS.exists():
        told = json.loads(BACKTESTS.read_text())
        text = filled(filled(text, "backtests", backtests(told)), "trades", same_trades(told))
        text = filled(text, "seeds", seeds(told))
    DOC.write_text(text)
    for name, picture in pictures(shown).items():
        (FIGURES.parent / name).write_text(picture)


def main() -> int:
    """Measures what is asked for, keeps it beside what is there, and writes everything anew."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    options.add_argument("--only", choices=("inverse", "linear", "bundled", "none"), default=None)
    options.add_argument("--backtests", type=Path, nargs="+", default=(), help="what explain-backtest told")
    given = options.parse_args()
    if given.backtests:
        BACKTESTS.write_text(json.dumps(gathered(given.backtests), indent=1, sort_keys=True) + "\n")
    figures: dict[str, Any] = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    names = [f"{coin} {kind}" for kind in ("inverse", "linear", "bundled") for coin in COINS]
    with as_harvested(given.data) if given.only in (None, "linear") else _nothing() as captures:
        for name in names:
            if given.only in (None, name.partition(" ")[2]):
                data = {"inverse": str(given.data), "linear": captures}.get(name.partition(" ")[2], "")
                figures[name] = rounded(measured(name, data))
                print(name, figures[name]["chains"], "chains", flush=True)
                FIGURES.write_text(
                    json.dumps({one: figures[one] for one in names if one in figures}, separators=(",", ":"))
                    + "\n"
                )
    write({one: figures[one] for one in names if one in figures})
    return 0


@contextmanager
def _nothing() -> Iterator[str]:
    yield ""


if __name__ == "__main__":
    sys.exit(main())
