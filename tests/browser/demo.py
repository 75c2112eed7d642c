"""The real demo: exchange, agent and page as processes, started as a user does, faster and from a fixed instant."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2

from tests.cli.house import House

PACE = {"LOCAL_SPEED": "3600", "LOOP_INTERVAL_SEC": "3600", "LOCAL_SEED": "1"}  # an exchange hour a second
COINS = frozenset(("BTC", "ETH"))


class Demo(House):
    """`with Demo(folder) as demo`: it runs, on ports that were free, until it is left."""

    def __init__(self, folder: Path, **changes: str) -> None:
        super().__init__(folder, "--fresh", **{**PACE, **changes})

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
        _, found, token = self.link.partition("token=")
        return {"Authorization": f"Bearer {token}"} if found else {}

    def ask(self, path: str) -> Any:
        """What the API answers, None before it does."""
        try:
            answer = httpx2.get(
                self.base + path.lstrip("/"), headers=self.headers, timeout=10, trust_env=False
            )
        except httpx2.HTTPError:
            return None
        return answer.json() if answer.status_code == 200 else None

    def until_it_trades(self, seconds: float = 120) -> None:
        """Returns once both coins have had a position open, and one has closed."""
        self.until("open positions on both coins", lambda: self._coins("open") >= COINS, seconds)
        self.until("closed positions on both coins", lambda: self._coins("closed") >= COINS, seconds)
        self.until("an open position again", lambda: self._coins("open"), seconds)

    def _coins(self, which: str) -> set[str]:
        answer = self.ask(f"/api/positions/bot/{which}") or {}
        return {one["underlying"] for one in answer.get("positions", ())}

    def state(self) -> str | None:
        """ACTIVE, REDUCING or HALTED, as /status says."""
        answer = self.ask("/status") or {}
        return (answer.get("agent") or {}).get("state")
