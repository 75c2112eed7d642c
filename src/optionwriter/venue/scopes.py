"""Scopes: what a key or a token may do (FACTS §1, METHODS.md).

A scope is a level for each area: none, read, read_write. What is granted is the lesser of what was asked and what the
key may; an area that was not asked for keeps the key's level (assumed).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from optionwriter.venue.errors import VenueError, invalid

AREAS = ("account", "block_rfq", "block_trade", "custody", "trade", "wallet")
LEVELS = ("none", "read", "read_write")
SESSION_NAME_MAX = 16

_ACCOUNT_READS = frozenset(
    ("get_account_summary", "get_account_summaries", "get_subaccounts", "get_transaction_log")
)
_WRITES = ("buy", "sell", "edit", "cancel", "close_position")


@dataclass(frozen=True, slots=True)
class Scope:
    """Levels by area, the session's name, and the life that was asked for."""

    levels: Mapping[str, str] = field(default_factory=dict)
    session: str | None = None
    expires_s: int | None = None

    def allows(self, area: str, level: str) -> bool:
        """Whether it reaches a level in an area."""
        return LEVELS.index(self.levels.get(area, "none")) >= LEVELS.index(level)

    def text(self, whole: bool = False) -> str:
        """As the wire shows it: words by the alphabet, areas without access left out unless `whole`."""
        words = [f"{area}:{level}" for area, level in self.levels.items() if whole or level != "none"]
        words += ["mainaccount", f"session:{self.session}" if self.session else "connection"]
        return " ".join(sorted(words))


def read_scope(text: str) -> Scope:
    """A scope's words. Refusal: -32602 for a word without sense."""
    levels: dict[str, str] = {}
    session, expires = None, None
    for word in text.split():
        name, _, value = word.partition(":")
        if name in AREAS and value in LEVELS:
            levels[name] = value
        elif name == "session" and 0 < len(value) <= SESSION_NAME_MAX:
            session = value
        elif name == "expires" and value.isdigit() and int(value) > 0:
            expires = int(value)
        elif word not in ("connection", "mainaccount") and name != "ip":
            raise invalid("scope", f"unknown scope {word[:40]}")
    return Scope(levels, session, expires)


def granted(asked: Scope, most: Scope) -> Scope:
    """min(asked, the key's), area by area."""
    levels = {area: _lesser(asked.levels.get(area), most.levels.get(area, "none")) for area in AREAS}
    return Scope(levels, asked.session, asked.expires_s)


def require(scope: Scope, method: str) -> None:
    """Refuses (13403, with the scope that is missing) what the scope doesn't reach."""
    name = method.partition("/")[2]
    area = "account" if name in _ACCOUNT_READS else "trade"
    level = "read_write" if name.startswith(_WRITES) else "read"
    if not scope.allows(area, level):
        raise VenueError(13403, data={"required_scope": f"{area}:{level}"})


def _lesser(asked: str | None, most: str) -> str:
    return most if asked is None else min(asked, most, key=LEVELS.index)
