"""DecisionView and StatusView: what was decided and why, what was not and why not, and how much is used of what.

A DecisionView is one strategy's cycle: the log line, the page's explanation and the prompt are all made of it. `plain`
turns any view into what JSON can hold: Decimals as strings, instants as integers, what is no number as None.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from decimal import Decimal
from enum import Enum

from optionwriter.core.decide import exposure
from optionwriter.core.decide.budgets import chains_open
from optionwriter.core.decide.desk import Desk
from optionwriter.core.decide.figures import ACCOUNT, uses
from optionwriter.core.decide.limits import Limits
from optionwriter.core.decide.menu import Held, Menu, MenuItem, Rejection
from optionwriter.core.decide.newrisk import chains_used
from optionwriter.core.decide.risk import Review, capacity_of, open_desk
from optionwriter.core.decide.state import AgentState
from optionwriter.core.market.instruments import OptionType

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class RefusalView:
    """An item that was chosen and not allowed, with every reason in words."""

    key: str
    codes: tuple[str, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MenuView:
    """One underlying: what could be done, what is held and why, what nearly could be done."""

    underlying: str
    items: tuple[MenuItem, ...]
    items_left_out: int
    held: tuple[Held, ...]
    counts_by_gate: Mapping[str, int]
    nearest: tuple[Rejection, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DecisionView:
    """One strategy's decision."""

    strategy_id: str
    at_ms: int
    action: str  # of the first item that was approved, else DO_NOTHING
    chosen: tuple[str, ...]
    approved: tuple[str, ...]
    refused: tuple[RefusalView, ...]
    menus: tuple[MenuView, ...]


@dataclass(frozen=True, slots=True)
class LimitUse:
    """How much is used of one limit. `external` is the part of it that positions and orders that are not ours use.

    `strategy_id` is "" for the account's own limits. The worst of its sides where a limit has several.
    """

    name: str
    subject: str
    used: Decimal
    limit: Decimal
    external: Decimal = _ZERO
    strategy_id: str = ""


@dataclass(frozen=True, slots=True)
class StatusView:
    """What the agent may do now, and what it has left."""

    at_ms: int
    mode: str
    environment: str
    state: str
    state_reason: str
    state_lifted_by: str
    open_chains: int
    unresolved_orders: int
    free_cover: Mapping[str, Decimal]
    limits: tuple[LimitUse, ...]
    external: Mapping[str, Decimal]
    foreign: tuple[str, ...]
    contradictions: tuple[str, ...]


def decision_view(
    strategy_id: str,
    at_ms: int,
    menus: Sequence[Menu],
    chosen: Sequence[str],
    review: Review,
    most_items: int = 12,
    nearest: int = 5,
) -> DecisionView:
    """The strategy's decision; `review` may hold other strategies' items, which are left out."""
    approved = [one for one in review.approved if one.proposal.strategy_id == strategy_id]
    refused = [one for one in review.refused if one.proposal.strategy_id == strategy_id]
    return DecisionView(
        strategy_id=strategy_id,
        at_ms=at_ms,
        action=str(approved[0].item.action) if approved else "DO_NOTHING",
        chosen=tuple(chosen),
        approved=tuple(one.item.key for one in approved),
        refused=tuple(
            RefusalView(
                one.proposal.item.key,
                tuple(str(code) for code in one.codes),
                tuple(str(finding) for finding in one.findings),
            )
            for one in refused
        ),
        menus=tuple(
            MenuView(
                underlying=menu.underlying,
                items=menu.items[:most_items],
                items_left_out=max(0, len(menu.items) - most_items),
                held=menu.held,
                counts_by_gate=menu.counts_by_gate(),
                nearest=tuple(menu.nearest(nearest)),
                notes=menu.notes,
            )
            for menu in menus
            if menu.strategy_id == strategy_id
        ),
    )


def status_view(state: AgentState, limits: Limits) -> StatusView:
    """The agent's state and the use of every limit."""
    capacity = capacity_of(state, limits)
    book = state.book
    return StatusView(
        at_ms=state.at_ms,
        mode=book.mode,
        environment=book.environment,
        state=str(book.state),
        state_reason=book.state_reason,
        state_lifted_by=book.state_lifted_by,
        open_chains=len(book.open_ids),
        unresolved_orders=len(book.live_labels),
        free_cover={one: capacity.free(one) for one in sorted(capacity.cover)},
        limits=tuple(limit_uses(state, limits)),
        external={one.option.name: one.external for one in state.held if one.external},
        foreign=state.foreign,
        contradictions=tuple(flag.detail for flag in state.flags),
    )


