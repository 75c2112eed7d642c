"""Orders: what was approved becomes intents, and nothing else does.

Owns decision, chain and plan ids and the labels of orders. Keeps: ids derive from content, never from chance, so the
same decision always spells the same labels and two decisions never share one; a label is ours only if all of it has
the exact shape and its check digits agree, so that a stranger's order that merely begins like ours stays a stranger's.
Deribit has no client order id: `label` (FACTS §2: up to 64 characters, character set undocumented) is the only thread
back to an order.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import NamedTuple

from optionwriter.core.books.account import Side
from optionwriter.core.books.chains import bundled_chain_id
from optionwriter.core.books.facts import Intent
from optionwriter.core.decide.execution import step_price
from optionwriter.core.decide.menu import OrderLeg
from optionwriter.core.decide.risk import Approved
from optionwriter.core.market.instruments import parse_instrument

MAX_LABEL = 64
_HASH, _CHECK = 24, 6  # hex digits: 96 bits name the order, 24 guard the label's shape
_PREFIX = re.compile(r"[A-Za-z0-9_.-]{1,24}")
_TAIL = re.compile(rf"([0-9a-f]{{{_HASH}}})\.(\d{{1,2}})\.(\d{{1,4}})\.([0-9a-f]{{{_CHECK}}})")


class LabelError(ValueError):
    """A prefix that can't head a label."""


class OwnLabel(NamedTuple):
    """What one of our labels says: whose plan, which step of the bundle, which attempt at it."""

    plan: str
    step: int
    attempt: int


def digest(*content: object) -> str:
    """The hex SHA-256 of canonical content: a JSON list of the parts' own spellings."""
    spelt = json.dumps([str(part) for part in content], separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(spelt.encode()).hexdigest()


def decision_id(account: str, strategy_id: str, at_ms: int, fingerprint: str, chosen: Sequence[str]) -> str:
    """The id of a strategy's decision; `fingerprint` names the market and menus that it rested on."""
    return "d" + digest("decision", account, strategy_id, at_ms, fingerprint, *chosen)[:20]


def chain_id_of(approved: Approved, decision: str, leg: OrderLeg | None = None) -> str:
    """The chain that a leg (the first by default) of an approved item belongs to: its own, or the one that it opens.

    Legs that open options of several types are two chains of one bundle, which their ids name.
    """
    item = approved.item
    leg = leg or item.legs[0]
    named = item.chain_of(leg)
    if named:
        return named
    opened = {parse_instrument(one.instrument).option_type for one in item.legs if not item.chain_of(one)}
    if len(opened) == 1:
        return "c" + digest("chain", decision, item.key)[:20]
    bundle = "b" + digest("bundle", decision, item.key)[:20]
    return bundled_chain_id(bundle, parse_instrument(leg.instrument).option_type)


def plans_of(
    approved: Approved, decision: str, intents: Sequence[Intent]
) -> tuple[tuple[str, tuple[Intent, ...]], ...]:
    """The intents of an approved item by the chain that they belong to, in their order.

    Inside a chain each waits for the one before it; chains of one item don't wait for each other.
    """
    chains = {leg.instrument: chain_id_of(approved, decision, leg) for leg in approved.item.legs}
    names = dict.fromkeys(chains[one.instrument] for one in intents)
    return tuple((name, tuple(one for one in intents if chains[one.instrument] == name)) for name in names)


def plan_orders(
    approved: Approved,
    decision_id: str,
    prefix: str,
    at_ms: int,
    validity_ms: int,
    attempt: int = 0,
    attempts: int = 1,
) -> tuple[Intent, ...]:
    """The intents of one approved item, in the order in which they go out: what was sold is bought back, what was
    bought is sold, what protects is bought, and only then is anything sold.

    Attempt 0 of 1 asks the limit price; with more `attempts` the price steps from each leg's start to its limit.
    `valid_until_ms` is `at_ms` + `validity_ms`, exchange time. Errors: LabelError for a bad prefix.
    """
    item = approved.item
    plan = digest("plan", decision_id, item.key)[:_HASH]
    legs = sorted(item.legs, key=lambda leg: (not leg.reduce_only, (leg.side is Side.SELL)))
    return tuple(
        Intent(
            label=make_label(prefix, plan, step, attempt),
            plan=plan,
            step=step,
            action=item.action,
            reason=item.reason,
            instrument=leg.instrument,
            side=leg.side,
            amount=leg.amount,
            limit_price=step_price(
                parse_instrument(leg.instrument).product,
                leg.side,
                leg.start_price,
                leg.limit_price,
                attempt,
                attempts,
            ),
            reduce_only=leg.reduce_only,
            valid_until_ms=at_ms + validity_ms,
        )
        for step, leg in enumerate(legs)
    )


def make_label(prefix: str, plan: str, step: int, attempt: int = 0) -> str:
    """prefix + plan.step.attempt.check, at most 64 characters of [A-Za-z0-9_.-]. Errors: LabelError."""
    if not _PREFIX.fullmatch(prefix):
        raise LabelError(
            f"the managed prefix {prefix!r} can't head a label: use 1 to 24 characters of A-Z a-z 0-9 _ . -"
        )
    body = f"{prefix}{plan}.{step}.{attempt}"
    label = f"{body}.{_check(body)}"
    if len(label) > MAX_LABEL or _TAIL.fullmatch(label[len(prefix) :]) is None:
        raise LabelError(f"{label!r} is no label: plan, step or attempt out of range")
    return label


def read_label(label: str, prefix: str) -> OwnLabel | None:
    """What a label of ours says; None for every other label."""
    if not label.startswith(prefix):
        return None
    match = _TAIL.fullmatch(label[len(prefix) :])
    if match is None or match[4] != _check(label[: -_CHECK - 1]):
        return None
    return OwnLabel(match[1], int(match[2]), int(match[3]))


def _check(body: str) -> str:
    return digest("label", body)[:_CHECK]
