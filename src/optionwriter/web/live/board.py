"""Board: what the Live page shows, read from one publication, and the few sentences that it is put into."""

from __future__ import annotations

from typing import Any

from optionwriter.ports import KillSwitch, ViewSource
from optionwriter.services.publish import CLOSED, DECISIONS, HEARTBEAT, OPEN, STATUS, STRATEGIES
from optionwriter.web.format import exact
from optionwriter.web.freshness import freshness
from optionwriter.web.live.rules import rules_of
from optionwriter.web.words import label

DECISIONS_SHOWN = 20
DECISIONS_KEPT = 200
CLOSED_SHOWN = 50
NOTHING = "DO_NOTHING"
ALL, ACTIONS = "all", "actions"

Row = dict[str, Any]


def board(source: ViewSource, kill: KillSwitch | None, strategy: str = "", only: str = ALL) -> Row:
    """The values of the page's templates."""
    seen = source.snapshot(HEARTBEAT, STATUS, OPEN, CLOSED, STRATEGIES)
    views: Any = seen.views
    agent = views.get(STATUS)
    nothing: Row = {"positions": [], "totals": []}
    held, closed = views.get(OPEN) or nothing, views.get(CLOSED) or nothing
    strategies = (views.get(STRATEGIES) or {}).get("strategies", [])
    return {
        "fresh": freshness(seen),
        "beat": views.get(HEARTBEAT),
        "agent": agent,
        "now_ms": (agent or {}).get("at_ms"),
        "switch": kill_state(agent, kill),
        "held": held,
        "closed": closed,
        "closed_shown": CLOSED_SHOWN,
        "strategies": strategies,
        "rules": [rules_of(one) for one in strategies],
        "decisions": decisions(source, strategy, only),
        "filter": {"strategy": strategy, "only": only},
    }


def kill_state(agent: Row | None, kill: KillSwitch | None) -> Row:
    """The kill switch, from the switch itself and from what the agent last said of it.

    `phase`: off; asked (engaged, and the agent has not confirmed it); on; lifting (lifted, not yet confirmed).
    """
    order = None if kill is None else kill.read()
    seen: Row = (agent or {}).get("kill") or {}
    if order is None:
        phase = "off" if not seen else "on" if kill is None else "lifting"
        reason, by = seen.get("reason", ""), seen.get("by", "")
    else:
        phase = "on" if seen and (agent or {}).get("state") == "HALTED" else "asked"
        reason, by = order.reason, order.by
    return {
        "phase": phase,
        "reason": reason,
        "by": by,
        "at": seen.get("at"),
        "pending": (agent or {}).get("commands_pending") or 0,
    }


def decisions(source: ViewSource, strategy: str, only: str) -> list[Row]:
    """The latest decisions that the filter lets through, each with its headline."""
    limit = DECISIONS_SHOWN if only == ALL else DECISIONS_KEPT
    found: Any = source.entries(DECISIONS, limit, strategy or None)
    kept = [one for one in found if only == ALL or acted(one)]
    return [{**one, "headline": headline(one), "acted": acted(one)} for one in kept[:DECISIONS_SHOWN]]


def decision_of(source: ViewSource, decision_id: str) -> Row | None:
    """One decision, None when it is no longer kept."""
    found: Any = source.entries(DECISIONS, DECISIONS_KEPT)
    return next((one for one in found if one["decision_id"] == decision_id), None)


def acted(decision: Row) -> bool:
    """Whether it chose, was refused or failed: anything but a look without consequence."""
    return bool(
        decision["action"] != NOTHING or decision["chosen"] or decision["refused"] or decision["failure"]
    )


def headline(decision: Row) -> str:
    """A decision in one line."""
    if decision["failure"]:
        return f"Failed: {decision['failure']}"
    items = {one["key"]: one for menu in decision["menus"] for one in menu["items"]}
    told = []
    for order in decision["orders"]:
        size = f"{exact(order['filled'])} of {exact(order['amount'])}"
        if exact(order["filled"]) == exact(order["amount"]):
            size = exact(order["amount"])
        told.append(f"{order['side']} {size} {order['instrument']}, {label(order['outcome']).lower()}")
    if not told:
        told += [
            f"{leg['side']} {exact(leg['amount'])} {leg['instrument']}"
            for key in decision["chosen"]
            for leg in items.get(key, {}).get("legs", [])
        ]
    told += [f"refused by risk: {', '.join(one['codes'])}" for one in decision["refused"]]
    if told:
        return "; ".join(told)
    return _why_nothing(decision)


def _why_nothing(decision: Row) -> str:
    held = [
        f"{label(one['verdict'])} {one['instrument']}: {label(one['reason']).lower()}"
        for menu in decision["menus"]
        for one in menu["held"]
    ]
    counts: dict[str, int] = {}
    for menu in decision["menus"]:
        for gate, number in menu["counts_by_gate"].items():
            counts[gate] = counts.get(gate, 0) + number
    offered = sum(len(menu["items"]) + menu["items_left_out"] for menu in decision["menus"])
    looked = f"{offered} of {offered + sum(counts.values()):,} passed the gates"
    return "; ".join([*held, looked])
