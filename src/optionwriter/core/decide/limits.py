"""Limits: what risk enforces, and the codes by which it refuses.

Every limit is finite. A cap is an amount in USD or a share of the account's equity, never both. Limits bind new risk;
what only reduces risk is held to the facts (fresh data, a sane price, our own position), not to the caps.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from optionwriter.core.market.instruments import OptionType

_D = Decimal
STANDARD_MARGIN = ("segregated_sm",)


class Code(StrEnum):
    """Why something was refused."""

    INVERSE_PUT_REFUSED = "INVERSE_PUT_REFUSED"  # its loss in coin has no bound
    LINEAR_CALL_REFUSED = "LINEAR_CALL_REFUSED"  # its loss in USDC has no bound
    NOT_COVERED = "NOT_COVERED"
    CASH = "CASH"
    MARGIN_MODEL = "MARGIN_MODEL"
    CROSS_COLLATERAL = "CROSS_COLLATERAL"
    FOREIGN_POSITION = "FOREIGN_POSITION"  # a future, perpetual or unknown option without a stress reserve
    UNBOUNDED_CLAIM = "UNBOUNDED_CLAIM"  # somebody's short inverse put or linear call in the same currency
    MARGIN_USED = "MARGIN_USED"
    NET_DELTA = "NET_DELTA"
    EXPIRY_EXPOSURE = "EXPIRY_EXPOSURE"
    CALL_NOTIONAL = "CALL_NOTIONAL"
    PUT_NOTIONAL = "PUT_NOTIONAL"
    CHAINS = "CHAINS"
    EXPIRY_CHAINS = "EXPIRY_CHAINS"  # calls of one expiry date
    CHAINS_TOTAL = "CHAINS_TOTAL"
    LOTS = "LOTS"  # of one order
    TOTAL_NOTIONAL = "TOTAL_NOTIONAL"
    COVERED_SHARE = "COVERED_SHARE"
    VEGA = "VEGA"
    STRESS_LOSS = "STRESS_LOSS"
    PRICE_COLLAR = "PRICE_COLLAR"
    DATA_MISSING = "DATA_MISSING"
    DATA_STALE = "DATA_STALE"
    DATA_CONTRADICTORY = "DATA_CONTRADICTORY"
    ACCOUNT_STALE = "ACCOUNT_STALE"
    INSTRUMENT_TAKEN = "INSTRUMENT_TAKEN"
    CHAIN_BUSY = "CHAIN_BUSY"  # an order of the chain is working or unresolved
    NOT_OURS = "NOT_OURS"  # closing more than we hold
    EXPIRED = "EXPIRED"
    MALFORMED = "MALFORMED"  # off the grid, not a number, or a bundle that makes no sense
    REDUCING = "REDUCING"
    HALTED = "HALTED"
    CHECK_FAILED = "CHECK_FAILED"  # a check itself broke: refused, because nothing was shown to be safe


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason for a refusal, with the value found and the limit it broke (None where there is no number)."""

    code: Code
    detail: str
    value: Decimal | None = None
    limit: Decimal | None = None

    def __str__(self) -> str:
        numbers = "" if self.value is None else f" ({self.value:f} against {self.limit})"
        return f"{self.code}: {self.detail}{numbers}"


class LimitError(ValueError):
    """A limit that limits nothing or contradicts itself."""


@dataclass(frozen=True, slots=True)
class Cap:
    """An upper bound in USD: `amount_usd`, or `pct_of_equity` of the account's equity at the instant."""

    amount_usd: Decimal | None = None
    pct_of_equity: Decimal | None = None

    def __post_init__(self) -> None:
        given = [one for one in (self.amount_usd, self.pct_of_equity) if one is not None]
        if len(given) != 1 or not given[0].is_finite() or given[0] < 0:
            raise LimitError("a cap is one finite number, not negative: an amount in USD or a % of equity")

    @staticmethod
    def usd(amount: Decimal | int | str) -> Cap:
        """A cap of so many USD."""
        return Cap(amount_usd=_D(amount))

    @staticmethod
    def pct(share: Decimal | int | str) -> Cap:
        """A cap of so many percent of equity."""
        return Cap(pct_of_equity=_D(share))

    @staticmethod
    def parse(text: str) -> Cap:
        """A cap as settings spell it: "50000" (USD) or "40%" (of equity). Errors: LimitError."""
        number = text.strip().removesuffix("%")
        try:
            value = _D(number.strip())
        except InvalidOperation:
            raise LimitError(f"{text!r} is no cap: write an amount in USD (50000) or a share (40%)") from None
        return Cap(pct_of_equity=value) if text.strip().endswith("%") else Cap(amount_usd=value)

    def in_usd(self, equity_usd: Decimal) -> Decimal:
        """The cap at that equity; 0 for a share of an equity that is not above 0."""
        if self.amount_usd is not None:
            return self.amount_usd
        assert self.pct_of_equity is not None
        return max(_D(0), equity_usd) * self.pct_of_equity / 100

    def __str__(self) -> str:
        return (
            f"{self.amount_usd} USD" if self.amount_usd is not None else f"{self.pct_of_equity} % of equity"
        )


