"""kill -9 of agent, exchange or both, over real sockets, at random instants and right around sends.

All goes on, no order is doubled, no fill lost, and the books are the exchange's to the last digit (FAULTS F1, F37, F38;
invariants I1, I6, I7). KILLS names how many times each is killed.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from simulation.wire_runs import (
    CURRENCIES,
    Child,
    Pair,
    balances_of,
    book_positions,
    held_by,
    pair,
    sent_labels,
    watch_writes,
)

from optionwriter.core.books.book import unresolved
from optionwriter.core.books.facts import (
    Fact,
    Filled,
    IntentPrepared,
    OrderAcknowledged,
    OrderProvenAbsent,
    OrderUnknown,
    StateChanged,
    TradingState,
)
from tests.patience import LONGEST_S

pytestmark = pytest.mark.slow
STRATEGIES = Path(__file__).parent / "restless.toml"
KILLS = int(os.environ.get("KILLS", "0"))
SPEED = 1e6  # a wait between loops takes next to nothing


Wait = Callable[[Pair, random.Random], bool]


def at_random(both: Pair, rng: random.Random) -> bool:
    """Any instant, start-up and recovery included."""
    time.sleep(rng.uniform(0.0, 3.0))
    return True


def before_an_order(both: Pair, rng: random.Random) -> bool:
    """An order has left the agent and not reached the exchange."""
    both.relay.arm("request", rng.randrange(8))
    return both.relay.caught.wait(LONGEST_S)


def after_an_order(both: Pair, rng: random.Random) -> bool:
    """The exchange has taken an order, the agent has not heard of it."""
    both.relay.arm("reply", rng.randrange(8))
    return both.relay.caught.wait(LONGEST_S)


def at_a_commit(both: Pair, rng: random.Random) -> bool:
    """Facts were just committed, or a moment ago: an intent that leaves now, an answer, a fill."""
    wal = both.ledger.with_name(both.ledger.name + "-wal")
    found = watch_writes(wal, LONGEST_S, rng.randrange(1, 30))
    time.sleep(rng.choice((0.0, rng.uniform(0.0, 0.02))))
    return found


INSTANTS: dict[str, tuple[Wait, int]] = {
    "any": (at_random, 3),
    "order sent": (before_an_order, 2),
    "order taken": (after_an_order, 3),
    "commit": (at_a_commit, 3),
}  # with how often each is chosen


def torment(both: Pair, victims: tuple[Child, ...], kills: int, seed: int) -> Counter[str]:
    """Starts both, and kills the victims `kills` times; how many kills met which kind of instant."""
    rng = random.Random(seed)
    met: Counter[str] = Counter()
    both.start_exchange()
    both.agent.start()
    both.agent.wait_for("sell")
    for _ in range(kills):
        (name,) = rng.choices(list(INSTANTS), [share for _, share in INSTANTS.values()])
        assert INSTANTS[name][0](both, rng), f"no instant of {name!r} came: {both.agent.words()[-2000:]}"
        for one in victims:
            one.kill()
        for one in victims:
            one.buried()
        both.relay.release()
        met[name] += 1
        assert both.agent not in victims or not both.agent.alive()
        time.sleep(rng.choice((0.0, 0.0, 0.3, 1.5)))
        if both.exchange in victims:
            both.start_exchange()
        if both.agent in victims:
            both.agent.start()
        else:
            assert both.agent.alive(), both.agent.words()[-2000:]
    return met


def come_to_rest(both: Pair) -> list[Fact]:
    """The agent stops by itself after a cycle, takes one more, and has nothing unresolved then; its facts."""
    both.agent.wait_for("Z  BTC")  # a whole cycle: before its first one it is not asked to stop, it is ended
    assert both.agent.end() == 0, both.agent.words()[-2000:]
    both.once()
    book = both.book()
    assert not unresolved(book)
    assert book.state is TradingState.ACTIVE, book
    return both.facts()


def check_orders(both: Pair, facts: list[Fact]) -> None:
    """No order doubled: each label reached the exchange once at most, and filled no more than was intended."""
    labels = sent_labels(both)
    assert [label for label, times in Counter(labels).items() if times > 1] == []
    intended = {
        fact.body.intent.label: fact.body.intent for fact in facts if isinstance(fact.body, IntentPrepared)
    }
    assert set(labels) <= set(intended), "nothing is sent that the ledger doesn't know"
    filled: dict[str, Decimal] = {}
    for fact in facts:
        if isinstance(fact.body, Filled):
            filled[fact.body.label] = filled.get(fact.body.label, Decimal(0)) + fact.body.amount
    assert all(amount <= intended[label].amount for label, amount in filled.items())


def check_books(both: Pair, facts: list[Fact]) -> None:
    """No fill lost: cash, trades and positions of the ledger are the exchange's, to the last digit."""
    book = both.book()
    balances = balances_of(both)
    for currency in CURRENCIES:
        ours: dict[str, Decimal] = {
            fact.body.trade_id: fact.body.cash - fact.body.fee
            for fact in facts
            if isinstance(fact.body, Filled) and fact.body.instrument.startswith(currency + "-")
        }
        theirs: dict[str, Decimal] = {}
        for entry in both.log(currency):
            if entry["type"] == "trade":
                theirs[entry["trade_id"]] = theirs.get(entry["trade_id"], Decimal(0)) + Decimal(
                    str(entry["change"])
                )
        assert ours == theirs
        assert book.cash.get(currency, Decimal(0)) == balances[currency]
    assert book_positions(book) == held_by(both)
    trades = [fact.body.trade_id for fact in facts if isinstance(fact.body, Filled)]
    assert len(set(trades)) == len(trades)


