"""Checks of new risk: whatever has an opening leg. Never naked first, then the limits.

An item that lowers the very figure that a limit measures is not refused for that figure: a defensive roll may leave
the account above a limit that the market carried it over, never further above.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from optionwriter.core.books.account import Side
from optionwriter.core.books.book import OrderStatus, live_orders, open_chains
from optionwriter.core.decide import exposure
from optionwriter.core.decide.choosing import Proposal
from optionwriter.core.decide.cover import cover_of
from optionwriter.core.decide.desk import Check, Desk, claims_of, longs_after, shorts_after
from optionwriter.core.decide.limits import STANDARD_MARGIN, Code, Finding
from optionwriter.core.market.instruments import (
    PRODUCTS,
    Family,
    OptionType,
    parse_instrument,
)

_ZERO = Decimal(0)


def account_model(desk: Desk, proposal: Proposal) -> Iterator[Finding]:
    """Only margin models that are understood; cross collateral only on the owner's word."""
    account, limits = desk.state.account, desk.limits
    if account.margin_model not in (*STANDARD_MARGIN, *limits.foreign_margin_models):
        yield Finding(
            Code.MARGIN_MODEL, f"margin model {account.margin_model!r} is not configured as understood"
        )
    if account.cross_collateral and not limits.allow_cross_collateral:
        yield Finding(Code.CROSS_COLLATERAL, "cross collateral is on and not configured as allowed")


def family(desk: Desk, proposal: Proposal) -> Iterator[Finding]:
    """Shorts without a bounded worst case are refused by name, alone and inside bundles."""
    for leg in proposal.item.legs:
        if leg.reduce_only or leg.side is Side.BUY:
            continue
        option = parse_instrument(leg.instrument)
        if option.product.family is Family.INVERSE and not option.is_call:
            yield Finding(Code.INVERSE_PUT_REFUSED, f"{leg.instrument}: its loss in coin has no bound")
        if option.product.family is Family.LINEAR and option.is_call:
            yield Finding(Code.LINEAR_CALL_REFUSED, f"{leg.instrument}: its loss in USDC has no bound")


def foreign(desk: Desk, proposal: Proposal) -> Iterator[Finding]:
    """No new risk beside futures, perpetuals or unknown options that settle in the same currency."""
    currencies = {parse_instrument(leg.instrument).product.settlement_currency for leg in proposal.item.legs}
    for name in desk.state.foreign:
        if settles_in(name) is None or settles_in(name) in currencies:
            yield Finding(Code.FOREIGN_POSITION, f"{name} needs a stress reserve that is not kept yet")


def covered(desk: Desk, proposal: Proposal) -> Iterator[Finding]:
    """Never naked: what the item claims fits into the cash that nothing claims."""
    for currency, claim in claims_of(proposal).items():
        cover = cover_of(currency, desk.state.account, desk.state.book, desk.pending)
        for name in cover.unbounded:
            yield Finding(Code.UNBOUNDED_CLAIM, f"{name} is short in {currency} without a bound")
        free = cover.free - desk.spent_cover.get(currency, _ZERO)
        if claim > free:
            yield Finding(Code.NOT_COVERED, f"{currency} that nothing else claims", claim, free)


def chain_slots(desk: Desk, proposal: Proposal) -> Iterator[Finding]:
    """At most so many chains of a type on an underlying, over the whole account; rolls stay in their slot."""
    for kind in slots_taken(desk, proposal):
        used = chains_used(desk, proposal.underlying, kind)
        most = desk.limits.chains(kind)
        if used + 1 > most:
            yield Finding(
                Code.CHAINS, f"{kind} chains on {proposal.underlying}", Decimal(used + 1), Decimal(most)
            )


def margin_used(desk: Desk, proposal: Proposal) -> Iterator[Finding]:
    """Initial margin with the item, as a share of the margin balance of its currency."""
    for currency, change in margin_change(desk, proposal).items():
        if change <= 0:
            continue
        found = desk.state.account.currency(currency)
        balance = found.margin_balance if found else _ZERO
        used = (found.initial_margin if found else _ZERO) + unseen_margin(desk, currency)
        used += desk.spent_margin.get(currency, _ZERO) + change
        most = desk.limits.max_margin_used_pct
        if balance <= 0 or used * 100 > most * balance:
            share = used * 100 / balance if balance > 0 else Decimal(100)
            yield Finding(Code.MARGIN_USED, f"% of the {currency} margin balance", share, most)


def net_delta(desk: Desk, proposal: Proposal) -> Iterator[Finding]:
    """The options' net delta on the underlying, absolute, coins."""
    before = abs(exposure.net_delta(desk.state, desk.shorts, proposal.underlying))
    sold, bought = shorts_after(proposal), longs_after(proposal)
    after = max(  # a wing is no help while it may not fill, and counts where it alone would go further
        abs(exposure.net_delta(desk.state, (*desk.shorts, *changes), proposal.underlying))
        for changes in (sold, bought, [*sold, *bought])
    )
    most = desk.limits.net_delta(proposal.underlying)
    if after > most and after > before:
        yield Finding(Code.NET_DELTA, f"options on {proposal.underlying}, coins", after, most)


