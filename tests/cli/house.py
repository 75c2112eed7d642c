"""A whole `optionwriter up` in a folder of its own, driven as a user does: its output, its children, its page."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2

from tests.patience import LONGEST_S

QUICK = {"LOCAL_SPEED": "20000", "LOOP_INTERVAL_SEC": "3600"}  # an exchange day in some seconds


def environment(**changes: str) -> dict[str, str]:
    """Ours, without settings of the user's, with some of our own."""
    ours = {
        key: one for key, one in os.environ.items() if not key.startswith(("LOCAL_", "DERIBIT_", "DRY_RUN"))
    }
    source = Path(__file__).resolve().parents[2] / "src"
    return {**ours, "PYTHONPATH": str(source), **changes}


class House:
    """`with House(folder) as house`: it runs; on leaving, it is stopped."""

    def __init__(self, folder: Path, *arguments: str, **changes: str) -> None:
        self.folder = folder
        self._out = folder / "up.out"
        self._command = [
            *(sys.executable, "-m", "optionwriter", "up", "--port", "0", "--web-port", "0"),
            *("--data-dir", "data", *arguments),
        ]
        self._environment = environment(**{**QUICK, **changes})

    def __enter__(self) -> House:
        with self._out.open("wb") as out:
            self.process = subprocess.Popen(
                self._command,
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(LONGEST_S)

    @property
    def output(self) -> str:
        return self._out.read_text(errors="replace")

    def until(self, what: str, true: Callable[[], Any], seconds: float = LONGEST_S) -> Any:
        """Waits until something is so, and gives it; fails with the output when it does not become so."""
        deadline = time.monotonic() + seconds
        while not (found := true()):
            assert self.process.poll() is None, f"ended before {what}:\n{self.output}"
            assert time.monotonic() < deadline, f"no {what} in {seconds} s:\n{self.output}"
            time.sleep(0.1)
        return found

    def says(self, pattern: str, seconds: float = LONGEST_S) -> re.Match[str]:
        """Waits for a line."""
        return self.until(repr(pattern), lambda: re.search(pattern, self.output, re.M), seconds)

    def ask(self, path: str) -> Any:
        """What the page's API answers, None before it does."""
        url, token = self.says(r"^  page +(http\S+)/login\?token=(\S+)$").groups()
        headers = {"Authorization": f"Bearer {token}"}
        try:
            answer = httpx2.get(url + path, headers=headers, timeout=30, trust_env=False)
        except httpx2.HTTPError:
            return None
        return answer.json() if answer.status_code == 200 else None

    def post(self, path: str, body: Any) -> Any:
        """What the page's API answers to something that it is given; fails when it is refused."""
        url, token = self.says(r"^  page +(http\S+)/login\?token=(\S+)$").groups()
        headers = {"Authorization": f"Bearer {token}"}
        self.until("the page", lambda: self.ask("/status"))
        answer = httpx2.post(url + path, json=body, headers=headers, timeout=LONGEST_S, trust_env=False)
        assert answer.is_success, answer.text
        return answer.json()

    def cycles(self) -> list[str]:
        """The exchange time of each cycle that was told."""
        return re.findall(r"^\[agent\] +(\d{4}-\d\d-\d\d \d\d:\d\dZ)  BTC", self.output, re.M)

    def children(self) -> dict[str, int]:
        """Verb and process id of each child."""
        listed = subprocess.run(
            ["ps", "-ww", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True
        )
        found = {}
        for line in listed.stdout.splitlines():
            pid, parent, args = line.split(None, 2)
            if int(parent) == self.process.pid and "--until-stdin-closes" in args:
                found[args.split("--until-stdin-closes ")[1].split()[0]] = int(pid)
        return found

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Asks it to stop; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(LONGEST_S)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
