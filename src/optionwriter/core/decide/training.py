"""Training: calls at the smallest size, several on each coin, chosen by profiles instead of scores.

Owns what training changes (docs/training.md has the table): the limits that it lifts, the configuration it gives its
strategies, and its chooser. All three are parameters: menu, risk and cycle do not know of it. Keeps: never naked, the
price collar, duplicate, data and state checks, margin and the limit on puts stand as they are; a strategy that does not
train is held to the account's normal limits as its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from optionwriter.core.books.facts import Action
from optionwriter.core.decide.choosing import Choice, ChoiceParams
from optionwriter.core.decide.limits import BOUND_NAMES, Bounds, Cap, Limits
from optionwriter.core.decide.menu import Menu, MenuItem, Size, ranking
from optionwriter.core.decide.profiles import DTE_RANGE, Profile
from optionwriter.core.decide.rules import GateParams
from optionwriter.core.decide.strategies.base import StrategyConfig
from optionwriter.core.market.instruments import parse_instrument

TRAINABLE = ("covered_call", "income")  # kinds that open single calls
GATES = GateParams(
    dte_min=DTE_RANGE[0],
    dte_max=DTE_RANGE[1],
    delta_min=0.01,
    delta_max=0.60,
    ivrv_min=0.0,
    premium_min_usd=0.0,
    spread_max=1.0,
    open_interest_min=0.0,
    bid_size_min=0.0,
    linear_spread_max=1.0,
)
MOST_ITEMS = 400
_FAR = Decimal(10) ** 9  # finite, and beyond what covered options reach
_LIFTED = Cap.pct(_FAR)


@dataclass(frozen=True, slots=True)
class Ladder:
    """How far calls are laddered: by coin and by expiry date; `single`: one call a profile a loop."""

    profiles: tuple[Profile, ...]
    single: bool
    calls_per_underlying: int
    calls_per_expiry: int


def training_limits(limits: Limits, ladder: Ladder, training: Collection[str]) -> Limits:
    """The limits while the strategies named in `training` train; the others keep the normal ones as their own."""
    normal = Bounds(
        max_call_notional_per_underlying=limits.max_call_notional_per_underlying,
        max_put_notional_per_underlying=limits.max_put_notional_per_underlying,
        max_expiry_exposure=limits.max_expiry_exposure,
        max_net_delta_abs=min(limits.max_net_delta_abs.values()),
        **dict(limits.account_bounds.stated()),  # type: ignore[arg-type]  # its own fields
    )
    return replace(
        limits,
        max_net_delta_abs={"*": _FAR},
        max_expiry_exposure=_LIFTED,
        max_call_notional_per_underlying=_LIFTED,
        max_put_notional_per_underlying=_LIFTED,
        max_total_short_notional=_LIFTED,
        max_covered_share=Decimal(1),
        max_vega_usd=_FAR,
        max_stress_loss=_LIFTED,
        max_call_chains=ladder.calls_per_underlying,
        max_calls_per_expiry=ladder.calls_per_expiry,
        max_chains_total=int(_FAR),
        strategies={
            name: Bounds() if name in training else _tighter(own, normal)
            for name, own in limits.strategies.items()
        },
    )


def _tighter(own: Bounds, normal: Bounds) -> Bounds:
    """Of each bound the lower one; the account's where an amount stands against a share of equity."""
    found = {}
    for name in BOUND_NAMES:
        mine, all_of_it = getattr(own, name), getattr(normal, name)
        if mine is None or all_of_it is None:
            found[name] = all_of_it if mine is None else mine
        elif isinstance(mine, Cap):
            found[name] = _lower_cap(mine, all_of_it)
        else:
            found[name] = min(mine, all_of_it)
    return Bounds(**found)


def _lower_cap(mine: Cap, all_of_it: Cap) -> Cap:
    if mine.amount_usd is not None and all_of_it.amount_usd is not None:
        return min(mine, all_of_it, key=lambda one: one.amount_usd or Decimal(0))
    if mine.pct_of_equity is not None and all_of_it.pct_of_equity is not None:
        return min(mine, all_of_it, key=lambda one: one.pct_of_equity or Decimal(0))
    return all_of_it


def training_config(config: StrategyConfig, ladder: Ladder) -> StrategyConfig:
    """The strategy's configuration while it trains: wide gates, the smallest size, as many calls as the ladder has."""
    return replace(
        config,
        gates=GATES,
        sizes=(Size.MINIMUM,),
        size_share=Decimal(1),
        size_cap=None,
        max_items=MOST_ITEMS,
        max_chains=ladder.calls_per_underlying,
        limits=Bounds(),
    )


