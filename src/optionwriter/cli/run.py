"""optionwriter run: the agent, on an exchange or on the recorded market in this process."""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from optionwriter.adapters.clocks import sleep_s
from optionwriter.adapters.deribit.errors import VenueError
from optionwriter.bootstrap.desks import Desktop, seat_exchange, seat_sample
from optionwriter.bootstrap.parts import BootError
from optionwriter.cli.output import UserError, err, out, print_json, told
from optionwriter.cli.summary import cycle_line, final_rows, final_table
from optionwriter.core.market.instruments import MS_PER_DAY, product
from optionwriter.ports import LedgerError, MarketUnavailableError
from optionwriter.services.agent import Ended, next_tick, run_agent, wait
from optionwriter.services.cycle import CycleReport
from optionwriter.services.watch import Watch
from optionwriter.settings import SettingsError, load

RETRY_SEC = 2.0
SAMPLE_INTERVAL_SEC = 3_600  # hourly on the recorded market: its prices are hourly


class Stop:
    """Whether someone asked to stop: the running cycle is finished, then the loop ends."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self) -> bool:
        return self.asked

    def on_signal(self, _signal: int, _frame: FrameType | None) -> None:
        """Asks to stop; a second time is left to the system."""
        self.asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)


class Waiting:
    """What to do while the exchange can't be reached at the start: say so once a reason, wait, try again."""

    def __init__(self, once: bool) -> None:
        self._once = once
        self._said = ""

    def __call__(self, reason: str) -> bool:
        """Whether to try again; a single cycle does not wait."""
        if self._once:
            return False
        if reason != self._said:
            err.print(f"waiting for the exchange: {reason}", markup=False, soft_wrap=True)
            self._said = reason
        sleep_s(RETRY_SEC)
        return True


def run(
    market: Annotated[
        str | None,
        typer.Option(help="sample: the recorded market, in this process; default: DERIBIT_ENV's exchange."),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="One cycle, where the last one stopped.")] = False,
    days: Annotated[float | None, typer.Option(min=0.01, max=150, help="How many days to run.")] = None,
    every: Annotated[int | None, typer.Option(min=60, max=86_400, help="Seconds between cycles.")] = None,
    live: Annotated[
        bool | None,
        typer.Option("--live/--dry-run", help="Orders to the exchange, or paper fills; default DRY_RUN."),
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Ledger, exchange and logs.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Drop exchange, ledger and logs first.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Only the summary at the end.")] = False,
    json: Annotated[bool, typer.Option("--json", help="The summary as JSON.")] = False,
) -> None:
    """Runs the agent: sells, manages and settles covered calls, one summary a loop."""
    with told(SettingsError, BootError, LedgerError, VenueError):
        if market not in (None, "sample"):
            raise UserError(f"--market {market} is not there: use --market sample, or leave it out")
        if once and days is not None:
            raise UserError("say either --once or --days N")
        if market == "sample" and not once and days is None:
            raise UserError("the recorded market is run for a while: say --once or --days N")
        overrides = {"data_dir": data_dir, "dry_run": None if live is None else not live}
        settings = load(overrides=overrides).settings
        usual = SAMPLE_INTERVAL_SEC if market == "sample" else settings.loop_interval_sec
        interval_ms = 1_000 * (every or usual)
        seat = (
            seat_sample(settings, fresh=fresh, interval_ms=interval_ms)
            if market == "sample"
            else seat_exchange(settings, fresh=fresh, again=Waiting(once))
        )
        with seat as seated:
            ended, last = _loop(seated, days, 1 if once else None, interval_ms, quiet or json)
            _finish(seated, ended, last, json)


def _loop(
    seated: Desktop, days: float | None, cycles: int | None, interval_ms: int, quiet: bool
) -> tuple[Ended, CycleReport | None]:
    stop = Stop()
    before = {number: signal.signal(number, stop.on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    publisher = seated.publisher

    def notice(text: str) -> None:
        publisher.watched(seated.desk)
        err.print(text, markup=False, soft_wrap=True)

    watch = Watch(seated.desk, seated.commands, notice)
    if seated.desk.recorder.book.seq:  # going on: the instant where the last run stopped has had its cycle
        wait(seated.desk, next_tick(seated.desk.clock.now_ms(), interval_ms), stop, _complain, watch.look)
    until = None if days is None else seated.desk.clock.now_ms() + int(days * MS_PER_DAY)
    if not quiet:
        out.print(seated.banner, markup=False)
        warm_up(seated)

    last: list[CycleReport] = []

    def tell(report: CycleReport) -> None:
        last[:] = [report]
        publisher.after_cycle(seated.desk, report)
        if not quiet:
            for line in cycle_line(report):
                out.print(line, soft_wrap=True)

    def complain(text: str) -> None:
        publisher.complain(text, seated.desk.clock.now_ms())
        err.print(text, markup=False, soft_wrap=True)

    try:
        ended = run_agent(
            seated.desk,
            until_ms=until,
            interval_ms=interval_ms,
            cycles=cycles,
            tell=tell,
            complain=complain,
            stop=lambda: stop() or seated.at_the_end(),
            look=watch.look,
            timed=publisher.timed,
        )
        publisher.stopped(ended.reason, seated.desk.clock.now_ms())
        return ended, last[0] if last else None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def warm_up(seated: Desktop) -> None:
    """Reads the past that the first decision needs, and says how far it is; what fails is asked again in the cycle."""
    for name in sorted({product(code).underlying for code in seated.desk.products}):
        with out.status(f"reading the past of {name}"):
            try:
                past = seated.desk.market.history(name)
            except MarketUnavailableError as error:
                _complain(f"warm-up of {name}: {error}")
                continue
        candles, values = len(past.candles.open_ms), len(past.volatility_index.at_ms)
        out.print(f"{name}: {candles:,} hourly prices and {values:,} values of the volatility index read")


def _complain(text: str) -> None:
    err.print(text, markup=False, soft_wrap=True)


def _finish(seated: Desktop, ended: Ended, last: CycleReport | None, json: bool) -> None:
    if last is not None:
        rows = final_rows(seated.desk, ended, last)
        if json:
            print_json(rows)
        else:
            out.print(final_table(rows))
    if seated.at_the_end():
        err.print("The recorded sample ends here and the market stands still: start again with --fresh.")
    if ended.failed and not ended.cycles:
        raise UserError("no cycle went through: see the lines above")
