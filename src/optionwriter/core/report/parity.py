"""Parity: a run, by what it left, against its replay: decision by decision, then settlements, cash and P&L by chain.

Keeps: nothing that differs is left out of the count. A decision is equal only when the market it saw, its choices,
refusals, orders, fills and the cash it began with are; one that differs in nothing but the market's instant (an
exchange that goes on while it is being read) is counted by itself, and is not equal either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from optionwriter.core.books.book import Book
from optionwriter.core.books.chains import Chain
from optionwriter.core.books.facts import Fact, Filled, IntentPrepared, Settled
from optionwriter.core.books.pnl import Both, PriceMissingError, Prices, chain_pnl

SAME_MARKET = 0.002  # of a price: two readings of one market within a cycle are not further apart
MARKET, CHOICES, REFUSALS, ORDERS, FILLS, CASH = "market", "choices", "refusals", "orders", "fills", "cash"

Record = Mapping[str, Any]  # a line of the decision log
Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Logged:
    """What a run, or its replay, left: the lines of its decision log by time, its facts, its book."""

    records: tuple[Record, ...]
    facts: tuple[Fact, ...]
    book: Book


@dataclass(frozen=True, slots=True)
class Difference:
    """One aspect of one decision: what the run has, and what the replay has, in words."""

    at_ms: int
    strategy_id: str
    aspect: str
    run: str
    replay: str

    def __str__(self) -> str:
        return f"{when(self.at_ms)} {self.strategy_id}, {self.aspect}: the run has {self.run}, the replay {self.replay}"


@dataclass(frozen=True, slots=True)
class Pair:
    """One number of the run and of the replay; None where one has it not.

    `is_timing`: a USD figure that differs by nothing but the index at the instants of its flows, which are the same.
    """

    name: str
    run: Decimal | None
    replay: Decimal | None
    is_timing: bool = False

    @property
    def is_equal(self) -> bool:
        """Whether both are the same, to the last digit."""
        return self.run == self.replay


@dataclass(frozen=True, slots=True)
class Parity:
    """How a replay compares. `equal` decisions are so in every aspect, `timing` ones in all but the market's instant.

    `settlements`: those that only one of both has. `pairs`: final cash by currency, and each chain's P&L in coin and
    USD at the replay's last prices.
    """

    decisions: int
    equal: int
    timing: int
    fills: int  # the run's
    differences: tuple[Difference, ...]
    settlements: Words
    pairs: tuple[Pair, ...]
    failures: Words

    @property
    def score(self) -> float:
        """The share of decisions that are equal."""
        return self.equal / self.decisions if self.decisions else 0.0

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs at all."""
        return self.agrees and not self.timing and all(one.is_equal for one in self.pairs)

    @property
    def agrees(self) -> bool:
        """Whether choices, orders, fills, settlements, cash and P&L are the same, and nothing else than a market's
        instant differs."""
        apart = (
            self.settlements
            or self.failures
            or any(not (one.is_equal or one.is_timing) for one in self.pairs)
        )
        return self.equal + self.timing == self.decisions and not apart

    @property
    def first(self) -> str:
        """The first divergence, in words; "" when there is none."""
        told = [
            *(str(one) for one in self.differences[:1]),
            *self.failures[:1],
            *self.settlements[:1],
            *(
                f"{one.name}: the run has {one.run}, the replay {one.replay}"
                for one in self.pairs
                if not (one.is_equal or one.is_timing)
            ),
        ]
        return told[0] if told else ""


def when(at_ms: int) -> str:
    """An instant as people read it, UTC, to the second."""
    return f"{datetime.fromtimestamp(at_ms / 1000, tz=UTC):%Y-%m-%d %H:%M:%S}Z"


