"""The real demo: exchange, agent and page as processes, started as a user does.

It first runs through some exchange days at full speed, so that positions have opened and closed, then goes on from
there at a pace at which a page can be read: from a fixed instant and seed, the same positions every time.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2

from tests.browser.frozen import Publication, taken
from tests.cli.house import House
from tests.patience import LONGEST_S

SAME = {"LOOP_INTERVAL_SEC": "7200", "LOCAL_SEED": "1", "LOCAL_START": "2026-01-01T00:00:00Z"}
FAST = {**SAME, "LOCAL_SPEED": "100000"}
PACE = {**SAME, "LOCAL_SPEED": "3600"}  # a cycle in two seconds
DAYS = "2.5"  # to noon, when the new day's positions are open
COINS = frozenset(("BTC", "ETH"))


class Demo(House):
    """`with Demo(folder) as demo`: it runs, on ports that were free, until it is left."""

    first: Publication

    def __init__(self, folder: Path, *arguments: str, **changes: str) -> None:
        super().__init__(folder, *arguments, **{**PACE, **changes})

    def prepare(self, days: str = DAYS) -> None:
        """Lets the first days pass. Before it is entered."""
        done = subprocess.run(
            [*self._command, "--fresh", "--no-web", "--days", days],
            cwd=self.folder,
            env={**self._environment, **FAST},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=2 * LONGEST_S,
        )
        assert done.returncode == 0, done.stdout

    @property
    def link(self) -> str:
        """The address that it printed for its owner's browser."""
        return self.says(r"^  page +(http\S+)$")[1]

    @property
    def base(self) -> str:
        """The page's address, without the sign-in."""
        found = re.match(r"http://[^/]+/", self.link)
        assert found is not None, self.link
        return found[0]

    @property
    def headers(self) -> Mapping[str, str]:
        """What a program shows to be let in."""
        return {"Authorization": f"Bearer {self.link.partition('token=')[2]}"}

    def until_it_trades(self) -> None:
        """Returns once one publication, from then on `first`, has open and closed positions on both coins."""

        def found() -> bool:
            self.first = taken(self.folder / "data")
            return all(self.first.coins(which) >= COINS for which in ("open", "closed"))

        self.until("a cycle", self.cycles)
        self.until("open and closed positions on both coins", found, 2 * LONGEST_S)

    def positions(self, which: str) -> list[Any]:
        """Open or closed positions, as the API tells them."""
        return list((self.ask(f"/api/positions/bot/{which}") or {}).get("positions", ()))

    def passes(self, cycles: int) -> None:
        """Returns once so many more cycles have gone through, and been published."""

        def gone() -> int:
            told = self.ask("/status")
            return int(told["heartbeat"]["cycles"]) if told else -1

        before = int(self.until("the cycles' number", lambda: max(0, gone())))
        self.until(f"{cycles} more cycles", lambda: gone() >= before + cycles)

    def state(self) -> str | None:
        """ACTIVE, REDUCING or HALTED, as /status says."""
        return ((self.ask("/status") or {}).get("agent") or {}).get("state")

    def ask_raw(self, path: str, **headers: str) -> httpx2.Response:
        """One request, without the token unless it is given."""
        return httpx2.get(self.base + path.lstrip("/"), headers=headers, timeout=LONGEST_S, trust_env=False)
