"""Freshness: how old what was published is, and what to think of it, in words."""

from __future__ import annotations

from typing import Any

from optionwriter.ports import Snapshot
from optionwriter.services.publish import HEARTBEAT
from optionwriter.web.format import span

UNKNOWN_PACE_S = 300.0  # a loop's default pace, where the agent named none
LATE_AFTER = 3  # times the pace
SHORTEST_S = 15.0


def freshness(seen: Snapshot) -> dict[str, Any]:
    """The fields of schemas.Fresh."""
    if not seen.version:
        text = "The agent has not published anything yet: start it, with the same data folder."
        return {"version": 0, "age_s": None, "stale": True, "message": text}
    beat: Any = seen.views.get(HEARTBEAT) or {}
    age_s = seen.age_ms / 1000
    late = age_s > max(SHORTEST_S, LATE_AFTER * (beat.get("expected_within_s") or UNKNOWN_PACE_S))
    outcome, complaint = beat.get("outcome"), beat.get("complaint", "")
    ago = f"{span(age_s)} ago"
    if outcome == "stopped":
        text = f"The agent stopped {ago} ({complaint}): these are its last figures."
    elif late:
        text = f"Nothing was published for {span(age_s)}: the agent hangs or was killed, and the figures are old."
    elif outcome == "failed":
        text = f"The last cycle, {ago}, did not go through: {complaint}. The figures are those of the last good one."
    else:
        text = f"Last cycle {ago}."
    return {"version": seen.version, "age_s": age_s, "stale": late or outcome == "stopped", "message": text}
