"""The supervisor on small programs: order, restarts within bounds, deadlines, nothing left alive."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from optionwriter.cli import supervise
from optionwriter.cli.supervise import Program, SupervisionError, Supervisor, Verdict
from tests.cli.house import is_alive
from tests.patience import LONGEST_S


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "BACKOFF_S", (0.05, 0.1))
    monkeypatch.setattr(supervise, "STOP_S", 0.6)
    monkeypatch.setattr(supervise, "READY_S", LONGEST_S)
    monkeypatch.setattr(supervise, "TICK_S", 0.02)


def program(name: str, code: str, **more: object) -> Program:
    return Program(name, (sys.executable, "-u", "-c", code), dict(os.environ), **more)


LASTS = "import os, time; print(os.getpid()); time.sleep(3600)"


class Told:
    def __init__(self, then: Callable[[str], None] = lambda _name: None) -> None:
        """`then` is told who said something, after it was noted."""
        self.lines: list[tuple[str, str]] = []
        self._then = then

    def __call__(self, name: str, text: str) -> None:
        self.lines.append((name, text))
        self._then(name)

    def of(self, name: str) -> list[str]:
        return [text for one, text in self.lines if one == name]


def supervised(
    programs: list[Program], told: Told, until_s: float | None = LONGEST_S, judge: object = None
) -> None:
    always = judge or (lambda _name, _code: Verdict())
    Supervisor(programs, always, told, time.monotonic).run(until_s)


def interrupt(name: str) -> None:
    """Asks this process to end, as Ctrl-C or a service's stop does, as soon as a child has said something."""
    if name:
        os.kill(os.getpid(), signal.SIGTERM)


def test_a_child_that_keeps_falling_ends_all_with_its_last_words() -> None:
    told = Told()
    with pytest.raises(SupervisionError) as caught:
        supervised(
            [
                program("good", LASTS),
                program(
                    "bad",
                    "print('no disk'); raise SystemExit(3)",
                    may_start=lambda: bool(told.of("good")),
                ),
            ],
            told,
        )
    assert "[bad] ended with exit code 3: fell 3 times in a row" in str(caught.value)
    assert "last line: no disk" in str(caught.value)
    assert told.of("bad") == ["no disk"] * 3
    assert not is_alive(int(told.of("good")[0]))


def test_who_does_not_end_when_asked_is_killed_and_said() -> None:
    told = Told(interrupt)
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    supervised([program("stubborn", f"{deaf}; {LASTS}")], told, until_s=None)
    assert "[stubborn] did not end when asked, and was killed." in told.of("")
    assert not is_alive(int(told.of("stubborn")[0]))


def test_a_program_waits_for_what_it_needs(tmp_path: Path) -> None:
    told, mark = Told(), tmp_path / "ready"
    first = program(
        "first", f"import pathlib, time; time.sleep(.2); print('up'); pathlib.Path({str(mark)!r}).touch()"
    )
    second = program("second", "print('here')", may_start=mark.exists)

    def over(name: str, _code: int) -> Verdict:
        return Verdict(restart=False, end=name == "second")

    supervised([second, first], told, judge=over)
    assert told.lines == [("first", "up"), ("second", "here")]


def test_what_never_gets_ready_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "READY_S", 0.1)
    with pytest.raises(SupervisionError, match=r"\[late\] waited"):
        supervised([program("late", "", may_start=lambda: False)], Told())


def test_a_judge_may_end_all_with_an_error() -> None:

    def judge(_name: str, code: int) -> Verdict:
        return Verdict(error="wrong input" if code == 2 else "")

    with pytest.raises(SupervisionError, match=r"^\[a\] ended with exit code 2: wrong input"):
        supervised([program("a", "raise SystemExit(2)")], Told(), judge=judge)


def test_it_stops_on_a_signal_and_gives_handlers_back() -> None:
    told, before = Told(interrupt), signal.getsignal(signal.SIGTERM)
    supervised([program("a", LASTS)], told, until_s=None)
    assert not is_alive(int(told.of("a")[0])) and signal.getsignal(signal.SIGTERM) is before


def test_everything_that_a_child_said_is_heard() -> None:
    told = Told()
    talk = "print('\\n'.join(str(i) for i in range(20000))); print('no newline', end='')"
    supervised([program("a", talk)], told, judge=lambda _name, _code: Verdict(end=True))
    assert told.of("a") == [*map(str, range(20000)), "no newline"]


def test_nobody_listening_stops_all() -> None:
    pids: list[int] = []

    def say(name: str, text: str) -> None:
        if name:
            pids.append(int(text))
        raise BrokenPipeError

    begun = time.monotonic()
    Supervisor([program("a", LASTS)], lambda _name, _code: Verdict(), say, time.monotonic).run(LONGEST_S)
    assert time.monotonic() - begun < LONGEST_S  # it did not wait for its end
    assert pids and not is_alive(pids[0])