def compare(run: Logged, replay: Logged, prices: Prices, failures: Sequence[str] = ()) -> Parity:
    """The run against its replay; `prices` mark what is open at the end."""
    found = {_key(one): one for one in replay.records}
    ours = {_key(one): one for one in run.records}
    left, right = _Side.of(run), _Side.of(replay)
    differences: list[Difference] = []
    equal = timing = 0
    for key in sorted({*ours, *found}):
        apart = list(_apart(key, ours.get(key), found.get(key), left, right))
        differences += apart
        equal += not apart
        timing += bool(apart) and _is_timing(apart, ours.get(key), found.get(key), left, right)
    return Parity(
        decisions=len({*ours, *found}),
        equal=equal,
        timing=timing,
        fills=sum(isinstance(one.body, Filled) for one in run.facts),
        differences=tuple(differences),
        settlements=tuple(_settlements(run.facts, replay.facts)),
        pairs=(*_cash(run.book, replay.book), *_chains(run.book, replay.book, prices)),
        failures=tuple(failures),
    )


@dataclass(frozen=True, slots=True)
class _Side:
    """What the facts of one side say beside its records: fills by decision, and what each chain's id stands for.

    Ids derive from the market that was seen, so two readings of one market give one position two ids.
    """

    fills: Mapping[str, Words]
    chains: Mapping[str, str]

    @classmethod
    def of(cls, one: Logged) -> _Side:
        return cls(
            _fills(one.facts), {chain.chain_id: _told(kind) for kind, chain in _by_kind(one.book).items()}
        )

    def named(self, key: str) -> str:
        """An item's key with its chain by name."""
        return "/".join(self.chains.get(part, part) for part in key.split("/"))


def _apart(
    key: tuple[int, str], run: Record | None, replay: Record | None, ours: _Side, other: _Side
) -> Iterator[Difference]:
    at_ms, strategy = key
    if run is None or replay is None:
        here, there = ("no such line", "one") if run is None else ("a decision", "none")
        yield Difference(at_ms, strategy, "the decision", here, there)
        return
    left, right = _aspects(run, ours), _aspects(replay, other)
    for aspect, words in left.items():
        if words != right[aspect]:
            yield Difference(at_ms, strategy, aspect, *_only(words, right[aspect]))


def _aspects(record: Record, side: _Side) -> dict[str, Words]:
    """What must be equal, in words; ids and labels are left out."""
    refused = record["risk"].get("refused", {})
    balances = record["state"]["balances"]
    return {
        MARKET: (str(record["fingerprint"]),),
        CHOICES: tuple(side.named(key) for key in record["proposed"]["keys"]),
        REFUSALS: tuple(f"{side.named(key)}: {'; '.join(told)}" for key, told in sorted(refused.items())),
        ORDERS: tuple(_order(one) for one in record["execution"]["orders"]),
        FILLS: side.fills.get(str(record["decision_id"]), ()),
        CASH: tuple(f"{_exact(amount)} {name}" for name, amount in sorted(balances.items())),
    }


def _order(one: Mapping[str, Any]) -> str:
    filled = f"{one['outcome']}, {_exact(one['filled'])} filled"
    return f"{one['side']} {_exact(one['amount'])} {one['instrument']} at {_exact(one['limit_price'])} ({filled})"


def _fills(facts: Iterable[Fact]) -> Mapping[str, Words]:
    """Each decision's fills, those of orders that rested included."""
    decided: dict[str, str] = {}
    found: dict[str, list[str]] = {}
    for fact in facts:
        body = fact.body
        if isinstance(body, IntentPrepared):
            decided[body.intent.label] = fact.decision_id
        elif isinstance(body, Filled) and body.label in decided:
            told = (
                f"{body.side.value} {_exact(body.amount)} {body.instrument} at {_exact(body.price)}, "
                f"cash {_exact(body.cash)}, fee {_exact(body.fee)}"
            )
            found.setdefault(decided[body.label], []).append(told)
    return {key: tuple(one) for key, one in found.items()}


def _codes(record: Record, side: _Side) -> dict[str, list[str]]:
    """What was refused, and the codes of its findings."""
    refused = record["risk"].get("refused", {})
    return {side.named(key): [one.partition(":")[0] for one in told] for key, told in refused.items()}


def _is_timing(
    apart: Sequence[Difference], run: Record | None, replay: Record | None, ours: _Side, other: _Side
) -> bool:
    """Whether only the market's instant differs: another fingerprint, the prices those of the same minutes. A refusal
    tells prices, so its words may differ then too; what was refused and by which codes may not."""
    aspects = [one.aspect for one in apart]
    if run is None or replay is None or aspects not in ([MARKET], [MARKET, REFUSALS]):
        return False
    if _codes(run, ours) != _codes(replay, other):
        return False
    left, right = run["state"]["spot"], replay["state"]["spot"]
    near = (abs(float(left[name]) - float(right[name])) <= SAME_MARKET * float(right[name]) for name in right)
    return set(left) == set(right) and all(near)


