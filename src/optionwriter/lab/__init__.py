"""Lab: the public Python face, for notebooks and other programs. Names here stay; what lies below may move.

from optionwriter.lab import build_live_deribit_exam_dataset
exam = build_live_deribit_exam_dataset("2026-02-02", "2026-02-28", ["BTC"])
print(exam.examine(strategy="income", preset="BALANCED").table())
"""

from optionwriter.core.report.run import RunResult, RunSpec
from optionwriter.core.report.run_diff import Difference
from optionwriter.lab.exam import ExamDataset, ExamReport, build_live_deribit_exam_dataset
from optionwriter.lab.runs import run_backtest

__all__ = [
    "Difference",
    "ExamDataset",
    "ExamReport",
    "RunResult",
    "RunSpec",
    "build_live_deribit_exam_dataset",
    "run_backtest",
]