def limit_uses(state: AgentState, limits: Limits) -> list[LimitUse]:
    """How much is used of every limit: the account's, then each strategy's own.

    What can't be measured (a price is missing) stands as not a number: nothing new is approved then either.
    """
    desk = open_desk(state, limits)
    others = replace(desk, shorts=tuple(one for one in desk.shorts if not one.strategy_id))
    uses = _margin(state, limits)
    for name in state.underlyings:
        uses += _of_underlying(desk, others, name)
    uses += _sums(desk, "")
    chains, most = Decimal(chains_open(desk)), Decimal(limits.max_chains_total)
    uses.append(LimitUse("chains_total", ACCOUNT, chains, most))
    for strategy_id, bounds in limits.strategies.items():
        uses += _sums(desk, strategy_id)
        if bounds.max_chains_total is not None:
            used, most = Decimal(chains_open(desk, strategy_id)), Decimal(bounds.max_chains_total)
            uses.append(LimitUse("chains_total", strategy_id, used, most, strategy_id=strategy_id))
    return uses


def _margin(state: AgentState, limits: Limits) -> list[LimitUse]:
    return [
        LimitUse(
            "margin_used_pct",
            one.currency,
            one.initial_margin / one.margin_balance * 100,
            limits.max_margin_used_pct,
        )
        for one in state.account.currencies
        if one.margin_balance > 0
    ]


def _of_underlying(desk: Desk, others: Desk, name: str) -> list[LimitUse]:
    """The limits of one underlying; `others` is the desk with only what is not ours."""
    state, limits, equity = desk.state, desk.limits, desk.state.equity_usd
    found = [
        LimitUse(
            "net_delta_abs",
            name,
            abs(exposure.net_delta(state, desk.shorts, name)),
            limits.net_delta(name),
            abs(exposure.net_delta(state, others.shorts, name)),
        )
    ]
    for kind in OptionType:
        used, foreign = (exposure.notional_of(state, one.shorts, name, kind) for one in (desk, others))
        found.append(
            LimitUse(f"{kind}_notional_usd", name, used, limits.notional(kind).in_usd(equity), foreign)
        )
        chains = Decimal(chains_used(desk, name, kind))
        found.append(LimitUse(f"{kind}_chains", name, chains, Decimal(limits.chains(kind))))
    expiries = sorted({
        one.option.expiry_ms for one in desk.shorts if one.option.product.underlying == name
    })  # fmt: skip
    worst, foreign = max(
        (
            (
                exposure.expiry_notional(state, desk.shorts, name, expiry),
                exposure.expiry_notional(state, others.shorts, name, expiry),
            )
            for expiry in expiries
        ),
        default=(_ZERO, _ZERO),
    )
    found.append(
        LimitUse("expiry_exposure_usd", name, worst, limits.max_expiry_exposure.in_usd(equity), foreign)
    )
    return found


def _sums(desk: Desk, strategy_id: str) -> list[LimitUse]:
    """The sums over short options: the account's ("" as id) or a strategy's."""
    state, limits = desk.state, desk.limits
    bounds = limits.bounds_of(strategy_id) if strategy_id else limits.account_bounds
    mine = [one for one in desk.shorts if not strategy_id or one.strategy_id == strategy_id]
    foreign = [one for one in mine if not one.strategy_id]
    try:
        elsewhere = {one.figure: one.used for one in uses(state, foreign, bounds, limits.stress)}
        return [
            LimitUse(
                SHOWN[one.figure.name],
                _subject(strategy_id, one.figure.subject),
                one.used,
                one.limit,
                elsewhere.get(one.figure, _ZERO),
                strategy_id,
            )
            for one in uses(state, mine, bounds, limits.stress)
        ]
    except exposure.ExposureError:
        unknown = Decimal("NaN")
        return [
            LimitUse(SHOWN[name], _subject(strategy_id, ACCOUNT), unknown, unknown, unknown, strategy_id)
            for name, _ in bounds.stated()
            if name in SHOWN
        ]


def _subject(strategy_id: str, subject: str) -> str:
    if not strategy_id:
        return subject
    return strategy_id if subject == ACCOUNT else f"{strategy_id} {subject}"


SHOWN: Mapping[str, str] = {
    "max_call_notional_per_underlying": "call_notional_usd",
    "max_put_notional_per_underlying": "put_notional_usd",
    "max_expiry_exposure": "expiry_exposure_usd",
    "max_total_short_notional": "total_short_notional_usd",
    "max_covered_share": "covered_coins",
    "max_margin_used_pct": "margin_used",
    "max_net_delta_abs": "net_delta_abs",
    "max_vega_usd": "vega_usd",
    "max_stress_loss": "stress_loss_usd",
}


def plain(value: object) -> object:
    """The value as JSON can hold it. Errors: TypeError for a kind of value that no view has."""
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else None
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: plain(one) for name, one in value._asdict().items()}
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(one) for key, one in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(one) for one in value]
    raise TypeError(f"{type(value).__name__} is nothing that a view holds")
