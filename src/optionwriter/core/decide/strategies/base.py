"""What a strategy is: its configuration, and one function from state to menus.

A strategy proposes, and nothing more: it never sees a wire, and whatever it proposes is judged by its legs, not by its
name. Adding one takes a file here, a line in the registry, a table in the configuration.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, Protocol, runtime_checkable

from optionwriter.core.books.facts import Action
from optionwriter.core.decide.limits import Bounds
from optionwriter.core.decide.managing import ManageParams
from optionwriter.core.decide.menu import Menu, Size
from optionwriter.core.decide.risk import Capacity
from optionwriter.core.decide.rolling import RollParams
from optionwriter.core.decide.rules import GateParams
from optionwriter.core.decide.scoring import ScoreParams
from optionwriter.core.decide.state import AgentState
from optionwriter.core.market.instruments import PRODUCTS, Family, Instrument, OptionType, Product


class ConfigError(ValueError):
    """A strategy's configuration that makes no sense; the message names the field and the cure."""


class Mode(StrEnum):
    """research looks wider, production is stricter."""

    RESEARCH = "research"
    PRODUCTION = "production"


class Style(StrEnum):
    """How orders are priced."""

    CROSS = "cross"  # take the other side's price
    MID = "mid"  # wait in the middle
    WORK = "work"  # begin in the middle, step to the other side


CHOOSERS = ("rules",)  # llm and learned are to come


class Writes(NamedTuple):
    """A kind of option that strategies write, and what its actions are called."""

    family: Family
    option_type: OptionType
    opens: Action
    rolls: Action
    closes: Action


WRITES: Mapping[str, Writes] = {
    "covered_call": Writes(
        Family.INVERSE, OptionType.CALL, Action.OPEN_COVERED_CALL, Action.ROLL_CALL, Action.CLOSE_CALL
    ),
    "cash_secured_put": Writes(
        Family.LINEAR, OptionType.PUT, Action.OPEN_CASH_SECURED_PUT, Action.ROLL_PUT, Action.CLOSE_PUT
    ),
    "call_spread": Writes(
        Family.INVERSE,
        OptionType.CALL,
        Action.OPEN_CALL_SPREAD,
        Action.ROLL_CALL_SPREAD,
        Action.CLOSE_CALL_SPREAD,
    ),
    "put_spread": Writes(
        Family.LINEAR, OptionType.PUT, Action.OPEN_PUT_SPREAD, Action.ROLL_PUT_SPREAD, Action.CLOSE_PUT_SPREAD
    ),
}


class BundleParams(NamedTuple):
    """What strategies of more than one leg need beside the rest. Shares are fractions."""

    wing_width: float = 0.05  # from the sold strike to the bought one, a share of the sold
    wing_delta: float = 0.0  # above 0: the wing is sought at this delta instead
    min_credit_usd: float = 5.0  # a coin, after the wing and both fees
    basis_floor: bool = True  # wheel: no call below the cost basis


class DownsideParams(NamedTuple):
    """How much the short puts may lose. The coins' own fall is not in it: that is the owner's, with or without puts."""

    max_drawdown: float = 0.20  # share of equity, over all short puts of the account
    stress: float = 0.30  # every index falls by this share


_GATES = GateParams()
_ROLL_GATES = GateParams(
    delta_max=0.45, dte_max=45.0, ivrv_min=0.0
)  # below roll_delta: no roll begs the next
_SCORE = ScoreParams()
_MANAGE = ManageParams()
_ROLL = RollParams()
_BUNDLE = BundleParams()
_DOWNSIDE = DownsideParams()
_OTHERS = "*"