@dataclass(frozen=True, slots=True)
class Stress:
    """The shocks of the stress: every index up, down and unmoved by `spot_pct`, every volatility up by `vol_points`."""

    spot_pct: Decimal = Decimal(20)
    vol_points: Decimal = Decimal(15)

    def __post_init__(self) -> None:
        _finite(spot_pct=self.spot_pct, vol_points=self.vol_points)
        if self.spot_pct >= 100:
            raise LimitError(f"spot_pct = {self.spot_pct}: a fall of 100 % or more leaves no price")


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits on sums over short options (figures.py): one strategy's own, or the account's. None: not bound by it.

    Caps in % are of the account's equity, whosever the bounds are. `max_margin_used_pct` is of the margin balance and
    `max_covered_share` (0 to 1) of the cash of the currency; `max_net_delta_abs` is in coins, for each underlying;
    `max_vega_usd` in USD a volatility point.
    """

    max_call_notional_per_underlying: Cap | None = None
    max_put_notional_per_underlying: Cap | None = None
    max_expiry_exposure: Cap | None = None
    max_total_short_notional: Cap | None = None
    max_covered_share: Decimal | None = None
    max_margin_used_pct: Decimal | None = None
    max_net_delta_abs: Decimal | None = None
    max_vega_usd: Decimal | None = None
    max_stress_loss: Cap | None = None
    max_chains_total: int | None = None
    max_lots_per_order: int | None = None

    def __post_init__(self) -> None:
        given = {name: getattr(self, name) for name in BOUND_NAMES}
        _finite(**{name: value for name, value in given.items() if isinstance(value, Decimal | int)})
        if self.max_covered_share is not None and self.max_covered_share > 1:
            raise LimitError(f"max_covered_share = {self.max_covered_share}: a share lies between 0 and 1")

    def stated(self) -> Iterator[tuple[str, Cap | Decimal | int]]:
        """Name and bound of every limit that is there."""
        for name in BOUND_NAMES:
            value = getattr(self, name)
            if value is not None:
                yield name, value


BOUND_NAMES = tuple(Bounds.__dataclass_fields__)
WHOLE_BOUNDS = frozenset({"max_chains_total", "max_lots_per_order"})
CAP_BOUNDS = frozenset({
    "max_call_notional_per_underlying", "max_put_notional_per_underlying", "max_expiry_exposure",
    "max_total_short_notional", "max_stress_loss",
})  # fmt: skip


def read_bounds(table: Mapping[str, object]) -> Bounds:
    """Bounds from a table of a strategy file. Errors: LimitError names the key and the cure."""
    found: dict[str, Any] = {}
    for name, value in table.items():
        if name not in BOUND_NAMES:
            close = difflib.get_close_matches(name, BOUND_NAMES, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(BOUND_NAMES)}"
            raise LimitError(f"{name} is unknown: {hint}")
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise LimitError(f"{name}: {value!r} is no number")
        try:
            found[name] = Cap.parse(str(value)) if name in CAP_BOUNDS else _D(str(value))
            if name in WHOLE_BOUNDS:
                found[name] = _whole(found[name])
        except (InvalidOperation, LimitError) as error:
            cure = f": {error}" if isinstance(error, LimitError) else " is no number"
            raise LimitError(f"{name}: {value!r}{cure}") from None
    return Bounds(**found)


def _whole(value: Decimal) -> int:
    if not value.is_finite() or value != int(value):
        raise LimitError("a whole number is needed")
    return int(value)


def _finite(**numbers: Decimal | int) -> None:
    for name, value in numbers.items():
        if not _D(value).is_finite() or value < 0:
            raise LimitError(f"{name} = {value}: every limit is a finite number, not negative")


@dataclass(frozen=True, slots=True)
class Limits:
    """All limits of the account, and those that strategies have of their own (`strategies`, by id).

    `max_net_delta_abs` is the net delta of the options alone, in coins, by underlying ("*" for all others); the coins
    held are not in it. Notional is amount × index for calls and amount × strike for puts. The price collar lets a
    limit price be worse than the mark by `price_collar_pct` of it or `price_collar_ticks`, whichever is more.
    `foreign_margin_models` and `allow_cross_collateral` are the owner's explicit word that he knows better.
    `max_calls_per_expiry` counts call chains of an underlying by expiry date; `max_lots_per_order` is in the smallest
    tradable amounts of the product.
    """

    max_margin_used_pct: Decimal = Decimal(80)
    max_net_delta_abs: Mapping[str, Decimal] = field(
        default_factory=lambda: {"BTC": _D(10), "ETH": _D(200), "*": _D(10)}
    )
    max_expiry_exposure: Cap = field(default_factory=lambda: Cap.pct(200))
    max_call_notional_per_underlying: Cap = field(default_factory=lambda: Cap.pct(200))
    max_put_notional_per_underlying: Cap = field(default_factory=lambda: Cap.pct(100))
    max_total_short_notional: Cap = field(default_factory=lambda: Cap.pct(400))
    max_covered_share: Decimal = Decimal(1)
    max_vega_usd: Decimal = Decimal(10_000)
    max_stress_loss: Cap = field(default_factory=lambda: Cap.pct(100))
    stress: Stress = field(default_factory=Stress)
    max_call_chains: int = 1
    max_put_chains: int = 1
    max_calls_per_expiry: int = 100
    max_chains_total: int = 100
    max_lots_per_order: int = 10_000
    price_collar_pct: Decimal = Decimal(25)
    price_collar_ticks: int = 2
    max_data_age_ms: int = 60_000
    max_account_age_ms: int = 60_000
    max_clock_ahead_ms: int = 2_000
    foreign_margin_models: tuple[str, ...] = ()
    allow_cross_collateral: bool = False
    strategies: Mapping[str, Bounds] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _finite(
            max_margin_used_pct=self.max_margin_used_pct,
            price_collar_pct=self.price_collar_pct,
            price_collar_ticks=self.price_collar_ticks,
            max_call_chains=self.max_call_chains,
            max_put_chains=self.max_put_chains,
            max_calls_per_expiry=self.max_calls_per_expiry,
            max_data_age_ms=self.max_data_age_ms,
            max_account_age_ms=self.max_account_age_ms,
            max_clock_ahead_ms=self.max_clock_ahead_ms,
            **{f"max_net_delta_abs[{name}]": value for name, value in self.max_net_delta_abs.items()},
        )
        _ = self.account_bounds
        if "*" not in self.max_net_delta_abs:
            raise LimitError('max_net_delta_abs needs a "*" for the underlyings that it does not name')

    def net_delta(self, underlying: str) -> Decimal:
        """The bound on the options' net delta, coins."""
        return self.max_net_delta_abs.get(underlying, self.max_net_delta_abs["*"])

    def chains(self, option_type: OptionType) -> int:
        """How many chains of that type an underlying may carry on the whole account."""
        return self.max_call_chains if option_type is OptionType.CALL else self.max_put_chains

    def notional(self, option_type: OptionType) -> Cap:
        """The cap on short notional of that type for each underlying."""
        if option_type is OptionType.CALL:
            return self.max_call_notional_per_underlying
        return self.max_put_notional_per_underlying

    @property
    def account_bounds(self) -> Bounds:
        """The account's bounds on what is summed over all underlyings. Errors: LimitError."""
        return Bounds(
            max_total_short_notional=self.max_total_short_notional,
            max_covered_share=self.max_covered_share,
            max_vega_usd=self.max_vega_usd,
            max_stress_loss=self.max_stress_loss,
            max_chains_total=self.max_chains_total,
            max_lots_per_order=self.max_lots_per_order,
        )

    def bounds_of(self, strategy_id: str) -> Bounds:
        """The strategy's own bounds; none when it has none."""
        return self.strategies.get(strategy_id, _NO_BOUNDS)


_NO_BOUNDS = Bounds()
