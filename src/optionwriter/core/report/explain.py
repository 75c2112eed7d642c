"""Explain: why this, why not that strike, what would have to change, why nothing for so long, and what came of it.

Pure over the rows of the decision log and the candidates' columns, as they were written: no rule is told from memory,
each number is one that the decision itself rested on. Answers are plain mappings, the same for CLI, API and page.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from statistics import median
from typing import Any

from optionwriter.core.market.instruments import MS_PER_DAY, InstrumentError, parse_instrument
from optionwriter.core.report.decisions import plain
from optionwriter.core.report.hindsight import Delivered, by_gate, outcomes
from optionwriter.core.report.remedies import built_out, number, remedies

Row = Mapping[str, Any]
NEAREST, BEST = 5, 5

# What each gate asks, and in what unit its numbers are.
_ASKED = {
    "data": ("numbers that the rules need are missing or absurd", ""),
    "dte": ("days to expiry", "days"),
    "delta": ("delta", ""),
    "otm": ("distance out of the money, share of the index", ""),
    "ivrv": ("implied over forecast volatility", ""),
    "quote": ("a quote on both sides", ""),
    "premium": ("premium a coin at the bid, net of the fee", "USD"),
    "spread": ("spread, share of the mid", ""),
    "liquidity": ("open interest, or the spread and size of a linear option", ""),
    "roll_strike": ("strike, which a roll must not worsen", "USD"),
    "roll_expiry": ("days later than what it replaces", "days"),
    "roll_cost": ("credit of the roll, share of the collateral", ""),
    "taken": ("an instrument that belongs to another strategy or chain", ""),
    "slot": ("open chains of this type on the coin", ""),
    "size": ("free cover for the smallest order", ""),
    "rank": ("score, behind better ones that fill the menu", ""),
    "wing": ("the other leg of its bundle", ""),
    "basis": ("cost basis of the wheel", ""),
}


class ExplainError(LookupError):
    """Something was asked that the log doesn't hold; the message names what it has instead."""


def explanation(
    record: Row,
    candidates: Sequence[Row],
    delivered: Delivered,
    instrument: str | None = None,
    upside: Row | None = None,
) -> dict[str, Any]:
    """Everything about one decision. `candidates` are its columns' rows; `instrument` asks after one option by name.

    `delivered` gives delivery prices as far as they are known now. Errors: ExplainError for an instrument that the
    decision did not look at.
    """
    found = outcomes(record["state"]["spot"], candidates, delivered)
    known = sorted((one for one in found if one.earned_usd is not None and not one.chosen),
                   key=lambda one: (-(one.earned_usd or Decimal(0)), one.instrument))  # fmt: skip
    answer: dict[str, Any] = {
        "decision_id": record["decision_id"],
        "at_ms": record["at_ms"],
        "strategy_id": record["strategy_id"],
        "action": record["final"]["action"],
        "reasoning": record["reasoning"],
        "why_this": why_this(record),
        "refused": dict(record["risk"]["refused"]),
        "why_not": [why_not(row) for row in nearest(candidates, instrument)],
        "what_would_change": what_would_change(record, candidates),
        "after_expiry": {
            "by_gate": by_gate(found),
            "best": [one._asdict() for one in known[:BEST]],
            "worst": [one._asdict() for one in reversed(known[-BEST:])],
            "chosen": [one._asdict() for one in found if one.chosen],
            "candidates": [one._asdict() for one in found],
        },
        "upside": upside,
    }
    shown = plain(answer)
    assert isinstance(shown, dict)
    return shown


def why_this(record: Row) -> list[dict[str, Any]]:
    """Each item that was approved: the parts of its score against those of the runner-up on the same menu."""
    by_key = {item["key"]: item for item in record["menu"]}
    return [_why_item(by_key[key], record["menu"]) for key in record["final"]["keys"] if key in by_key]