@dataclass(frozen=True, slots=True)
class StrategyConfig:
    """One strategy instance. `size_share` is the share of the currency's cash that it may bind as cover.

    `target_allocation`: by coin ("*" for all others), the share of equity that the coin may have if its puts are
    assigned. What passes it, or `downside`, is penalised and not refused: limits are risk's.
    """

    id: str
    kind: str = "covered_call"
    underlyings: tuple[str, ...] = ("BTC", "ETH")
    writes: tuple[str, ...] = ("covered_call",)
    gates: GateParams = _GATES
    roll_gates: GateParams = _ROLL_GATES
    score: ScoreParams = _SCORE
    manage: ManageParams = _MANAGE
    roll: RollParams = _ROLL
    bundle: BundleParams = _BUNDLE
    downside: DownsideParams = _DOWNSIDE
    target_allocation: Mapping[str, float] = field(
        default_factory=lambda: {"BTC": 0.70, "ETH": 0.50, _OTHERS: 0.40}
    )
    min_score: float = 0.0
    size_share: Decimal = Decimal(1)
    size_cap: Decimal | None = None  # coins a chain
    sizes: tuple[Size, ...] = (Size.FULL,)
    max_items: int = 12
    max_chains: int = 1  # of each type on each underlying; risk's own limit stands beside it
    style: Style = Style.CROSS
    enabled: bool = True
    profile: str = ""  # a name to show; what it means is in the numbers
    chooser: str = "rules"
    limits: Bounds = field(default_factory=Bounds)  # the instance's own, beside the account's
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if not self.id or any(letter in self.id for letter in "/ \n"):
            raise ConfigError(f"strategy id {self.id!r}: a name without spaces or slashes")
        unknown = [name for name in self.writes if name not in WRITES]
        if unknown or not self.writes:
            raise ConfigError(f"{self.id}: writes {unknown or 'nothing'}: choose from {', '.join(WRITES)}")
        if self.chooser not in CHOOSERS:
            raise ConfigError(
                f"{self.id}: chooser {self.chooser!r} is not there (llm and learned are still to come): "
                f"use {' or '.join(CHOOSERS)}"
            )
        if not Decimal(0) < self.size_share <= 1:
            raise ConfigError(f"{self.id}: size_share {self.size_share} must be above 0 and at most 1")
        if self.size_cap is not None and not self.size_cap > 0:
            raise ConfigError(f"{self.id}: size_cap {self.size_cap} must be above 0, or absent")
        if self.max_items < 1 or self.max_chains < 1 or not self.sizes:
            raise ConfigError(f"{self.id}: max_items, max_chains and sizes need at least one")
        self._check_numbers()

    def _check_numbers(self) -> None:
        for params in (
            self.gates,
            self.roll_gates,
            self.score,
            self.manage,
            self.roll,
            self.downside,
            self.bundle,
        ):
            for name, value in zip(params._fields, params, strict=True):
                if not math.isfinite(value):
                    raise ConfigError(f"{self.id}: {name} is no finite number")
        for name, value in self.score._asdict().items():
            if name.endswith("_weight") and value < 0:
                raise ConfigError(f"{self.id}: score weights can't be negative, as {name} is")
        roll = self.roll
        if not (0 < roll.cover_cap <= 1 and roll.cooldown_hours >= 0 and roll.max_dte > 0):
            raise ConfigError(
                f"{self.id}: roll.cover_cap is a share above 0 and at most 1, cooldown_hours at least 0, "
                "max_dte above 0"
            )
        if not (0 <= self.downside.stress <= 1 and self.downside.max_drawdown >= 0):
            raise ConfigError(f"{self.id}: stress is a share from 0 to 1, max_drawdown a share of equity")
        if not 0 < self.bundle.wing_width < 1 or not 0 <= self.bundle.wing_delta < 1:
            raise ConfigError(
                f"{self.id}: bundle.wing_width must lie between 0 and 1, wing_delta from 0 on below 1"
            )
        for coin, share in self.target_allocation.items():
            if not 0 <= share <= 1:
                raise ConfigError(f"{self.id}: target_allocation of {coin} is {share}: a share from 0 to 1")

    def target(self, coin: str) -> float:
        """The share of equity that the coin may have if its puts are assigned; NaN where none is named."""
        return self.target_allocation.get(coin, self.target_allocation.get(_OTHERS, math.nan))


def product_of(writes: Writes, underlying: str) -> Product:
    """The product in which an underlying's options of that kind trade. Errors: ConfigError names the known ones."""
    for product in PRODUCTS.values():
        if product.underlying == underlying and product.family is writes.family:
            return product
    known = sorted({one.underlying for one in PRODUCTS.values() if one.family is writes.family})
    raise ConfigError(f"no {writes.family} options on {underlying!r}: known are {', '.join(known)}")