def _only(run: Words, replay: Words) -> tuple[str, str]:
    """What each has that the other has not; all of both when only the order differs."""
    left, right = Counter(run) - Counter(replay), Counter(replay) - Counter(run)
    if not left and not right:
        left, right = Counter(run), Counter(replay)
    return "; ".join(left.elements()) or "nothing more", "; ".join(right.elements()) or "nothing more"


def _settlements(run: Iterable[Fact], replay: Iterable[Fact]) -> Iterator[str]:
    left, right = Counter(_settled(run)), Counter(_settled(replay))
    for name, found in (("the run", left - right), ("the replay", right - left)):
        yield from (f"settlements: only {name} has {one}" for one in sorted(found.elements()))


def _settled(facts: Iterable[Fact]) -> Iterator[str]:
    for fact in facts:
        body = fact.body
        if isinstance(body, Settled):
            yield (
                f"{body.instrument} {_exact(body.position)} at {_exact(body.delivery_price)}, payoff "
                f"{_exact(body.payoff)}, fee {_exact(body.fee)}"
            )


def _cash(run: Book, replay: Book) -> Iterator[Pair]:
    for name in sorted({*run.cash, *replay.cash}):
        yield Pair(f"cash {name}", run.cash.get(name), replay.cash.get(name))


def _chains(run: Book, replay: Book, prices: Prices) -> Iterator[Pair]:
    """P&L of each chain, the first of a kind with the first: ids derive from the market seen, which may differ."""
    left, right = _by_kind(run), _by_kind(replay)
    for kind in sorted({*left, *right}):
        one, other = left.get(kind), right.get(kind)
        mine, theirs = _result(one, prices), _result(other, prices)
        name = f"P&L of {_told(kind)}"
        yield Pair(f"{name}, coin", _part(mine, "coin"), _part(theirs, "coin"))
        ours, others = _part(mine, "usd"), _part(theirs, "usd")
        yield Pair(f"{name}, USD", ours, others, ours != others and _same_flows(one, other))


def _same_flows(run: Chain | None, replay: Chain | None) -> bool:
    """Whether a chain's flows are the same one by one but for the index that each was booked at, which is that of the
    same minutes: the exchange's time goes on between a decision and its fill."""
    if run is None or replay is None or len(run.flows) != len(replay.flows):
        return False
    return all(
        (one.kind, one.instrument, one.amount) == (other.kind, other.instrument, other.amount)
        and abs(float(one.index - other.index)) <= SAME_MARKET * float(other.index)
        for one, other in zip(run.flows, replay.flows, strict=True)
    )


Kind = tuple[str, str, str, int]  # strategy, what it wrote, product, the how manieth of these


def _told(kind: Kind) -> str:
    return " ".join(map(str, kind))


def _part(result: Both | None, unit: str) -> Decimal | None:
    if result is None:
        return None
    return result.usd if unit == "usd" else result.coin


def _by_kind(book: Book) -> dict[Kind, Chain]:
    found: dict[Kind, Chain] = {}
    counts: Counter[tuple[str, str, str]] = Counter()
    for chain in book.chains.values():
        if chain.legs:
            kind = (chain.strategy_id, chain.strategy_type, chain.product)
            counts[kind] += 1
            found[*kind, counts[kind]] = chain
    return found


def _result(chain: Chain | None, prices: Prices) -> Both | None:
    if chain is None:
        return None
    try:
        return chain_pnl(chain, prices).total
    except PriceMissingError:
        return None


def _key(record: Record) -> tuple[int, str]:
    return int(record["at_ms"]), str(record["strategy_id"])


def _exact(value: object) -> str:
    """A number in one way of writing it: 2, not 2.00."""
    number = Decimal(str(value))
    return f"{number.normalize() + 0:f}" if number.is_finite() else str(value)  # + 0: there is no -0