def _why_item(item: Row, menu: Sequence[Row]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "key": item["key"],
        "action": item["action"],
        "reason": item["reason"],
        "score": item["score"],
        "parts": dict(item["parts"]),
        "metrics": dict(item["metrics"]),
        "legs": list(item["legs"]),
        "runner_up": None,
    }
    if item["mandatory"]:
        told["words"] = (
            f"{item['action']} was due, whatever else was on the menu: {item['reason']} "
            f"({number(item.get('value')):.4g} against {number(item.get('threshold')):.4g})."
        )
        return told
    mine = {leg["instrument"] for leg in item["legs"]}
    rivals = [
        one
        for one in menu
        if one["key"].split("/")[:2] == item["key"].split("/")[:2]
        and {leg["instrument"] for leg in one["legs"]} != mine
    ]
    if not rivals:
        told["words"] = f"It was the only thing on its menu, with a score of {item['score']:.3f}."
        return told
    rival = max(rivals, key=lambda one: (number(one["score"]), one["key"]))
    parts = _against(item["parts"], rival["parts"])
    told["runner_up"] = {"key": rival["key"], "score": rival["score"], "parts": parts}
    ahead = number(item["score"]) - number(rival["score"])
    most = max(parts, key=lambda one: (one["difference"] if ahead >= 0 else -one["difference"], one["part"]))
    told["words"] = (
        f"It scored {item['score']:.3f} against {rival['score']:.3f} of {_leg_of(rival)}; "
        f"most of that came from {most['part']} ({most['mine']:+.3f} against {most['theirs']:+.3f})."
    )
    return told


def _against(mine: Row, theirs: Row) -> list[dict[str, Any]]:
    names = dict.fromkeys([*mine, *theirs])
    return [
        {
            "part": name,
            "mine": float(mine.get(name, 0.0)),
            "theirs": float(theirs.get(name, 0.0)),
            "difference": float(mine.get(name, 0.0)) - float(theirs.get(name, 0.0)),
        }
        for name in names
    ]


def _leg_of(item: Row) -> str:
    return str(item["legs"][-1]["instrument"])


def nearest(candidates: Sequence[Row], instrument: str | None) -> list[Row]:
    """The rows of one instrument, or the rejected ones that came furthest. Errors: ExplainError."""
    if instrument is not None:
        found = [row for row in candidates if row["instrument"] == instrument]
        if not found:
            close = _alike(instrument, sorted({row["instrument"] for row in candidates}))
            raise ExplainError(
                f"{instrument} was not looked at in this decision; nearest: {', '.join(close) or 'none'}"
            )
        return found
    order = list(_ASKED)
    rejected = [row for row in candidates if row["gate"]]
    rejected.sort(key=lambda row: (-_place(order, row["gate"]), -number(row["distance"]), row["instrument"]))
    return rejected[:NEAREST]


def _alike(wanted: str, names: Sequence[str], most: int = 3) -> list[str]:
    """Options most like the one asked for: of its product, type and expiry, by strike; else by spelling."""
    try:
        option = parse_instrument(wanted)
    except InstrumentError:
        return difflib.get_close_matches(wanted, names, n=most, cutoff=0.3) or list(names[:most])
    known = [parse_instrument(name) for name in names]
    known.sort(
        key=lambda one: (
            one.product != option.product,
            one.option_type is not option.option_type,
            abs(one.expiry_ms - option.expiry_ms),
            abs(one.strike - option.strike),
            one.name,
        )
    )
    return [one.name for one in known[:most]]


def _place(order: Sequence[str], gate: str) -> int:
    return order.index(gate) if gate in order else -1