def products_written(config: StrategyConfig) -> tuple[str, ...]:
    """Codes of the products that the instance sells, each once, in its own order. Errors: ConfigError."""
    found = (product_of(WRITES[name], one).code for one in config.underlyings for name in config.writes)
    return tuple(dict.fromkeys(found))


def defaults(mode: Mode, strategy_id: str = "covered_call") -> StrategyConfig:
    """A sane writer for the mode: wide in research, strict in production (docs/modes.md)."""
    wide = StrategyConfig(strategy_id)
    if mode is Mode.RESEARCH:
        return wide
    return replace(
        wide,
        gates=GateParams(
            dte_min=5.0,
            dte_max=21.0,
            delta_min=0.10,
            delta_max=0.25,
            otm_min=0.02,
            ivrv_min=1.0,
            premium_min_usd=10.0,
            spread_max=0.20,
            open_interest_min=25.0,
            bid_size_min=1.0,
            linear_spread_max=0.15,
        ),
        roll_gates=GateParams(
            dte_min=5.0,
            dte_max=35.0,
            delta_min=0.10,
            delta_max=0.40,
            ivrv_min=0.0,
            premium_min_usd=10.0,
            spread_max=0.25,
            open_interest_min=10.0,
        ),
        roll=RollParams(max_debit=0.0, max_spread=0.30, cooldown_hours=24.0),
        downside=DownsideParams(max_drawdown=0.10),
        target_allocation={"BTC": 0.60, "ETH": 0.40, _OTHERS: 0.30},
        min_score=0.15,
    )


class Strategy(Protocol):
    """A kind of strategy. `writes`: what an instance of it writes when its table doesn't say."""

    writes: tuple[str, ...]

    def propose(self, state: AgentState, config: StrategyConfig, capacity: Capacity) -> Sequence[Menu]:
        """One menu for each underlying of the configuration, in its order. Pure; sizes within `capacity`."""
        ...


class Wait(NamedTuple):
    """Whether nothing is to be proposed. `needs`: codes of products whose whole chains would tell; without any, and
    not waiting, the strategy must be asked."""

    waits: bool
    needs: frozenset[str] = frozenset()


@runtime_checkable
class Waiting(Protocol):
    """A strategy that can tell from the options that are held alone that nothing of it would be chosen."""

    def waits(self, state: AgentState, config: StrategyConfig, whole: frozenset[str]) -> Wait:
        """`waits` only where `propose` would put no item on any menu that is mandatory or scores `config.min_score`,
        whatever what isn't shown is quoted.

        `state` may show the held options' rows alone, but for the products in `whole`, and of the context only the
        realised volatilities. Pure.
        """
        ...


class Rolls(NamedTuple):
    """What an option must pass to be rolled into from one sold leg."""

    gates: GateParams
    params: RollParams
    bound_strike: float  # the least for a call, the most for a put; NaN: none
    last_roll_ms: int | None  # None: the chain never rolled


class Watched(NamedTuple):
    """A sold leg that is left alone as long as the rules of managing.py say hold or expire, or there is nothing that
    could be done: no quote to buy it back, or no option that a roll which is asked for may go to."""

    option: Instrument
    entry_price: float
    manage: ManageParams
    style: Style
    rolls: Rolls


class Sought(NamedTuple):
    """A free slot: it stays free as long as no option of that kind passes the gates with a score of `min_score`.

    `target`: the coin's share of equity past which a put is penalised; NaN: none."""

    product: Product
    is_call: bool
    gates: GateParams
    score: ScoreParams
    min_score: float
    target: float


class Watch(NamedTuple):
    """Everything on which a strategy's waiting rests."""

    legs: tuple[Watched, ...] = ()
    slots: tuple[Sought, ...] = ()


@runtime_checkable
class Watching(Protocol):
    """A strategy whose waiting, until something happens to its books, rests on single legs and on free slots."""

    def watches(self, state: AgentState, config: StrategyConfig) -> Watch | None:
        """With these books and the same products quoted, `waits` is true wherever each of the legs is left alone and
        each slot stays free (ahead.py judges both). None: it can't say. Pure."""
        ...
