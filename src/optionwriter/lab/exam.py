"""Exam dataset: a fixed period of captured data that strategies are examined on, from Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from optionwriter.bootstrap.exam import Exam, Examined, build_exam, examine, open_exam, verify_exam
from optionwriter.core.report.run import RunResult, RunSpec
from optionwriter.core.report.run_diff import Difference
from optionwriter.lab.runs import day_ms
from optionwriter.settings import Settings, load


@dataclass(frozen=True, slots=True)
class ExamReport:
    """One strategy on an exam: both runs whole, and each metric side by side (second less first is real less made)."""

    exam: str
    synthetic: RunResult
    real: RunResult
    differences: tuple[Difference, ...]

    def value(self, name: str, currency: str = "USD", exit_style: str = "own") -> Difference:
        """One metric of both. Errors: KeyError when neither run has it."""
        for one in self.differences:
            if (one.exit_style, one.currency, one.name) == (exit_style, currency, name):
                return one
        raise KeyError(f"no metric {name} in {currency} for {exit_style}")

    def table(self) -> str:
        """The metrics in columns, as text."""
        lines = [f"{'':<44}{'synthetic':>16}{'real':>16}{'difference':>16}"]
        for one in self.differences:
            cells = (
                "—" if value is None else f"{value:,.6g}" for value in (one.first, one.second, one.change)
            )
            name = f"{one.exit_style} {one.currency} {one.name}"
            lines.append(f"{name:<44}" + "".join(f"{cell:>16}" for cell in cells))
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class ExamDataset:
    """A frozen exam. `manifest` has its files with sha256, period, coins, quality verdicts and the code's version."""

    folder: Path
    manifest: Mapping[str, Any]

    @classmethod
    def open(cls, folder: Path | str) -> ExamDataset:
        """One that was built before. Errors: bootstrap.exam.ExamError."""
        found = open_exam(Path(folder))
        return cls(found.folder, found.manifest)

    @property
    def fingerprint(self) -> str:
        """Of every file, the period and the coins: equal exams, equal text."""
        return str(self.manifest["fingerprint"])

    def verify(self) -> None:
        """Proves every file against the manifest. Errors: bootstrap.exam.ExamError names what is not as it was."""
        verify_exam(Exam(self.folder, self.manifest))

    def examine(
        self,
        strategy: str = "income",
        preset: str = "BALANCED",
        seed: int = 1,
        settings: Settings | None = None,
        **config: Any,
    ) -> ExamReport:
        """Runs the strategy on made and on captured prices of exactly this period.

        `config`: further fields of a backtest. Errors: bootstrap.exam.ExamError, services.jobs.RunError.
        """
        chosen = settings or load().settings
        found: Examined = examine(
            chosen, Exam(self.folder, self.manifest), strategy, {**config, "preset": preset}, seed
        )
        return ExamReport(found.exam, found.synthetic, found.real, found.differences)


def build_live_deribit_exam_dataset(
    start: str,
    end: str,
    underlyings: Sequence[str] = ("BTC", "ETH"),
    source: str = "live_deribit",
    data: Path | str | None = None,
    folder: Path | str | None = None,
    failed_days: Literal["refuse", "take"] = "refuse",
) -> ExamDataset:
    """Freezes captured chains, prices, volatility index and settlements of [start, end) into one folder.

    Days are UTC, as 2026-02-02. `data`: the folder of recorded chains, as a backtest's; `folder`: the exam's own, by
    default data/exams/<source>_<coins>_<period>. Errors: bootstrap.exam.ExamError, services.jobs.RunError.
    """
    spec = RunSpec("exam", source, "income", tuple(underlyings), day_ms(start), day_ms(end), 1)
    built = build_exam(
        spec, None if data is None else Path(data), None if folder is None else Path(folder), failed_days
    )
    return ExamDataset(built.folder, built.manifest)