def expiry_exposure(desk: Desk, proposal: Proposal) -> Iterator[Finding]:
    """Short notional of the underlying at each expiry that the item adds to, USD."""
    most = desk.limits.max_expiry_exposure.in_usd(desk.state.equity_usd)
    changes = shorts_after(proposal)
    for expiry_ms in sorted({one.option.expiry_ms for one in changes}):
        before = exposure.expiry_notional(desk.state, desk.shorts, proposal.underlying, expiry_ms)
        after = exposure.expiry_notional(desk.state, (*desk.shorts, *changes), proposal.underlying, expiry_ms)
        if after > most and after > before:
            yield Finding(Code.EXPIRY_EXPOSURE, f"{proposal.underlying} at one expiry, USD", after, most)


def notional(desk: Desk, proposal: Proposal) -> Iterator[Finding]:
    """Short notional of each type on the underlying, USD."""
    equity = desk.state.equity_usd
    changes = shorts_after(proposal)
    for kind, code in ((OptionType.CALL, Code.CALL_NOTIONAL), (OptionType.PUT, Code.PUT_NOTIONAL)):
        before = exposure.notional_of(desk.state, desk.shorts, proposal.underlying, kind)
        after = exposure.notional_of(desk.state, (*desk.shorts, *changes), proposal.underlying, kind)
        most = desk.limits.notional(kind).in_usd(equity)
        if after > most and after > before:
            yield Finding(code, f"short {kind}s on {proposal.underlying}, USD", after, most)


NEW_RISK: tuple[Check, ...] = (
    family,
    account_model,
    foreign,
    covered,
    chain_slots,
    margin_used,
    net_delta,
    expiry_exposure,
    notional,
)


def slots_taken(desk: Desk, proposal: Proposal) -> tuple[OptionType, ...]:
    """The types of the options that the item sells to open: each takes a slot, bought legs take none.

    A chain that has something sold, or an order to sell it, is in its slot already.
    """
    item = proposal.item
    places = {
        (parse_instrument(leg.instrument).option_type, item.chain_of(leg))
        for leg in item.legs
        if leg.side is Side.SELL and not leg.reduce_only
    }
    return tuple(
        kind
        for kind, chain in sorted(places)
        if not chain or chain not in _selling_chains(desk, proposal.underlying, kind)
    )


def chains_used(desk: Desk, underlying: str, kind: OptionType) -> int:
    """Open chains of that type, and those that pending orders and approved items would open."""
    opened = sum(1 for opened in desk.opened if opened == (underlying, kind))
    return len(_selling_chains(desk, underlying, kind)) + opened


def _selling_chains(desk: Desk, underlying: str, kind: OptionType) -> set[str]:
    """Chains with an option of the type sold, or with an order that would sell one."""
    book = desk.state.book
    chains = {
        chain.chain_id
        for chain in open_chains(book)
        if any(_is_short(leg.instrument, leg.position, underlying, kind) for leg in chain.open_legs)
    }
    for one in desk.pending:
        if one.chain_id and not one.reduce_only and one.side is Side.SELL:
            option = parse_instrument(one.instrument)
            if option.product.underlying == underlying and option.option_type is kind:
                chains.add(one.chain_id)
    return chains


def _is_short(name: str, position: Decimal, underlying: str, kind: OptionType) -> bool:
    option = parse_instrument(name)
    return position < 0 and option.product.underlying == underlying and option.option_type is kind


def margin_change(desk: Desk, proposal: Proposal) -> dict[str, Decimal]:
    """Initial margin that the item adds, by currency; its closing legs take theirs off."""
    change: dict[str, Decimal] = {}
    for one in shorts_after(proposal):
        currency = one.option.product.settlement_currency
        change[currency] = change.get(currency, _ZERO) + exposure.margin_of(
            desk.state, one.option, one.amount
        )
    return change


def unseen_margin(desk: Desk, currency: str) -> Decimal:
    """Initial margin of our orders that the venue may not have counted yet: prepared or unresolved ones."""
    total = _ZERO
    for record in live_orders(desk.state.book):
        intent = record.intent
        if record.status not in (OrderStatus.PREPARED, OrderStatus.UNKNOWN) or intent.reduce_only:
            continue
        option = parse_instrument(intent.instrument)
        if intent.side is Side.SELL and option.product.settlement_currency == currency:
            total += exposure.margin_of(desk.state, option, record.open_amount)
    return total


def settles_in(name: str) -> str | None:
    """The currency in which a foreign instrument settles, as far as its name tells; None when it doesn't."""
    head = name.split("-", 1)[0]
    if head.endswith("_USDC"):
        return "USDC"
    return head if head in PRODUCTS else None
