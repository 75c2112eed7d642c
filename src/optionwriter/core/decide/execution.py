"""Execution: the prices of a working order and the sizes of a bundle's later legs, as pure functions.

Keeps: a price never passes the leg's limit, and steps only towards it; an approved amount is only ever lowered. A
spread never has more sold than is bought: its wing is filled before the sale goes out, and sold after the sale was
bought back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from optionwriter.core.books.account import Side
from optionwriter.core.books.chains import Chain
from optionwriter.core.books.facts import Intent
from optionwriter.core.decide.crossing import lots, order_price
from optionwriter.core.market.instruments import Instrument, Product, parse_instrument

_ZERO = Decimal(0)


def step_price(
    product: Product, side: Side, start: Decimal, limit: Decimal, attempt: int, attempts: int
) -> Decimal:
    """The price of the `attempt`-th of `attempts` tries (from 0): even steps from `start` to `limit`, on the grid.

    The last try, and everything after it, is the limit itself. A start worse than the limit counts as the limit.
    """
    if attempt >= attempts - 1 or attempts <= 1 or (start - limit) * side.sign >= 0:
        return limit
    reached = start + (limit - start) * max(attempt, 0) / (attempts - 1)
    price = order_price(product, side, reached)
    return min(price, limit) if side is Side.BUY else max(price, limit)


def price_steps(
    product: Product, side: Side, start: Decimal, limit: Decimal, attempts: int
) -> tuple[Decimal, ...]:
    """All prices of a working order, each once, start to limit."""
    steps = (step_price(product, side, start, limit, n, attempts) for n in range(max(attempts, 1)))
    return tuple(dict.fromkeys(steps))


def roll_open_amount(
    freed_cover: Decimal, approved: Decimal, product: Product, cover_per_coin: Decimal = Decimal(1)
) -> Decimal:
    """How much of a roll's opening leg may go out: whole lots, only ever lower than `approved`, 0 when nothing may.

    `freed_cover` is cash *seen* to be free now, in the settlement currency; `cover_per_coin` is what one coin of the
    new option needs of it, net of its own premium (risk.net_cover_per_coin).
    """
    if freed_cover <= 0:
        return _ZERO
    if cover_per_coin <= 0:
        return lots(product, approved)
    amount = lots(product, min(approved, freed_cover / cover_per_coin))
    if amount * cover_per_coin > freed_cover:  # the quotient was rounded up at its 28th digit
        amount = lots(product, amount - product.amount_step)
    return amount


def later_step(
    intents: Sequence[Intent], step: int, filled: Sequence[Decimal], chain: Chain | None
) -> Decimal:
    """How much of a later step of a chain's plan may go out, as far as its own legs say; the cover of a sale is apart.

    `filled` is what the steps before it filled, `chain` as it stands after them (None: nothing filled yet).
    """
    intent = intents[step]
    option = parse_instrument(intent.instrument)
    if intent.reduce_only and intent.side is Side.BUY:
        return intent.amount
    if intent.reduce_only:  # a wing: only as far as what was sold no longer needs it
        return min(intent.amount, _wings_left(chain, option))
    before = list(zip(intents[:step], filled, strict=False))
    most = _after_closing(intent, before)
    if intent.side is Side.SELL and any(one.side is Side.BUY and not one.reduce_only for one, _ in before):
        most = min(most, _wings_left(chain, option))
    return most


def _after_closing(intent: Intent, before: Sequence[tuple[Intent, Decimal]]) -> Decimal:
    """A roll opens in the proportion in which it closed: what did not close frees nothing, and whatever else is free
    may have been given to another item."""
    closing = [(one.amount, filled) for one, filled in before if one.reduce_only and one.side is Side.BUY]
    amount = intent.amount
    for wanted, filled in closing:
        if filled < wanted:
            amount = min(amount, intent.amount * filled / wanted)
    return lots(parse_instrument(intent.instrument).product, amount)


def _wings_left(chain: Chain | None, option: Instrument) -> Decimal:
    """Bought coins of the option's type and expiry that no sold ones stand against."""
    if chain is None:
        return _ZERO
    kind, expiry_ms = option.option_type, option.expiry_ms
    return max(_ZERO, chain.held(kind, expiry_ms, sold=False) - chain.held(kind, expiry_ms, sold=True))


def lowered(intent: Intent, amount: Decimal) -> Intent | None:
    """The same intent, smaller; None when nothing is left. It can't grow."""
    if amount <= 0:
        return None
    return replace(intent, amount=min(amount, intent.amount))
