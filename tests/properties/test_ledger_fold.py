"""The ledger against a naive account that only lists what happened and adds it up in fractions.

Random lives of an account: deposits and withdrawals, calls and puts sold, filled in parts, bought back, cancelled,
settled, with somebody else trading beside us, sometimes in the same options.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from optionwriter.core.books.account import CashMovement, Fill, Side, VenueEvent
from optionwriter.core.books.booking import book_event
from optionwriter.core.books.codec import from_json, to_json
from optionwriter.core.books.facts import Action
from optionwriter.core.books.ledger import apply, live_orders, open_chains, positions, replay
from optionwriter.core.books.pnl import Both, Prices, account_pnl, chain_pnl, leg_pnl
from optionwriter.core.books.settlement import settle
from optionwriter.core.market.instruments import parse_instrument
from optionwriter.core.market.money import quantise
from tests.core.books.story import Story

NAMES = ("BTC-27MAR26-110000-C", "BTC-27MAR26-120000-C", "BTC_USDC-27MAR26-80000-P")
CURRENCIES = {"BTC": "BTC", "BTC_USDC": "USDC"}

amounts = st.integers(1, 40).map(lambda n: Decimal(n) / 10)
shares = st.integers(0, 100)
coin_indices = st.integers(2_000_000, 20_000_000).map(lambda n: Decimal(n) / 100)
usdc_indices = st.integers(9_700, 10_200).map(lambda n: Decimal(n) / 10_000)
names = st.sampled_from(NAMES)
cash = st.tuples(st.just("cash"), st.sampled_from(["BTC", "USDC"]), st.integers(-500, 900))
order = st.tuples(st.just("order"), names, st.sampled_from(Side), amounts, st.integers(1, 3))
fill = st.tuples(st.just("fill"), shares, st.integers(1, 10), st.integers(1, 400))
stranger = st.tuples(st.just("stranger"), names, st.sampled_from(Side), amounts, st.integers(1, 400))
cancel = st.tuples(st.just("cancel"), shares)
end = st.tuples(st.just("settle"), names, st.integers(50_000, 160_000))
# settlements last, so that much happens before
lives = st.builds(
    lambda steps, ends: steps + ends,
    st.lists(st.one_of(order, fill, fill, fill, cash, stranger, cancel), min_size=15, max_size=40),
    st.lists(st.one_of(end, fill), max_size=4),
)


@dataclass
class Naive:
    """What happened, listed: (currency, amount, USD a unit), and who holds what."""

    deposits: list[tuple[str, Decimal, Decimal]] = field(default_factory=list)
    flows: list[tuple[str, Decimal, Decimal]] = field(default_factory=list)
    ours: dict[str, Decimal] = field(default_factory=dict)
    all: dict[str, Decimal] = field(default_factory=dict)
    over: set[str] = field(default_factory=set)


class Life:
    """Steps told to a Story and, apart from it, to the naive list."""

    def __init__(self, coin: Decimal, usdc: Decimal) -> None:
        self.story, self.naive, self.count = Story(deposit="0"), Naive(), 0
        self.coin, self.usdc = coin, usdc

    def step(self, kind: str, *what: object) -> None:
        self.count += 1
        self.coin += Decimal(self.count % 7 - 3) * 100  # prices move between events
        getattr(self, f"_{kind}")(*what)

    def _unit(self, currency: str) -> Decimal:
        return self.coin if currency == "BTC" else self.usdc

    def _cash(self, currency: str, amount: int) -> None:
        self.naive.deposits.append((currency, Decimal(amount), self._unit(currency)))
        move = CashMovement(
            f"m{self.count}", currency, Decimal(amount), "x", self._unit(currency), self.count
        )
        self.story.take(move)

    def _order(self, name: str, side: Side, amount: Decimal, chain: int) -> None:
        if name in self.naive.over:
            return
        action = Action.ROLL_CALL if chain == 3 else Action.OPEN_COVERED_CALL
        self.story.prepare(f"l{self.count}", side, str(amount), name, action, f"{name[:9]}{chain}")
        self.story.acknowledge(f"l{self.count}")

    def _fill(self, which: int, tenths: int, price: int) -> None:
        live = [one for one in live_orders(self.story.book) if one.intent.instrument not in self.naive.over]
        if not live:
            return
        order = live[which % len(live)]
        amount = quantise(order.open_amount * tenths / 10, "USDC")
        intent = order.intent
        self._trade(intent.label, f"o-{intent.label}", intent.instrument, intent.side, amount, price)
        self._held(self.naive.ours, intent.instrument, intent.side.sign * amount)

    def _stranger(self, name: str, side: Side, amount: Decimal, price: int) -> None:
        if name not in self.naive.over:
            self._trade("", f"x{self.count}", name, side, amount, price)

    def _trade(self, label: str, order: str, name: str, side: Side, amount: Decimal, price: int) -> None:
        currency = parse_instrument(name).product.settlement_currency
        paid = Decimal(price) / (10_000 if currency == "BTC" else 1)
        fee = Decimal(price) / 10**6
        trade = Fill(
            f"t{self.count}",
            order,
            label,
            name,
            side,
            amount,
            paid,
            fee,
            currency,
            self.coin,
            paid,
            self.count,
        )
        self._take(trade)
        self.naive.flows.append(
            (currency, quantise(-side.sign * amount * paid, currency) - fee, self._unit(currency))
        )
        self._held(self.naive.all, name, side.sign * amount)

    def _take(self, event: VenueEvent) -> None:
        for fact in book_event(event, self.story.book, 1, self.usdc):
            self.story.book = apply(self.story.book, fact)
            self.story.facts.append(fact)

    def _cancel(self, which: int) -> None:
        live = live_orders(self.story.book)
        if live:
            order = live[which % len(live)]
            self.story.close(order.intent.label, str(order.filled))

    def _settle(self, name: str, delivery: int) -> None:
        if name in self.naive.over:
            return
        for order in live_orders(self.story.book):
            if order.intent.instrument == name:
                self.story.close(order.intent.label, str(order.filled))
        option = parse_instrument(name)
        end = settle(option, self.naive.all.get(name, Decimal(0)), Decimal(delivery), is_daily=False)
        self._take(end)
        currency = option.product.settlement_currency
        unit = Decimal(delivery) if currency == "BTC" else self.usdc
        self.naive.flows.append((currency, end.payoff - end.fee, unit))
        self.naive.over.add(name)
        self.naive.ours.pop(name, None)
        self.naive.all.pop(name, None)

    @staticmethod
    def _held(held: dict[str, Decimal], name: str, amount: Decimal) -> None:
        held[name] = held.get(name, Decimal(0)) + amount


def lived(steps: list[tuple[object, ...]], coin: Decimal, usdc: Decimal) -> Life:
    life = Life(coin, usdc)
    for step in steps:
        life.step(str(step[0]), *step[1:])
    return life


def marks(life: Life, coin: Decimal) -> Prices:
    each = {
        name: Decimal(n + 1) / 100 if "USDC" not in name else Decimal(300 + n) for n, name in enumerate(NAMES)
    }
    return Prices(each, {"BTC": coin, "USDC": life.usdc})


@settings(max_examples=150, deadline=None)
@given(lives, coin_indices, usdc_indices)
def test_the_book_is_the_fold_however_it_is_reached(
    steps: list[tuple[object, ...]], coin: Decimal, usdc: Decimal
) -> None:
    story = lived(steps, coin, usdc).story
    lines = [to_json(fact) for fact in story.facts]
    assert replay(story.facts) == story.book
    assert replay(from_json(line) for line in lines) == story.book
    half = len(story.facts) // 2
    assert replay(story.facts[half:], replay(story.facts[:half])) == story.book


@settings(max_examples=150, deadline=None)
@given(lives, coin_indices, usdc_indices)
def test_cash_and_positions_are_what_happened(
    steps: list[tuple[object, ...]], coin: Decimal, usdc: Decimal
) -> None:
    life = lived(steps, coin, usdc)
    book, naive = life.story.book, life.naive
    for currency in ("BTC", "USDC"):
        moved = [amount for code, amount, _ in naive.deposits + naive.flows if code == currency]
        assert book.cash.get(currency, 0) == sum(moved)
    assert positions(book) == {name: amount for name, amount in naive.ours.items() if amount}
    for chain in book.chains.values():
        busy = any(order.chain_id == chain.chain_id for order in live_orders(book))
        assert chain.is_open == (busy or bool(chain.open_legs)) == (chain in open_chains(book))
        for leg in chain.legs:
            assert (leg.position == 0) == (leg.closed_ms is not None)
            assert leg.opened >= abs(leg.position)
            assert leg.position != 0 or (leg.basis, leg.basis_usd) == (0, 0)


@settings(max_examples=150, deadline=None)
@given(lives, coin_indices, usdc_indices, coin_indices)
def test_option_and_holding_are_the_change_of_equity_to_the_last_digit(
    steps: list[tuple[object, ...]], coin: Decimal, usdc: Decimal, at_end: Decimal
) -> None:
    life = lived(steps, coin, usdc)
    prices = marks(life, at_end)
    result = account_pnl(life.story.book, life.naive.all, prices)
    option = holding = equity = invested = Fraction(0)
    for currency, amount, unit in life.naive.deposits:
        now = Fraction(prices.indices[currency])
        invested += Fraction(amount) * Fraction(unit)
        holding += Fraction(amount) * (now - Fraction(unit))
        equity += Fraction(amount) * now
    for currency, amount, unit in life.naive.flows:
        now = Fraction(prices.indices[currency])
        option += Fraction(amount) * Fraction(unit)
        holding += Fraction(amount) * (now - Fraction(unit))
        equity += Fraction(amount) * now
    for name, amount in life.naive.all.items():
        currency = parse_instrument(name).product.settlement_currency
        worth = Fraction(amount) * Fraction(prices.marks[name]) * Fraction(prices.indices[currency])
        option, equity = option + worth, equity + worth
    assert (Fraction(result.option_usd), Fraction(result.holding_usd)) == (option, holding)
    assert (Fraction(result.equity_usd), Fraction(result.gain_usd)) == (equity, equity - invested)
    assert result.option_usd + result.holding_usd == result.equity_usd - result.invested_usd


@settings(max_examples=150, deadline=None)
@given(lives, coin_indices, usdc_indices, coin_indices)
def test_legs_add_up_to_chains_and_chains_and_strangers_to_the_account(
    steps: list[tuple[object, ...]], coin: Decimal, usdc: Decimal, at_end: Decimal
) -> None:
    life = lived(steps, coin, usdc)
    prices = marks(life, at_end)
    ours = {"BTC": Both(), "USDC": Both()}
    for chain in life.story.book.chains.values():
        result = chain_pnl(chain, prices)
        by_leg = Both()
        for name in {flow.instrument for flow in chain.flows}:
            by_leg += leg_pnl(chain, name, prices)
        assert by_leg == result.total
        parts = result.premium + result.fees + result.payoff + result.value
        assert parts == result.total == result.realised + result.unrealised
        if not chain.open_legs:
            assert result.unrealised == Both()
        currency = parse_instrument(chain.legs[0].instrument).product.settlement_currency
        ours[currency] += result.total
    strangers = {"BTC": Both(), "USDC": Both()}
    for fact in life.story.facts:
        body = fact.body
        if fact.chain_id or fact.kind not in ("Filled", "Settled"):
            continue
        flow = (body.cash if fact.kind == "Filled" else body.payoff) - body.fee
        currency = parse_instrument(body.instrument).product.settlement_currency
        strangers[currency] += Both(flow, flow * body.currency_index)
    for name, amount in life.naive.all.items():
        foreign = amount - life.naive.ours.get(name, Decimal(0))
        currency = parse_instrument(name).product.settlement_currency
        worth = foreign * prices.marks[name]
        strangers[currency] += Both(worth, worth * prices.indices[currency])
    for one in account_pnl(life.story.book, life.naive.all, prices).currencies:
        assert one.option == ours[one.currency] + strangers[one.currency]