def why_not(row: Row) -> dict[str, Any]:
    """One candidate: the first gate that it failed, the value there, the threshold, how far it was."""
    gate = row["gate"]
    told = {"instrument": row["instrument"], "gate": gate or None, "score": row["score"]}
    if not gate:
        words = f"It was on the menu with a score of {row['score']:.3f}" + (
            " and was chosen."
            if row["chosen"]
            else " and others were better, or none reached the least score."
        )
        return {**told, "value": None, "threshold": None, "distance": None, "words": words}
    value, threshold, distance = (number(row[name]) for name in ("value", "threshold", "distance"))
    asked, unit = _ASKED.get(gate, (gate, ""))
    if gate in ("data", "quote", "taken"):
        words = f"Refused at {gate}: {asked}."
    else:
        side = "under the least of" if value < threshold else "over the most of"
        if gate in ("slot", "size"):
            side = "against"
        unit = f" {unit}" if unit else ""
        words = f"Refused at {gate}: {asked} {value:.4g}{unit}, {side} {threshold:.4g}{unit}."
    return {**told, "value": value, "threshold": threshold, "distance": distance, "words": words}


def what_would_change(record: Row, candidates: Sequence[Row]) -> dict[str, Any]:
    """What would have had to be another number for a trade: by coin and type, the smallest single change of each."""
    if record["final"]["keys"]:
        return {"words": "Nothing: orders went out.", "sides": []}
    sides = []
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in candidates:
        option = parse_instrument(row["instrument"])
        groups.setdefault((option.product.underlying, option.option_type.value), []).append(row)
    for (underlying, kind), rows in sorted(groups.items()):
        sides.append(
            {"underlying": underlying, "option_type": kind, **_side(record, rows, f"{underlying} {kind}")}
        )
    refused = record["risk"]["refused"]
    words = " ".join(side["words"] for side in sides) or "It looked at no candidate."
    if refused:
        reasons = "; ".join(f"{key}: {', '.join(why)}" for key, why in refused.items())
        words = f"Risk would have had to accept what was chosen ({reasons}). {words}"
    return {"words": words, "sides": sides}


def _side(record: Row, rows: Sequence[Row], name: str) -> dict[str, Any]:
    offered = [row for row in rows if not row["gate"] and number(row["score"]) == number(row["score"])]
    if offered:
        best = max(offered, key=lambda row: (number(row["score"]), row["instrument"]))
        least = number(record.get("choice", {}).get("min_score"))
        lacks = least - number(best["score"])
        told = {"kind": "min_score", "instrument": best["instrument"], "score": best["score"], "lacks": lacks}
        if lacks > 0:
            words = f"{name}s: {best['instrument']} lacks {lacks:.3f} to MIN_SCORE {least:.3f}."
        else:
            words = f"{name}s: {best['instrument']} was on the menu, and something else came first."
        return {"change": told, "blocked": {}, "words": words}
    blocked = built_out(rows)
    if blocked:
        gate = max(blocked, key=lambda one: (blocked[one], one))
        row = next(row for row in rows if row["gate"] == gate)
        words = f"{name}s: {sum(blocked.values())} passed every rule; in the way was {gate}: {why_not(row)['words']}"
        return {"change": None, "blocked": blocked, "words": words}
    found = remedies(record, rows, 1)
    if not found:
        return {"change": None, "blocked": {}, "words": f"{name}s: no single number would have been enough."}
    (one,) = found
    change = one.change
    told = {"kind": change.kind, "instrument": one.instrument, "gate": one.gate, "name": change.name,
            "value": change.value, "wanted": change.wanted, "share": change.share}  # fmt: skip
    what = f"{change.name} {change.value:.4g} would have had to be {change.wanted:.4g}"
    return {"change": told, "blocked": {}, "words": f"{name}s: {what} for {one.instrument} ({one.gate})."}