LATE_MS = 2_000  # a cycle takes less, so what is answered later was looked up


def bites(facts: list[Fact]) -> Counter[str]:
    """How often a kill met an order in flight, by what became of it."""
    found: Counter[str] = Counter()
    prepared: dict[str, int] = {}  # those of which nothing is known yet
    for fact in facts:
        body = fact.body
        if isinstance(body, IntentPrepared):
            prepared[body.intent.label] = fact.recorded_ms
        elif isinstance(body, OrderUnknown):
            found["answer lost"] += 1
        elif isinstance(body, OrderProvenAbsent):
            found["proven absent"] += 1
        elif isinstance(body, OrderAcknowledged | Filled) and body.label in prepared:
            late = fact.recorded_ms > prepared.pop(body.label) + LATE_MS
            found["found by its trades" if isinstance(body, Filled) else "found by its label"] += late
    return found


@pytest.mark.parametrize("whom", ["agent", "exchange", "both"])
def test_kill_9_doubles_no_order_and_loses_no_fill(tmp_path: Path, whom: str) -> None:
    kills = KILLS or 5
    with pair(tmp_path / "run", STRATEGIES, SPEED) as both:
        victims = {"agent": (both.agent,), "exchange": (both.exchange,), "both": (both.agent, both.exchange)}[
            whom
        ]
        begun = time.monotonic()
        met = torment(both, victims, kills, seed=kills * 10 + len(whom))
        facts = come_to_rest(both)
        check_orders(both, facts)
        check_books(both, facts)
        halts = [fact.body for fact in facts if isinstance(fact.body, StateChanged)]
        met_orders = bites(facts)
        orders = len(sent_labels(both))
        print(f"\n{whom}: {kills} kills ({dict(met)}) in {time.monotonic() - begun:.0f} s; {orders} orders sent, "
              f"{sum(isinstance(one.body, Filled) for one in facts)} fills; in flight: {dict(met_orders)}; "
              f"{len(halts)} state changes {[one.reason for one in halts][:4]}")  # fmt: skip
        assert orders > kills
        if kills >= 20:
            met_both = (
                met_orders["found by its trades"] + met_orders["found by its label"],
                met_orders["proven absent"],
            )
            assert min(met_both) >= 3, "too few kills met an order in flight to prove anything"


def test_an_exchange_that_is_away_for_long_is_waited_for(tmp_path: Path) -> None:
    with pair(tmp_path / "run", STRATEGIES, SPEED) as both:
        both.start_exchange()
        both.agent.start()
        both.agent.wait_for("sell")
        both.exchange.kill()
        both.exchange.buried()
        both.agent.wait_for("waiting for the exchange: no answer for 10 s")
        before = both.agent.words().count("Z  BTC")
        both.start_exchange()
        end = time.monotonic() + LONGEST_S
        while both.agent.words().count("Z  BTC") < before + 2:
            assert both.agent.alive() and time.monotonic() < end, both.agent.words()[-2000:]
            time.sleep(0.1)
        facts = come_to_rest(both)
        check_orders(both, facts)
        check_books(both, facts)
