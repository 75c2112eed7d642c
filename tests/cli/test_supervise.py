"""The supervisor on small programs: order, restarts within bounds, deadlines, nothing left alive."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from optionwriter.cli import supervise
from optionwriter.cli.supervise import Program, SupervisionError, Supervisor, Verdict
from tests.cli.house import is_alive


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "BACKOFF_S", (0.05, 0.1))
    monkeypatch.setattr(supervise, "STOP_S", 0.6)
    monkeypatch.setattr(supervise, "READY_S", 0.5)
    monkeypatch.setattr(supervise, "TICK_S", 0.02)


def program(name: str, code: str, **more: object) -> Program:
    return Program(name, (sys.executable, "-u", "-c", code), dict(os.environ), **more)


class Told:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, name: str, text: str) -> None:
        self.lines.append((name, text))

    def of(self, name: str) -> list[str]:
        return [text for one, text in self.lines if one == name]


def supervised(programs: list[Program], told: Told, until_s: float | None = 10, judge: object = None) -> None:
    always = judge or (lambda _name, _code: Verdict())
    Supervisor(programs, always, told, time.monotonic).run(until_s)


def test_a_child_that_keeps_falling_ends_all_with_its_last_words() -> None:
    told = Told()
    with pytest.raises(SupervisionError) as caught:
        supervised(
            [
                program("good", "import os, time; print(os.getpid()); time.sleep(60)"),
                program("bad", "print('no disk'); raise SystemExit(3)"),
            ],
            told,
        )
    assert "[bad] ended with exit code 3: fell 3 times in a row" in str(caught.value)
    assert "last line: no disk" in str(caught.value)
    assert told.of("bad") == ["no disk"] * 3
    assert not is_alive(int(told.of("good")[0]))


def test_who_does_not_end_when_asked_is_killed_and_said() -> None:
    told = Told()
    deaf = "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    stubborn = f"{deaf} print(os.getpid()); time.sleep(60)"
    begun = time.monotonic()
    supervised([program("stubborn", stubborn)], told, until_s=1)
    assert time.monotonic() - begun < 5
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


def test_what_never_gets_ready_is_an_error() -> None:
    with pytest.raises(SupervisionError, match=r"\[late\] waited"):
        supervised([program("late", "", may_start=lambda: False)], Told())


def test_a_judge_may_end_all_with_an_error() -> None:

    def judge(_name: str, code: int) -> Verdict:
        return Verdict(error="wrong input" if code == 2 else "")

    with pytest.raises(SupervisionError, match=r"^\[a\] ended with exit code 2: wrong input"):
        supervised([program("a", "raise SystemExit(2)")], Told(), judge=judge)


def test_it_stops_on_a_signal_and_gives_handlers_back() -> None:
    told, before = Told(), signal.getsignal(signal.SIGTERM)
    threading.Timer(0.7, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
    supervised([program("a", "import os, time; print(os.getpid()); time.sleep(60)")], told, until_s=None)
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
    Supervisor(
        [program("a", "import os, time; print(os.getpid()); time.sleep(60)")],
        lambda _name, _code: Verdict(),
        say,
        time.monotonic,
    ).run(20)
    assert time.monotonic() - begun < 8
    assert pids and not is_alive(pids[0])
