"""PaperBroker: orders that fill on a tape's quotes, by the exchange's rules, without a wire. Implements ports.Broker.

Owns the passing of time on paper: a taker fills at once at the opposite quote up to its size; what rests is looked at
on every full minute and fills at its own price when the quote reaches it; what is taken of a quote is gone for the rest
of its minute; options end at 08:00 UTC at the delivery price, and for five seconds from then orders are refused. It is
the exchange engine's behaviour, so that both give the same fills and the same cash from the same tape.

All of it is a function of the tape, the orders and the clock; a new broker given cash, positions and resting orders of
a ledger, and the instant they are from, goes on where the old one stopped.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from optionwriter.adapters.paper.account import PaperAccount, PaperOrder
from optionwriter.adapters.paper.admission import refusal
from optionwriter.adapters.paper.combos import Combos
from optionwriter.adapters.paper.conversion import Conversion
from optionwriter.adapters.paper.fills import FillModel
from optionwriter.adapters.paper.hours import MINUTE_MS, is_settling, next_minute
from optionwriter.adapters.paper.idle import IdleYield
from optionwriter.adapters.paper.tape import PaperQuote, QuoteSource, Tape
from optionwriter.core.books.account import (
    Absent,
    AccountSnapshot,
    Acknowledged,
    CashMovement,
    Fill,
    Found,
    Lookup,
    LookupFailed,
    Outcome,
    Position,
    Rejected,
    Settlement,
    Side,
    Unknown,
    VenueEvent,
    VenueOrder,
)
from optionwriter.core.books.facts import Intent
from optionwriter.core.books.fees import trading_fee
from optionwriter.core.books.margin import MarginLine
from optionwriter.core.books.settlement import settle
from optionwriter.core.market.instruments import (
    Instrument,
    is_daily,
    next_expiry_instant,
    parse_instrument,
)
from optionwriter.ports import BrokerUnavailableError, Clock

CURRENCIES = ("BTC", "ETH", "USDC")
_ZERO = Decimal(0)


class PaperBroker:
    """One simulated account under segregated standard margin."""

    def __init__(
        self,
        source: QuoteSource,
        clock: Clock,
        account_id: str,
        cash: Mapping[str, Decimal],
        *,
        environment: str = "local",
        spread_share: Decimal = _ZERO,
        fill: FillModel | None = None,
        combo: bool = False,
        idle: IdleYield | None = None,
        conversion: Conversion | None = None,
        positions: Iterable[Position] = (),
        orders: Iterable[VenueOrder] = (),
        since_ms: int | None = None,
    ) -> None:
        """`cash`, `positions` and resting `orders` are those of `since_ms` (the clock's instant when left out); fills
        that an order had before are the ledger's to know and are not told again.

        `fill` says at which price orders are done and whether (fills); left out, every fill keeps `spread_share` of the
        spread: 0 crosses it. With `combo` the legs of a plan that fill together pay as one combo; `idle` pays a yield
        on cash that covers nothing, daily at 08:00 UTC, and `conversion` buys or sells the coin of what was settled in
        the money, as cash movements of their own kinds. Errors: ValueError for a share outside [0, 1].
        """
        self._tape = Tape(source)
        self._clock = clock
        self._account_id = account_id
        self._environment = environment
        self._fills = fill if fill is not None else FillModel("share", spread_share)
        self._account = PaperAccount(cash, tuple(positions))
        self._now_ms = clock.now_ms() if since_ms is None else since_ms
        self._orders: dict[str, PaperOrder] = {}
        self._taken: dict[tuple[str, Side], Decimal] = {}
        self._movements = 0
        self._combos = Combos() if combo else None
        for order in orders:
            self._restore(order)
        self._idle, self._conversion = idle, conversion
        if idle is not None:
            idle.begin(self._account.cash, self._shorts(), self._now_ms)

    # -- ports.Broker -----------------------------------------------------------------------------------------

    def account(self) -> AccountSnapshot:
        """The account now. Raises BrokerUnavailableError when the tape has no mark for something held."""
        self._advance()
        resting = self._resting()
        lines = self._margin_lines()
        return AccountSnapshot(
            at_ms=self._now_ms,
            account_id=self._account_id,
            environment=self._environment,
            margin_model="segregated_sm",
            cross_collateral=False,
            currencies=tuple(self._account.view(currency, lines) for currency in CURRENCIES),
            positions=tuple(
                self._account.position(name, self._marked(name).mark) for name in sorted(self._account.held)
            ),
            open_orders=tuple(order.as_venue_order() for order in resting),
        )

    def send(self, intent: Intent) -> Outcome:
        """Takes one limit order, good till cancelled, or refuses it with the exchange's code."""
        self._advance()
        if self._now_ms >= intent.valid_until_ms:
            return Unknown("13888 timed_out")  # as from the exchange, which doesn't say more
        if is_settling(self._now_ms):
            return Rejected(10041, "10041 settlement_in_progress")
        if parse_instrument(intent.instrument).expiry_ms <= self._now_ms:
            return Rejected(10012, f"10012 book_closed {intent.instrument}")
        quote = self._tape.quote(intent.instrument, self._now_ms)
        if quote is None:
            return Rejected(10020, f"10020 invalid_or_unsupported_instrument {intent.instrument} has no mark")
        allowed = self._reducible(intent.instrument, intent.side) if intent.reduce_only else intent.amount
        amount = min(intent.amount, allowed)
        refused = refusal(intent, amount, quote, self._account, self._margin_lines())
        if refused is not None:
            return refused
        order = self._new_order(intent, amount)
        self._orders[order.order_id] = order
        price, size = self._fills.taken(quote, order.side, self._now_ms)
        if price is not None and _crosses(order, price):
            self._fill(order, price, size, quote)
        return Acknowledged(order.as_venue_order(), tuple(order.fills))

    def cancel(self, label: str, order_id: str, instrument: str) -> Lookup:
        """Ends an order, or says how it had ended."""
        self._advance()
        order = self._orders.get(order_id)
        if order is None or (order.label, order.option.name) != (label, instrument):
            return LookupFailed(f"paper has no order {order_id} ({label}) on {instrument}")
        if order.state == "open":
            order.state = "cancelled"
        return Found(order.as_venue_order(), tuple(order.fills))

    def look_up(self, intent: Intent) -> Lookup:
        """The order with this label; paper forgets nothing, so what it doesn't know it never took."""
        self._advance()
        for order in self._orders.values():
            if (order.label, order.option.name) == (intent.label, intent.instrument):
                return Found(order.as_venue_order(), tuple(order.fills))
        if self._now_ms <= intent.valid_until_ms:
            return LookupFailed(f"{intent.label} may be taken until {intent.valid_until_ms}")
        return Absent(self._now_ms)

    def events_since(self, at_ms: int) -> Sequence[VenueEvent]:
        """Everything that happened at or after `at_ms`, by time, as far back as this broker has lived."""
        self._advance()
        events = self._account.events
        return events[bisect_left(events, at_ms, key=lambda event: event.at_ms) :]

    # -- what only paper can do -------------------------------------------------------------------------------

    def deposit(self, currency: str, amount: Decimal) -> CashMovement:
        """Cash comes (or, below 0, goes), as if it had been sent to the account."""
        self._advance()
        self._movements += 1
        movement = CashMovement(
            movement_id=f"paper-{self._now_ms}-{self._movements}",
            currency=currency,
            amount=amount,
            kind="deposit" if amount >= 0 else "withdrawal",
            index=self._tape.usd_value(currency, self._now_ms),
            at_ms=self._now_ms,
        )
        self._account.book_movement(movement)
        return movement

    # -- time -------------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Lets everything happen that happens up to now: the minutes that resting orders see, and each 08:00 UTC."""
        now_ms = self._clock.now_ms()
        while True:
            settlement_ms = next_expiry_instant(self._now_ms)
            minute_ms = next_minute(self._now_ms)
            if self._resting() and minute_ms < settlement_ms and minute_ms <= now_ms:
                self._move_to(minute_ms)
                self._match()
            elif settlement_ms <= now_ms:
                self._move_to(settlement_ms)
                self._end_day()
            else:
                break
        self._move_to(max(now_ms, self._now_ms))

    def _move_to(self, at_ms: int) -> None:
        if at_ms // MINUTE_MS != self._now_ms // MINUTE_MS:
            self._taken.clear()
        self._now_ms = at_ms

    def _match(self) -> None:
        """One minute's quotes against everything that rests, by rank; a resting order fills at its own price."""
        resting = sorted(self._resting(), key=lambda order: order.rank)
        quotes = self._tape.quotes([order.option.name for order in resting], self._now_ms)
        for order in resting:
            quote = quotes[order.option.name]
            price, size = (None, _ZERO) if quote is None else self._fills.reached(quote, order.side)
            if quote is None or price is None or not _crosses(order, price):
                continue
            self._fill(order, order.price, size, quote)
            if (
                order.reduce_only
                and order.state == "open"
                and not self._reducible(order.option.name, order.side)
            ):
                order.state = "cancelled"

    def _end_day(self) -> None:
        """What idle cash earned is paid, what expires ends, coin is converted, and the next day begins."""
        cash, usd_value, now_ms = self._account.cash, self._tape.usd_value, self._now_ms
        if self._idle is not None:
            for movement in self._idle.paid(cash, self._shorts(), usd_value, now_ms):
                self._account.book_movement(movement)
        ended = self._settle()
        if self._conversion is not None:
            for movement in self._conversion.turned(ended, cash, self._shorts(), usd_value, now_ms):
                self._account.book_movement(movement)
        if self._idle is not None:
            self._idle.begin(cash, self._shorts(), now_ms)

    def _shorts(self) -> list[tuple[Instrument, Decimal]]:
        """Options that are short, and those whose sale rests, with their coins."""
        held = [(parse_instrument(name), -self._account.size(name)) for name in self._account.held]
        resting = [(one.option, one.open_amount) for one in self._resting() if one.side is Side.SELL]
        return [one for one in (*held, *resting) if one[1] > 0]

    def _settle(self) -> list[Settlement]:
        """08:00 UTC: orders on what expires end, and positions in it are paid out."""
        ended = []
        for order in self._resting():
            if order.option.expiry_ms <= self._now_ms:
                order.state = "cancelled"
        for name in sorted(self._account.held):
            option = parse_instrument(name)
            if option.expiry_ms <= self._now_ms:
                price = self._tape.delivery_price(option.product.index_name, option.expiry_ms)
                one = settle(option, self._account.size(name), price, is_daily(option.expiry_ms))
                self._account.book_settlement(one)
                ended.append(one)
        return ended

    # -- orders -----------------------------------------------------------------------------------------------

    def _fill(self, order: PaperOrder, price: Decimal, size: Decimal, quote: PaperQuote) -> None:
        """Fills what the quote's remaining size and a reduce-only order's position allow."""
        key = (order.option.name, order.side)
        amount = min(order.open_amount, max(_ZERO, size - self._taken.get(key, _ZERO)))
        if order.reduce_only:
            amount = min(amount, self._reducible(order.option.name, order.side))
        if amount <= 0:
            return
        product = order.option.product
        fee = trading_fee(product, amount, price, quote.index)
        if self._combos is not None:
            fee = self._combos.charge(
                order.plan, product.settlement_currency, order.side, amount, fee, self._now_ms
            )
        fill = Fill(
            trade_id=f"{order.order_id}-{(order.filled + amount).normalize():f}",  # new after a restart, too
            order_id=order.order_id,
            label=order.label,
            instrument=order.option.name,
            side=order.side,
            amount=amount,
            price=price,
            fee=fee,
            fee_currency=product.settlement_currency,
            index=quote.index,
            mark=quote.mark,
            at_ms=self._now_ms,
        )
        self._taken[key] = self._taken.get(key, _ZERO) + amount
        order.filled += amount
        order.fills.append(fill)
        if order.filled == order.amount:
            order.state = "filled"
        self._account.book_fill(fill)

    def _new_order(self, intent: Intent, amount: Decimal) -> PaperOrder:
        return PaperOrder(
            number=len(self._orders),
            order_id=self._fresh_id(intent.label),
            label=intent.label,
            option=parse_instrument(intent.instrument),
            side=intent.side,
            amount=amount,
            price=intent.limit_price,
            reduce_only=intent.reduce_only,
            created_ms=self._now_ms,
            plan=intent.plan,
        )

    def _fresh_id(self, label: str) -> str:
        """An id out of the label, so that it is the same in every run and new after every restart."""
        count = sum(1 for order in self._orders.values() if order.label == label)
        return f"paper-{label}" if not count else f"paper-{label}.{count + 1}"

    def _restore(self, order: VenueOrder) -> None:
        known = PaperOrder.known(len(self._orders), order)
        self._orders[known.order_id] = known

    def _resting(self) -> list[PaperOrder]:
        return [order for order in self._orders.values() if order.state == "open"]

    def _reducible(self, name: str, side: Side) -> Decimal:
        return max(_ZERO, -side.sign * self._account.size(name))

    # -- valuation --------------------------------------------------------------------------------------------

    def _marked(self, name: str) -> PaperQuote:
        quote = self._tape.quote(name, self._now_ms)
        if quote is None:
            raise BrokerUnavailableError(f"the tape has no mark for {name} at {self._now_ms}")
        return quote

    def _margin_lines(self) -> list[MarginLine]:
        """What each instrument with a position or a resting order adds."""
        resting: dict[str, list[tuple[Side, Decimal, Decimal]]] = {}
        for order in self._resting():
            resting.setdefault(order.option.name, []).append((order.side, order.open_amount, order.price))
        lines: list[MarginLine] = []
        names = dict.fromkeys([*self._account.held, *resting])
        self._tape.quotes(names, self._now_ms)  # one question for all of them
        for name in names:
            quote = self._marked(name)
            lines.append(
                MarginLine(
                    instrument=quote.option,
                    position=self._account.size(name),
                    mark=quote.mark,
                    underlying=quote.forward,
                    orders=tuple(resting.get(name, ())),
                )
            )
        return lines


def _crosses(order: PaperOrder, price: Decimal) -> bool:
    return order.price >= price if order.side is Side.BUY else order.price <= price
