"""Bundles: do an item's legs make sense together? Risk judges legs, not names; this is the grammar of legs.

A chain holds options of one product and type. An item opens at most one sale of a type; a purchase opens only as the
wing of a sale beside it: same product, type and expiry, further out, no smaller. A wing is sold only as far as what was
sold no longer needs it. An action that says spread never sells without a wing, bought here or held.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from optionwriter.core.books.account import Side
from optionwriter.core.books.chains import Chain, bundle_of
from optionwriter.core.books.facts import Action
from optionwriter.core.decide.choosing import Proposal
from optionwriter.core.decide.desk import Desk
from optionwriter.core.decide.limits import Code, Finding
from optionwriter.core.decide.menu import MenuItem, OrderLeg
from optionwriter.core.market.instruments import Instrument, OptionType, parse_instrument

SPREADS = frozenset({
    Action.OPEN_CALL_SPREAD, Action.ROLL_CALL_SPREAD, Action.CLOSE_CALL_SPREAD,
    Action.OPEN_PUT_SPREAD, Action.ROLL_PUT_SPREAD, Action.CLOSE_PUT_SPREAD,
})  # fmt: skip
STRANGLES = frozenset({Action.OPEN_STRANGLE, Action.ROLL_STRANGLE, Action.CLOSE_STRANGLE})
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class _Side:
    """The legs of an item that belong to one chain, or open one, and are of one type."""

    chain: Chain | None
    sold: tuple[OrderLeg, ...]  # opening sales
    wings: tuple[OrderLeg, ...]  # opening purchases
    closed: tuple[OrderLeg, ...]  # sales bought back
    unwound: tuple[OrderLeg, ...]  # wings sold


def further_out(wing: Instrument, sold: Instrument) -> bool:
    """Whether the wing lies beyond the option that was sold: a higher call, a lower put."""
    return wing.strike > sold.strike if sold.is_call else wing.strike < sold.strike


def bundle_shape(desk: Desk, proposal: Proposal) -> Iterator[Finding]:
    """What makes no sense about the legs together."""
    item = proposal.item
    opening = [leg for leg in item.legs if not leg.reduce_only]
    types = {parse_instrument(leg.instrument).option_type for leg in opening}
    if len(types) > 1 and item.action not in STRANGLES:
        yield _malformed(f"{item.action} opens calls and puts")
    for side in _sides(desk, item):
        yield from _opening(item.action, side)
        yield from _wings(item.action, side)
    yield from _at_home(desk, item)


def _malformed(detail: str) -> Finding:
    return Finding(Code.MALFORMED, detail)


def _sides(desk: Desk, item: MenuItem) -> list[_Side]:
    groups: dict[tuple[str, OptionType], list[OrderLeg]] = {}
    for leg in item.legs:
        kind = parse_instrument(leg.instrument).option_type
        groups.setdefault((item.chain_of(leg), kind), []).append(leg)
    return [
        _Side(
            desk.state.book.chains.get(chain_id),
            tuple(one for one in legs if not one.reduce_only and one.side is Side.SELL),
            tuple(one for one in legs if not one.reduce_only and one.side is Side.BUY),
            tuple(one for one in legs if one.reduce_only and one.side is Side.BUY),
            tuple(one for one in legs if one.reduce_only and one.side is Side.SELL),
        )
        for (chain_id, _), legs in groups.items()
    ]


def _opening(action: Action, side: _Side) -> Iterator[Finding]:
    """At most one sale, and a purchase only as its wing."""
    if len(side.sold) > 1 or len(side.wings) > 1:
        yield _malformed(f"{action} opens more than one sale, or more than one wing, of one type")
    for wing in side.wings:
        if action not in SPREADS or not side.sold:
            yield _malformed(f"{action} buys {wing.instrument} and sells nothing against it")
        for sale in side.sold:
            yield from _matches(parse_instrument(wing.instrument), parse_instrument(sale.instrument))
            if wing.amount < sale.amount:
                yield Finding(
                    Code.MALFORMED,
                    f"the wing {wing.instrument} is smaller than what is sold",
                    wing.amount,
                    sale.amount,
                )
    if action in SPREADS and not side.wings:
        for sale in side.sold:
            yield from _held_wing(side.chain, sale)


def _matches(wing: Instrument, sold: Instrument) -> Iterator[Finding]:
    if wing.product != sold.product:
        yield _malformed(f"{wing.name} and {sold.name} are not of one product")
    if wing.expiry_ms != sold.expiry_ms:
        yield _malformed(f"{wing.name} does not expire with {sold.name}")
    if not further_out(wing, sold):
        yield _malformed(f"{wing.name} is no further out than {sold.name}")


def _held_wing(chain: Chain | None, sale: OrderLeg) -> Iterator[Finding]:
    """A sale that finishes a spread stands against wings that its chain holds and nothing else needs."""
    option = parse_instrument(sale.instrument)
    wings = [] if chain is None else [leg for leg in chain.open_legs if not leg.sold]
    fitting = [leg for leg in wings if not list(_matches(parse_instrument(leg.instrument), option))]
    bought = sum((leg.position for leg in fitting), _ZERO)
    used = _ZERO if chain is None else chain.held(option.option_type, option.expiry_ms, sold=True)
    if sale.amount > bought - used:
        yield Finding(Code.MALFORMED, f"{sale.instrument} has no wing", sale.amount, bought - used)


def _wings(action: Action, side: _Side) -> Iterator[Finding]:
    """Wings are sold after what they stand beside, and no faster."""
    if side.chain is None:
        return  # nothing is held: closing it is refused as not ours
    for leg in side.unwound:
        option = parse_instrument(leg.instrument)
        kind, expiry_ms = option.option_type, option.expiry_ms
        bought = side.chain.held(kind, expiry_ms, sold=False) - _total(side.unwound, expiry_ms)
        sold = side.chain.held(kind, expiry_ms, sold=True) - _total(side.closed, expiry_ms)
        if bought < max(sold, _ZERO):
            yield Finding(Code.MALFORMED, f"{action} sells the wing of what stays sold", bought, sold)


def _total(legs: Sequence[OrderLeg], expiry_ms: int) -> Decimal:
    return sum((one.amount for one in legs if parse_instrument(one.instrument).expiry_ms == expiry_ms), _ZERO)


def _at_home(desk: Desk, item: MenuItem) -> Iterator[Finding]:
    """A leg belongs to a chain of its own product and type, and to a bundle of its own strategy."""
    for leg in item.legs:
        option, name = parse_instrument(leg.instrument), item.chain_of(leg)
        chain = desk.state.book.chains.get(name)
        if chain is not None and (chain.product, chain.option_type) != (
            option.product.code,
            option.option_type,
        ):
            yield _malformed(f"{leg.instrument} in chain {name} of {chain.product} {chain.option_type}s")
        if bundle_of(name) and not name.endswith(f".{option.option_type}"):
            yield _malformed(f"{leg.instrument} in {name}")