@dataclass(slots=True)
class _Rungs:
    """The calls on one coin while a ladder is filled: those held, those that must be, those picked."""

    ladder: Ladder
    open: int
    taken: set[str] = field(default_factory=set)
    at_expiry: dict[int, int] = field(default_factory=dict)
    picked: list[MenuItem] = field(default_factory=list)
    because: dict[str, str] = field(default_factory=dict)

    def fits(self, item: MenuItem) -> bool:
        """Whether what the item opens is not there already and its expiry has a place left."""
        leg = item.opening_leg
        if leg is None:
            return True
        full = self.at_expiry.get(parse_instrument(leg.instrument).expiry_ms, 0)
        return leg.instrument not in self.taken and full < self.ladder.calls_per_expiry

    def count(self, name: str) -> None:
        """One more call."""
        option = parse_instrument(name)
        if option.is_call and name not in self.taken:
            self.at_expiry[option.expiry_ms] = self.at_expiry.get(option.expiry_ms, 0) + 1
        self.taken.add(name)

    def pick(self, item: MenuItem, why: str) -> None:
        """Takes an item."""
        self.picked.append(item)
        self.because[item.key] = why
        if item.opening_leg is not None:
            self.count(item.opening_leg.instrument)
        self.open += not item.chain_id


@dataclass(frozen=True, slots=True)
class TrainingChooser:
    """The chooser of a strategy that trains. Nothing is left to chance."""

    ladder: Ladder

    def __call__(self, menus: Sequence[Menu], params: ChoiceParams) -> Choice:
        """For each coin: what its chains ask for, then calls by profile, in the profiles' order."""
        keys: list[str] = []
        because: dict[str, str] = {}
        notes: list[str] = []
        for menu in menus:
            rungs = _held(self.ladder, menu)
            _manage(rungs, menu, params)
            before = len(rungs.picked)
            candidates = [one for one in menu.items if one.action is Action.OPEN_COVERED_CALL]
            _climb(rungs, candidates)
            if len(rungs.picked) == before:
                notes.append(f"{menu.underlying}: {_why_none(rungs, candidates)}")
            keys += [one.key for one in rungs.picked]
            because |= rungs.because
        return Choice(tuple(keys), note="; ".join(notes), because=because)


def _held(ladder: Ladder, menu: Menu) -> _Rungs:
    """The calls that are there, and where mandatory items will put theirs."""
    held = {one.instrument for one in menu.held if parse_instrument(one.instrument).is_call}
    rungs = _Rungs(ladder, len(held))
    for name in sorted(held):
        rungs.count(name)
    for item in menu.items:
        if item.mandatory and item.opening_leg is not None:
            rungs.count(item.opening_leg.instrument)
    return rungs


def _manage(rungs: _Rungs, menu: Menu, params: ChoiceParams) -> None:
    """What open chains ask for and may leave, one item a chain, best first."""
    done: set[str] = {item.chain_id for item in menu.items if item.mandatory}
    for item in menu.items:
        optional = item.chain_id and not item.mandatory and item.chain_id not in done
        if optional and item.score >= params.min_score and rungs.fits(item):
            rungs.pick(item, item.reason)
            done.add(item.chain_id)


def _climb(rungs: _Rungs, candidates: Sequence[MenuItem]) -> None:
    """New calls by profile, the highest premium first; with none of any profile to be had, the highest of all."""
    ladder = rungs.ladder
    opened = 0
    for profile in ladder.profiles:
        wanted = _by_premium(one for one in candidates if profile.wants(one.metrics))
        legs = 0
        for item in wanted:
            if rungs.open >= ladder.calls_per_underlying or legs >= (
                1 if ladder.single else profile.max_legs
            ):
                break
            if rungs.fits(item):
                rungs.pick(item, f"profile {profile.name}")
                legs += 1
        opened += legs
    if opened or rungs.open >= ladder.calls_per_underlying:
        return
    for item in _by_premium(candidates):
        if rungs.fits(item):
            rungs.pick(item, "no profile has a candidate: the highest premium")
            return


def _by_premium(items: Iterable[MenuItem]) -> list[MenuItem]:
    """Highest premium first, then as menus rank; what has no premium is left out."""
    known = [one for one in items if one.metrics.premium_usd == one.metrics.premium_usd]
    return sorted(known, key=lambda one: (-one.metrics.premium_usd, *ranking(one)[1:]))


def _why_none(rungs: _Rungs, candidates: Sequence[MenuItem]) -> str:
    most = rungs.ladder.calls_per_underlying
    if rungs.open >= most:
        return f"{rungs.open} calls are open, the most that training has is {most}"
    if not candidates:
        return "no call is on the menu"
    return f"every call on the menu is held, or of an expiry with {rungs.ladder.calls_per_expiry} calls"
