"""Supervising child processes: start in order, pass on what they say, restart the fallen, stop all together.

One thread. Children are known by their own process object alone, so no stranger is ever signalled; each runs in a
session of its own, so that Ctrl-C reaches the supervisor, which stops them in order. A child ends by itself when the
supervisor is gone: its standard input then closes (`--until-stdin-closes`).
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType

TICK_S = 0.2
KEPT_LINES = 6  # of a child's output, said again when it dies
SETTLED_S = 60.0  # a child that ran this long may fall as often again
BACKOFF_S = (0.5, 1.0, 2.0, 4.0, 8.0)  # before each restart; a further fall ends everything
STOP_S = 15.0  # what a child has to end by itself
READY_S = 180.0  # what a program waits for whatever it depends on, which may compile first, on a busy machine


class SupervisionError(Exception):
    """What ended everything, in one line."""


@dataclass(frozen=True, slots=True)
class Program:
    """A child to be. `may_start` is asked until it says yes; None is an immediate yes."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    may_start: Callable[[], bool] | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from a child's end: its restart, or rest (it is done), or the end of all of them."""

    restart: bool = True
    end: bool = False
    error: str = ""  # ends everything with an error


@dataclass(slots=True)
class _Child:
    program: Program
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    start_at: float | None = 0.0  # when to start it; None: it runs, or is done
    falls: int = 0
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))
    rest: bytes = b""


class Supervisor:
    """Runs programs, in their order, until `ended` says so, a signal comes, or one can't be kept alive."""

    def __init__(
        self,
        programs: Sequence[Program],
        judge: Callable[[str, int], Verdict],
        say: Callable[[str, str], None],
        monotonic: Callable[[], float],
    ) -> None:
        """`judge` is told a child's name and exit code; `say` prints a line of a child, or of ours under ''."""
        self._children = [_Child(one) for one in programs]
        self._judge, self._say, self._monotonic = judge, say, monotonic
        self._selector = selectors.DefaultSelector()
        self._asked = 0  # how often we were asked to stop
        self._is_over = False

    def run(self, until_s: float | None = None) -> None:
        """Returns when asked to stop, after `until_s` seconds, or when all is done. No child is alive then.

        Errors: SupervisionError when a child can't be kept alive.
        """
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, self._on_signal) for number in numbers}
        begun = self._monotonic()
        for child in self._children:
            child.start_at = child.started_at = begun
        try:
            while not self._asked and not self._is_over:
                if until_s is not None and self._monotonic() - begun >= until_s:
                    break
                self._start_due()
                self._listen(TICK_S)
                self._look()
        finally:
            self._stop()
            self._selector.close()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._asked += 1

    def _start_due(self) -> None:
        for child in self._children:
            now = self._monotonic()
            if child.start_at is None or now < child.start_at:
                continue
            if child.program.may_start is not None and not child.program.may_start():
                if now - child.started_at > READY_S and not child.falls:
                    raise SupervisionError(
                        f"[{child.program.name}] waited {READY_S:.0f} s for the exchange to answer"
                    )
                continue
            self._start(child)

    def _start(self, child: _Child) -> None:
        program = child.program
        try:
            process = subprocess.Popen(
                program.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=dict(program.environment),
                start_new_session=True,
            )
        except OSError as error:
            raise SupervisionError(f"[{program.name}] can't be started: {error}") from None
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        self._selector.register(process.stdout, selectors.EVENT_READ, child)
        child.process, child.started_at, child.start_at = process, self._monotonic(), None
        child.tail.clear()
        child.rest = b""

    def _listen(self, timeout_s: float) -> None:
        for key, _ in self._selector.select(timeout_s):
            child: _Child = key.data
            process = child.process
            assert process is not None and process.stdout is not None
            text = os.read(process.stdout.fileno(), 65_536)
            if not text:
                self._selector.unregister(process.stdout)
                continue
            *whole, child.rest = (child.rest + text).split(b"\n")
            for line in whole:
                self._pass_on(child, line)

    def _pass_on(self, child: _Child, line: bytes) -> None:
        text = line.decode("utf-8", "replace").rstrip()
        if text:
            child.tail.append(text)
            self._tell(child.program.name, text)

    def _tell(self, name: str, text: str) -> None:
        """Says a line; when nobody listens any more (a closed pipe), everything is asked to stop."""
        try:
            self._say(name, text)
        except (SystemExit, OSError):
            self._say = lambda _name, _text: None
            self._asked += 1

    def _look(self) -> None:
        """Who has ended, and what follows."""
        for child in self._children:
            if child.process is None or (code := child.process.poll()) is None:
                continue
            self._bury(child)
            verdict = self._judge(child.program.name, code)
            if verdict.error:
                raise SupervisionError(self._fell(child, code, verdict.error))
            if verdict.end:
                self._is_over = True
            elif verdict.restart:
                self._restart(child, code)

    def _restart(self, child: _Child, code: int) -> None:
        now = self._monotonic()
        if now - child.started_at >= SETTLED_S:
            child.falls = 0
        if child.falls == len(BACKOFF_S):
            raise SupervisionError(self._fell(child, code, f"fell {child.falls + 1} times in a row"))
        pause_s = BACKOFF_S[child.falls]
        child.falls += 1
        child.start_at = now + pause_s
        self._tell(
            "",
            f"[{child.program.name}] {ending(code)}; started again in {pause_s:g} s "
            f"(attempt {child.falls} of {len(BACKOFF_S)}).{self._last_lines(child)}",
        )

    def _fell(self, child: _Child, code: int, why: str) -> str:
        return f"[{child.program.name}] {ending(code)}: {why}{self._last_lines(child)}"

    def _last_lines(self, child: _Child) -> str:
        return "".join(f"\n  last line: {line}" for line in list(child.tail)[-1:])

    def _bury(self, child: _Child) -> None:
        """Takes what a dead child still had to say, and lets go of its pipes."""
        process = child.process
        assert process is not None and process.stdout is not None and process.stdin is not None
        rest = b""
        while True:
            try:
                part = os.read(process.stdout.fileno(), 65_536)
            except BlockingIOError:
                break  # a child of its own still holds the pipe
            if not part:
                break
            rest += part
        for line in (child.rest + rest).split(b"\n"):
            self._pass_on(child, line)
        if process.stdout.fileno() in {key.fd for key in self._selector.get_map().values()}:
            self._selector.unregister(process.stdout)
        process.stdout.close()
        process.stdin.close()
        child.process = None

    def _stop(self) -> None:
        """Asks each to end, the last started first, and waits; who does not end, or is asked thrice, is killed."""
        for child in reversed(self._children):
            if child.process is None:
                continue
            child.process.send_signal(signal.SIGTERM)
            deadline, patience = self._monotonic() + STOP_S, self._asked + 2
            while child.process.poll() is None:
                if self._monotonic() > deadline or self._asked >= patience:
                    child.process.kill()
                    child.process.wait()
                    self._tell("", f"[{child.program.name}] did not end when asked, and was killed.")
                    break
                self._listen(TICK_S)
            self._bury(child)


def ending(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
