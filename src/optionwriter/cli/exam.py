"""optionwriter data exam: freezes a period of captured data, proves it, and examines strategies on it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from optionwriter.adapters.clocks import SystemClock
from optionwriter.bootstrap.backtests import check as check_run
from optionwriter.bootstrap.backtests import run_store
from optionwriter.bootstrap.exam import EXAMS, ExamError, build_exam, exam_specs, open_exam, verify_exam
from optionwriter.cli.compare import tell_compared, work_on_all
from optionwriter.cli.output import out, print_json, told
from optionwriter.cli.run_options import (
    AsJson,
    End,
    ExitStyles,
    Options,
    RunsDir,
    Seed,
    Start,
    Strategy,
    Underlyings,
    coins_of,
    day_ms,
    pairs,
)
from optionwriter.core.report.run import RunSpec
from optionwriter.ports import RunStoreError
from optionwriter.services.jobs import RunError
from optionwriter.settings import SettingsError, load

app = typer.Typer(
    no_args_is_help=True, help="A fixed, fingerprinted period of captured data, and examining on it."
)

_FOLDER = Annotated[Path, typer.Argument(help="The exam's folder.")]


@app.command()
def build(
    start: Start,
    end: End,
    underlyings: Underlyings = "BTC,ETH",
    source: Annotated[str, typer.Option(help="live_deribit or real_scraper.")] = "live_deribit",
    data: Annotated[
        Path | None, typer.Option(help="Folder of recorded chains, as backtest -o data=PATH.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--folder", help=f"The exam's folder; default: below {EXAMS}.")
    ] = None,
    take_failed: Annotated[
        bool, typer.Option("--take-failed", help="Take days that fail their check.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Copies the period's chains, prices, volatility index and settlements into one folder with a manifest."""
    with told(ExamError, RunError):
        coins = coins_of(underlyings)
        spec = RunSpec("exam", source, "income", coins, day_ms(start, "--from"), day_ms(end, "--to"), 1)
        exam = build_exam(spec, data, to, "take" if take_failed else "refuse")
    if json:
        print_json({"folder": str(exam.folder), **exam.manifest})
        return
    scores = [one["score"] for one in exam.manifest["quality"]]
    out.print(
        f"{exam.folder}: {len(exam.manifest['files'])} files, scores of days {min(scores)} to {max(scores)}, "
        f"fingerprint {exam.fingerprint[:16]}",
        markup=False,
        soft_wrap=True,
    )


@app.command()
def verify(folder: _FOLDER, json: AsJson = False) -> None:
    """Proves every file of an exam against its manifest; exit 2 when one is not what it was."""
    with told(ExamError):
        exam = open_exam(folder)
        verify_exam(exam)
    if json:
        print_json(
            {"folder": str(folder), "fingerprint": exam.fingerprint, "files": len(exam.manifest["files"])}
        )
    else:
        out.print(f"{folder}: {len(exam.manifest['files'])} files as they were", markup=False, soft_wrap=True)


@app.command()
def run(
    folder: _FOLDER,
    strategy: Strategy = "income",
    preset: Annotated[str, typer.Option(help="ULTRA_SAFE, BALANCED, AGGRESSIVE, CUSTOM.")] = "BALANCED",
    exit_style: ExitStyles = "own",
    option: Options = None,
    seed: Seed = 1,
    data_dir: RunsDir = None,
    json: AsJson = False,
) -> None:
    """Runs a strategy on made and on captured prices of exactly the exam's period, stores both, tells them side by
    side."""
    with told(SettingsError, ExamError, RunError, RunStoreError):
        settings = load(overrides={"data_dir": data_dir}).settings
        exam = open_exam(folder)
        now_ms = SystemClock().now_ms()
        config = {**pairs(option, "--option"), "preset": preset, "exit_styles": exit_style}
        specs = exam_specs(exam, strategy, config, seed, f"exam-{exam.fingerprint[:12]}-{now_ms}")
        for spec in specs:
            check_run(settings, spec)
        with closing(run_store(settings)) as store:
            ids = store.queue_all(specs, now_ms)
            work_on_all(settings, store, ids, quiet=json)
            tell_compared(store, ids, specs[0].group, json)
