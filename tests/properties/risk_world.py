"""A hostile little world around the risk review: a venue that fills what and when it likes, and hides it.

The naked check here is its own arithmetic on the venue's truth: the cash of each currency against the worst case of
every short, for every subset of the orders that could still fill. It shares no code with core/decide/cover.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import product as subsets

from optionwriter.core.books.account import (
    AccountSnapshot,
    CashMovement,
    CurrencyAccount,
    Fill,
    Position,
    Side,
    VenueEvent,
    VenueOrder,
)
from optionwriter.core.books.booking import book_events
from optionwriter.core.books.facts import (
    Body,
    Fact,
    Intent,
    IntentPrepared,
    LedgerOpened,
    OrderAcknowledged,
    OrderProvenAbsent,
    OrderUnknown,
)
from optionwriter.core.books.fees import trading_fee
from optionwriter.core.books.ledger import Book, apply
from optionwriter.core.books.settlement import settle
from optionwriter.core.decide.cover import free_cover, net_cover_per_coin
from optionwriter.core.decide.execution import later_step, lowered, roll_open_amount
from optionwriter.core.decide.orders import plan_orders, plans_of
from optionwriter.core.decide.risk import Approved
from optionwriter.core.decide.state import AgentState, build_state
from optionwriter.core.market.chain import OptionChain
from optionwriter.core.market.instruments import parse_instrument, product
from tests.core.decide.worlds import ACCOUNT, NOW, chain_at, context_of

D = Decimal
ZERO = D(0)
DAYS = (1, 3, 8, 15)
PRODUCTS = ("BTC", "BTC_USDC")


@dataclass
class Resting:
    """An order as the venue truly has it. `hidden`: we were not told."""

    order_id: str
    label: str
    instrument: str
    side: Side
    left: Decimal
    amount: Decimal
    price: Decimal
    reduce_only: bool
    hidden: bool = False


@dataclass
class World:
    """Venue, ledger and clock. `draw(n)` gives an integer in [0, n)."""

    draw: Callable[[int], int]
    cash: dict[str, Decimal] = field(default_factory=dict)
    positions: dict[str, Decimal] = field(default_factory=dict)
    orders: list[Resting] = field(default_factory=list)
    book: Book = field(default_factory=Book)
    at_ms: int = NOW
    spot: float = 94_000.0
    serial: int = 0
    hidden_fills: list[VenueEvent] = field(default_factory=list)
    chains: dict[str, OptionChain] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.add(LedgerOpened("local", "live"))
        self.quote()

    # -- the market ---------------------------------------------------------------------------------------------

    def quote(self) -> None:
        """New chains at the present spot and time."""
        ladder = [2_000 * k for k in range(int(self.spot * 0.8 / 2_000), int(self.spot * 1.3 / 2_000))]
        self.chains = {
            code: chain_at(code, spot=self.spot, at_ms=self.at_ms, days=DAYS, strikes=ladder)
            for code in PRODUCTS
        }

    def state(self) -> AgentState:
        """What the agent sees: the venue's open figures, hidden orders and fills left out."""
        return build_state(
            self.at_ms, self.snapshot(), self.book, self.chains, {"BTC": context_of("BTC", self.at_ms, 0.4)}
        )

    def snapshot(self) -> AccountSnapshot:
        """The account as the venue shows it."""
        currencies = tuple(
            CurrencyAccount(code, cash, cash, cash, ZERO, ZERO, ZERO)
            for code, cash in sorted(self.cash.items())
        )
        held = tuple(
            Position(name, amount, D("0.01"), D("0.01"))
            for name, amount in sorted(self.positions.items())
            if amount
        )
        resting = tuple(
            VenueOrder(
                one.order_id, one.label, one.instrument, one.side, one.amount, one.amount - one.left, one.price,
                "open", one.reduce_only, self.at_ms,
            )
            for one in self.orders
            if not one.hidden
        )  # fmt: skip
        return AccountSnapshot(
            self.at_ms, ACCOUNT, "local", "segregated_sm", False, currencies, held, resting
        )

    # -- the ledger ---------------------------------------------------------------------------------------------

    def add(self, body: Body, chain: str = "", strategy: str = "") -> None:
        """One fact."""
        fact = Fact(self.book.seq + 1, self.at_ms, self.at_ms, ACCOUNT, strategy, "d", chain, body)
        self.book = apply(self.book, fact)

    def booked(self, events: Sequence[VenueEvent]) -> None:
        """Venue events into the ledger."""
        _, self.book = book_events(events, self.book, self.at_ms)

    def next_id(self, head: str) -> str:
        """A new id."""
        self.serial += 1
        return f"{head}{self.serial}"

    # -- what can happen ----------------------------------------------------------------------------------------

    def deposit(self, currency: str, amount: Decimal) -> None:
        """Cash arrives (or goes, negative)."""
        self.cash[currency] = self.cash.get(currency, ZERO) + amount
        index = D(str(self.spot)) if currency == "BTC" else D(1)
        self.booked([CashMovement(self.next_id("m"), currency, amount, "deposit", index, self.at_ms)])

    def fill(self, order: Resting, amount: Decimal) -> Fill:
        """The venue fills some of an order: position and cash move at once."""
        if order.reduce_only:
            held = self.positions.get(order.instrument, ZERO)
            amount = min(amount, max(ZERO, -held * order.side.sign))
        book = parse_instrument(order.instrument).product
        index = D(str(self.spot))
        fee = trading_fee(book, amount, order.price, index)
        currency = book.settlement_currency
        self.cash[currency] = self.cash.get(currency, ZERO) - order.side.sign * amount * order.price - fee
        self.positions[order.instrument] = (
            self.positions.get(order.instrument, ZERO) + order.side.sign * amount
        )
        order.left -= amount
        if order.left <= 0:
            self.orders = [one for one in self.orders if one is not order]
        return Fill(
            self.next_id("t"), order.order_id, order.label, order.instrument, order.side, amount, order.price, fee,
            currency, index, order.price, self.at_ms,
        )  # fmt: skip

    def send(self, intent: Intent, chain: str, strategy: str) -> Decimal:
        """Commits and sends an intent; the venue does as it likes. Returns what we saw filled."""
        self.add(IntentPrepared(intent), chain, strategy)
        order = Resting(
            self.next_id("o"), intent.label, intent.instrument, intent.side, intent.amount, intent.amount,
            intent.limit_price, intent.reduce_only,
        )  # fmt: skip
        fate = self.draw(6)
        if fate == 0:  # the wire breaks before the venue acts
            self.add(OrderUnknown(intent.label, "reset"), chain, strategy)
            return ZERO
        self.orders.append(order)
        if fate == 1:  # it breaks after: the order works, or fills, and we don't know
            order.hidden = True
            self.add(OrderUnknown(intent.label, "timeout"), chain, strategy)
            if self.draw(2):
                self.hidden_fills.append(self.fill(order, self.part(order)))
            return ZERO
        self.add(OrderAcknowledged(intent.label, order.order_id), chain, strategy)
        if fate == 2:  # it rests
            return ZERO
        amount = order.left if fate > 3 else self.part(order)
        done = self.fill(order, amount)
        self.booked([done])
        return done.amount

    def part(self, order: Resting) -> Decimal:
        """Some whole lots of what is left, at least one."""
        step = parse_instrument(order.instrument).product.amount_step
        lots = int(order.left / step)
        return step * (1 + self.draw(lots)) if lots else order.left

    def execute(self, approved: Approved) -> None:
        """Sends an approved item as the cycle would: each chain's orders in turn, a later one only after the one before
        it is over, cut to what its own legs allow and to the cover seen. It may break off after any of them."""
        strategy, decision = approved.proposal.strategy_id, f"d{self.book.seq}"
        intents = plan_orders(approved, decision, "CCBOT_", self.at_ms, 5_000)
        for chain, mine in plans_of(approved, decision, intents):
            filled: list[Decimal] = []
            for step, intent in enumerate(mine):
                sized: Intent | None = intent
                if step:
                    if self.draw(8) == 0:
                        break  # killed here
                    most = later_step(mine, step, filled, self.book.chains.get(chain))
                    sized = lowered(intent, self.covered(intent, most))
                if sized is None:
                    break
                filled.append(self.send(sized, chain, strategy))
                if filled[-1] != sized.amount and not self.over(sized.label):
                    break

    def covered(self, intent: Intent, most: Decimal) -> Decimal:
        """What the cover seen free leaves of a later sale."""
        if intent.reduce_only or intent.side is Side.BUY:
            return most
        option = parse_instrument(intent.instrument)
        free = free_cover(self.snapshot(), self.book, option.product.settlement_currency)
        each = net_cover_per_coin(option, intent.limit_price)
        assert each is not None
        return roll_open_amount(free, most, option.product, each)

    def over(self, label: str) -> bool:
        """Half the orders that did not fill whole are cancelled at once: then the next may follow."""
        order = next((one for one in self.orders if one.label == label and not one.hidden), None)
        if order is None or self.draw(2):
            return False
        self.cancel(order.instrument)
        return True

    def fill_something(self) -> None:
        """One working order fills a little; a hidden one without our knowing."""
        if not self.orders:
            return
        order = self.orders[self.draw(len(self.orders))]
        fill = self.fill(order, self.part(order))
        if not fill.amount:
            return
        if order.hidden:
            self.hidden_fills.append(fill)
        else:
            self.booked([fill])

    def find_the_hidden(self) -> None:
        """Every unknown order is looked up: found with its fills, or proven absent."""
        for record in [self.book.orders[label] for label in self.book.live_labels]:
            if record.status.value != "unknown":
                continue
            label, fact = record.intent.label, (record.chain_id, record.strategy_id)
            found = next((one for one in self.orders if one.label == label), None)
            fills = [one for one in self.hidden_fills if isinstance(one, Fill) and one.label == label]
            if found is None and not fills:
                self.add(OrderProvenAbsent(label), *fact)
                continue
            self.add(OrderAcknowledged(label, found.order_id if found else fills[0].order_id), *fact)
            self.booked(fills)
            self.hidden_fills = [one for one in self.hidden_fills if one not in fills]
            if found is not None:
                found.hidden = False

    def by_hand(self, instrument: str, side: Side, amount: Decimal, price: Decimal) -> None:
        """The owner places an order himself, with what is truly free."""
        order = Resting(self.next_id("h"), "", instrument, side, amount, amount, price, False)
        self.orders.append(order)
        if self.naked():
            self.orders.remove(order)

    def move(self, percent: int, hours: int) -> None:
        """Price and time move; what expires on the way is settled and its orders are gone."""
        self.spot = max(1_000.0, round(self.spot * (1 + percent / 100), 2))
        self.at_ms += hours * 3_600_000
        self.find_the_hidden()
        ended = {one.instrument for one in self.orders} | set(self.positions)
        for name in sorted(ended):
            option = parse_instrument(name)
            if option.expiry_ms > self.at_ms:
                continue
            self.cancel(name)
            position = self.positions.pop(name, ZERO)
            if position:
                end = replace(settle(option, position, D(str(self.spot)), False), at_ms=self.at_ms)
                currency = option.product.settlement_currency
                self.cash[currency] = self.cash.get(currency, ZERO) + end.payoff - end.fee
                self.booked([end])
        self.quote()

    def cancel(self, instrument: str) -> None:
        """All orders of one instrument end where they are."""
        from optionwriter.core.books.facts import OrderClosed

        for order in [one for one in self.orders if one.instrument == instrument]:
            self.orders.remove(order)
            record = self.book.orders.get(order.label) if order.label else None
            if record is not None and record.status.value != "done":
                done = OrderClosed(order.label, order.order_id, "cancelled", order.amount - order.left)
                self.add(done, record.chain_id, record.strategy_id)

    # -- the truth ----------------------------------------------------------------------------------------------

    def naked(self) -> str:
        """ "" when every currency holds the worst case of every short, whichever orders fill; else what doesn't."""
        for wanted in subsets((False, True), repeat=min(len(self.orders), 6)):
            cash, held = dict(self.cash), dict(self.positions)
            for order, filled in zip(self.orders, wanted, strict=False):
                if not filled:
                    continue
                amount = order.left
                if order.reduce_only:
                    amount = min(amount, max(ZERO, -held.get(order.instrument, ZERO) * order.side.sign))
                book = product(order.instrument.split("-")[0])
                fee = trading_fee(book, amount, order.price, D(str(self.spot)))
                held[order.instrument] = held.get(order.instrument, ZERO) + order.side.sign * amount
                cash[book.settlement_currency] = (
                    cash.get(book.settlement_currency, ZERO) - order.side.sign * amount * order.price - fee
                )
            needed: dict[str, Decimal] = {}
            for name, amount in held.items():
                if amount >= 0:
                    continue
                head, _, strike, letter = name.split("-")
                linear, call = head.endswith("_USDC"), letter == "C"
                if linear == call:
                    return f"{name} has no bound"
                currency = "USDC" if linear else head
                needed[currency] = needed.get(currency, ZERO) - amount * (D(strike) if linear else 1)
            for currency, worst in needed.items():
                if cash.get(currency, ZERO) < worst:
                    return f"{currency}: {cash.get(currency, ZERO)} against {worst}"
        return ""
