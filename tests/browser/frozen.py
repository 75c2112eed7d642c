"""A publication of the demo, taken out of its store, to be shown as it is or bent into what no demo shows."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optionwriter.bootstrap.parts import VIEWS_FILE
from optionwriter.ports import FeedEntry
from tests.browser.crafted import Crafted

NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT[\d:]+Z")
# What the page's own addresses and hooks are made of.
IDS = ("position_id", "decision_id", "version")
Leaf = Callable[[str, Any], Any]


@dataclass
class Publication:
    """All views by name, and the entries of all feeds, oldest first."""

    views: dict[str, Any]
    entries: list[FeedEntry]

    def show(self, page: Crafted) -> None:
        """Publishes it."""
        page.publish(self.views, self.entries)

    def coins(self, which: str) -> set[str]:
        """On which coins there are positions, "open" or "closed"."""
        return {one["underlying"] for one in self.views.get(f"positions-{which}", {}).get("positions", ())}

    def bent(self, leaf: Leaf) -> Publication:
        """With every value that is neither a list nor an object replaced by what `leaf(key, value)` gives."""
        views = {name: bend(view, leaf) for name, view in self.views.items()}
        entries = [FeedEntry(one.feed, one.subject, bend(one.body, leaf)) for one in self.entries]
        return Publication(views, entries)


def taken(folder: Path) -> Publication:
    """What the store of a data folder holds now."""
    with closing(sqlite3.connect(f"{(folder / VIEWS_FILE).as_uri()}?mode=ro", uri=True)) as db:
        db.execute("BEGIN")
        views = {name: json.loads(body) for name, body in db.execute("SELECT name, body FROM view")}
        rows = db.execute("SELECT feed, subject, body FROM entry ORDER BY id").fetchall()
    return Publication(views, [FeedEntry(feed, subject, json.loads(body)) for feed, subject, body in rows])


def bend(value: Any, leaf: Leaf, key: str = "") -> Any:
    """The value with its leaves replaced."""
    if isinstance(value, dict):
        return {name: bend(one, leaf, name) for name, one in value.items()}
    if isinstance(value, list):
        return [bend(one, leaf, key) for one in value]
    return leaf(key, value)


def is_text(key: str, value: Any) -> bool:
    """Whether a leaf is words: no number, no instant, no id."""
    if not isinstance(value, str) or not value or key in IDS:
        return False
    return not (NUMBER.fullmatch(value) or INSTANT.fullmatch(value))


def is_number(key: str, value: Any) -> bool:
    """Whether a leaf is a measured number (an amount, a price, a share), which may be unknown; counts never are."""
    if key in IDS:
        return False
    return isinstance(value, float) or (isinstance(value, str) and NUMBER.fullmatch(value) is not None)
