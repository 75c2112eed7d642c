"""Runs income over the recorded chains of January to May 2026, prints what it shows, and writes docs/evidence-2026.md.

    python scripts/evidence.py [--data ../shared/data] [--mode research] [--once]

The recordings are third parties' and stay where they are; only measured figures are written. The same recordings,
code and seed give the same table.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from optionwriter.bootstrap.captured import seat_captured
from optionwriter.bootstrap.parts import LOG_FOLDER
from optionwriter.core.books.codec import to_json
from optionwriter.core.market.instruments import MS_PER_DAY
from optionwriter.core.report import evidence
from optionwriter.services.replay import Replayed, replay
from optionwriter.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
DOC = ROOT / "docs" / "evidence-2026.md"
START, END = "2026-01-01", "2026-06-01"
SEED = 20_260_601
BEGIN, FINISH = "<!-- table -->", "<!-- end of table -->"
KINDS = (("BTC", "call"), ("ETH", "call"), ("BTC", "put"), ("ETH", "put"))


@dataclass(frozen=True)
class Ran:
    """A run, with digests of its facts and its decision log."""

    replayed: Replayed
    facts: str
    decisions: str
    seconds: float


def epoch_ms(day: str) -> int:
    """Milliseconds of a day's first instant, UTC."""
    return int(np.datetime64(day, "ms").astype(np.int64))


def run(data: Path, folder: Path, start_ms: int, end_ms: int, mode: str = "research") -> Ran:
    """One run in `folder`, which is made anew."""
    settings = Settings(
        data_dir=folder,
        dry_run=True,
        mode=mode,  # type: ignore[arg-type]  # argparse holds it to the two
        candidate_retention_days=3_650,
    )
    started = time.perf_counter()
    with seat_captured(settings, data, start_ms, end_ms) as seated:
        replayed = replay(seated.desk, seated.instants)
        facts = digest(to_json(fact).encode() for fact in seated.desk.recorder.facts())
    logs = sorted((folder / LOG_FOLDER).glob("agent_decisions_*.jsonl"))
    decisions = digest(path.read_bytes() for path in logs)
    return Ran(replayed, facts, decisions, time.perf_counter() - started)


def digest(parts: Iterable[bytes]) -> str:
    """SHA-256 over the parts, a newline after each."""
    found = hashlib.sha256()
    for part in parts:
        found.update(part + b"\n")
    return found.hexdigest()


def document(ran: Ran) -> str:
    """The measured part of the page."""
    replayed = ran.replayed
    looks, rounds = replayed.looks, replayed.rounds
    days = (looks[-1].at_ms - looks[0].at_ms) / MS_PER_DAY
    summary = (
        f"{len(looks)} cycles over {days:.0f} days, {len(rounds)} decisions, {len(replayed.failures)} failures. "
        f"Equity from {looks[0].equity_usd:,.0f} to {looks[-1].equity_usd:,.0f} USD, coins held included."
    )
    lines = [summary, "", "| strategy | action | decisions |", "|---|---|---|"]
    for name, actions in evidence.actions_by_strategy(rounds).items():
        lines += [f"| {name} | {action} | {count} |" for action, count in actions.items()]
    lines += ["", *sides_table(ran), "", *results_table(ran), "", *limits_table(ran), ""]
    lines += [f"Digest of the facts {ran.facts[:16]}, of the decision log {ran.decisions[:16]}."]
    return "\n".join(lines)


def sides_table(ran: Ran) -> list[str]:
    """Calls against puts."""
    rounds = ran.replayed.rounds
    lines = [
        "| best call against best put | looks | both | calls better | puts better | only a call | only a put |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, looked in (
        ("passing the rules", [one.able for one in rounds]),
        ("on the menu (slot and cover free)", [one.offered for one in rounds]),
    ):
        found = evidence.sides(looked)
        lines.append(
            f"| {name} | {found.looked} | {found.both} | {share(found.calls_better, found.looked)} "
            f"| {share(found.puts_better, found.looked)} | {share(found.only_calls, found.looked)} "
            f"| {share(found.only_puts, found.looked)} |"
        )
    return lines


def share(part: int, whole: int) -> str:
    """A count and its share."""
    return f"{part} ({part / whole:.1%})" if whole else "0"


def results_table(ran: Ran) -> list[str]:
    """P&L in coin and USD with intervals, and what the period could have shown."""
    rng = np.random.default_rng(SEED)
    looks = ran.replayed.looks
    at_ms = [one.at_ms for one in looks]
    rows: list[tuple[str, str, list[float], int]] = []
    for kind in KINDS:
        coin = kind[0] if kind[1] == "call" else "USDC"
        name = f"{kind[0]} {kind[1]}s"
        rows.append((name, coin, evidence.series(looks, [kind], False), 3 if coin != "USDC" else 0))
        if coin != "USDC":
            rows.append((name, "USD", evidence.series(looks, [kind], True), 0))
    calls, puts = (
        np.array(evidence.series(looks, [one for one in KINDS if one[1] == side], True))
        for side in ("call", "put")
    )
    rows += [
        ("all calls", "USD", list(calls), 0),
        ("all puts", "USD", list(puts), 0),
        ("calls less puts", "USD", list(calls - puts), 0),
        ("everything", "USD", list(calls + puts), 0),
    ]
    lines = [
        "| P&L of options | unit | total | 95 % interval | smallest difference |",
        "|---|---|---|---|---|",
    ]
    for name, unit, values, digits in rows:
        one = evidence.interval(evidence.weekly(at_ms, values), rng)
        lines.append(
            f"| {name} | {unit} | {one.total:,.{digits}f} | {one.low:,.{digits}f} to {one.high:,.{digits}f} "
            f"| {one.smallest:,.{digits}f} |"
        )
    return lines


def limits_table(ran: Ran) -> list[str]:
    """The most that was used of each limit."""
    lines = [
        "| limit | of | most used | passed by a decision | passed by the market |",
        "|---|---|---|---|---|",
    ]
    return lines + [
        f"| {one.name} | {one.subject} | {one.most:.1%} | {one.passed} | {one.drifted} |"
        for one in evidence.limit_records(ran.replayed.looks)
    ]


def main() -> None:
    """Reads the command line, runs twice, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--mode", choices=("research", "production"), default="research")
    parser.add_argument("--once", action="store_true", help="Leave out the second run and its comparison.")
    chosen = parser.parse_args()
    span = epoch_ms(START), epoch_ms(END)
    with tempfile.TemporaryDirectory() as folder:
        first = run(chosen.data, Path(folder) / "first", *span, chosen.mode)
        second = first if chosen.once else run(chosen.data, Path(folder) / "second", *span, chosen.mode)
    if (first.facts, first.decisions) != (second.facts, second.decisions):
        sys.exit("The same run twice gave other facts or another decision log.")
    for failure in first.replayed.failures[:20]:
        print(f"failure: {failure}", file=sys.stderr)
    table = document(first)
    print(table)
    print(f"\nOne run took {first.seconds:.0f} s.", file=sys.stderr)
    if chosen.mode == "research":
        before, _, rest = DOC.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(FINISH)[2]
        DOC.write_text(f"{before}{BEGIN}\n{table}\n{FINISH}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