def dry_spell(records: Sequence[Row], days: float) -> dict[str, Any]:
    """Why there was no trade in the last `days` of the log: gates by share, with the tightest one.

    The tightest is the gate at which the nearest candidate failed most often; `distance` is its median there.
    """
    if not records:
        return {"days": days, "decisions": 0, "trades": 0, "words": "The log holds no decision."}
    end_ms = max(record["at_ms"] for record in records)
    window = [record for record in records if record["at_ms"] > end_ms - days * MS_PER_DAY]
    traded = [record for record in records if filled(record)]
    since_ms = max((record["at_ms"] for record in traded), default=None)
    counts: Counter[str] = Counter()
    closest: dict[str, list[float]] = {}
    refusals: Counter[str] = Counter()
    below = 0
    for record in window:
        counts.update(record["gate_counts"])
        first = next(iter(record["nearest_rejects"]), None)
        if first is not None:
            closest.setdefault(first["gate"], []).append(number(first["distance"]))
        refusals.update(code.partition(":")[0] for why in record["risk"]["refused"].values() for code in why)
        below += bool(record["menu"]) and not record["proposed"]["keys"]
    total = sum(counts.values())
    tightest = max(closest, key=lambda gate: (len(closest[gate]), gate), default=None)
    answer = {
        "days": days,
        "decisions": len(window),
        "trades": sum(filled(record) for record in window),
        "days_since_trade": None if since_ms is None else (end_ms - since_ms) / MS_PER_DAY,
        "gates": [
            {"gate": gate, "candidates": count, "share": count / total}
            for gate, count in sorted(counts.items(), key=lambda one: (-one[1], one[0]))
        ],
        "tightest": None
        if tightest is None
        else {
            "gate": tightest,
            "decisions": len(closest[tightest]),
            "distance": median(closest[tightest]),
        },
        "below_min_score": below,
        "refused": dict(sorted(refusals.items())),
    }
    answer["words"] = _dry_words(answer)
    return answer


def _dry_words(answer: Row) -> str:
    if answer["trades"]:
        return f"There were {answer['trades']} decisions with a trade in the last {answer['days']:g} days."
    since = answer["days_since_trade"]
    head = "There was no trade at all" if since is None else f"No trade for {since:.1f} days"
    parts = [f"{one['gate']} {one['share']:.0%}" for one in answer["gates"][:4]]
    tail = f"; of {answer['decisions']} decisions "
    if answer["tightest"] is not None:
        tail += f"{answer['tightest']['decisions']} came nearest at {answer['tightest']['gate']}, "
    tail += f"{answer['below_min_score']} had a menu below MIN_SCORE"
    if answer["refused"]:
        tail += ", risk refused " + ", ".join(f"{code} {count}" for code, count in answer["refused"].items())
    return f"{head}, because candidates failed at: {', '.join(parts) or 'nothing, there were none'}{tail}."


def filled(record: Row) -> bool:
    """Whether any order of a decision was filled."""
    return any(Decimal(str(one["filled"])) > 0 for one in record["execution"].get("orders", ()))


def chosen_record(records: Sequence[Row], decision_id: str | None, strategy_id: str | None) -> Row:
    """The decision asked for; without an id the latest one. Errors: ExplainError names the nearest ids."""
    own = [one for one in records if strategy_id is None or one["strategy_id"] == strategy_id]
    if not own:
        known = sorted({one["strategy_id"] for one in records})
        raise ExplainError(
            f"the log holds no decision of {strategy_id}: it has {', '.join(known)}"
            if known
            else "the log holds no decision yet: run the agent first, or name its folder with --data-dir"
        )
    if decision_id is None:
        return max(own, key=lambda one: one["at_ms"])
    found = [one for one in own if one["decision_id"] == decision_id]
    if not found:
        raise ExplainError(
            f"no decision {decision_id} in the log; nearest: {', '.join(_near(decision_id, own))}"
        )
    return found[-1]


def _near(decision_id: str, records: Iterable[Row]) -> list[str]:
    ids = list(dict.fromkeys(one["decision_id"] for one in records))
    starts = [one for one in ids if one.startswith(decision_id)]
    return (starts or difflib.get_close_matches(decision_id, ids, n=3, cutoff=0.3) or ids[-3:])[:3]
