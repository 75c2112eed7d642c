"""Limits: what risk enforces, and the codes by which it refuses.

Every limit is finite. A cap is an amount in USD or a share of the account's equity, never both. Limits bind new risk;
what only reduces risk is held to the facts (fresh data, a sane price, our own position), not to the caps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import StrEnum

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
class Limits:
    """All limits of the account.

    `max_net_delta_abs` is the net delta of the options alone, in coins, by underlying ("*" for all others); the coins
    held are not in it. Notional is amount × index for calls and amount × strike for puts. The price collar lets a
    limit price be worse than the mark by `price_collar_pct` of it or `price_collar_ticks`, whichever is more.
    `foreign_margin_models` and `allow_cross_collateral` are the owner's explicit word that he knows better.
    """

    max_margin_used_pct: Decimal = Decimal(80)
    max_net_delta_abs: Mapping[str, Decimal] = field(
        default_factory=lambda: {"BTC": _D(10), "ETH": _D(200), "*": _D(10)}
    )
    max_expiry_exposure: Cap = field(default_factory=lambda: Cap.pct(200))
    max_call_notional_per_underlying: Cap = field(default_factory=lambda: Cap.pct(200))
    max_put_notional_per_underlying: Cap = field(default_factory=lambda: Cap.pct(100))
    max_call_chains: int = 1
    max_put_chains: int = 1
    price_collar_pct: Decimal = Decimal(25)
    price_collar_ticks: int = 2
    max_data_age_ms: int = 60_000
    max_account_age_ms: int = 60_000
    max_clock_ahead_ms: int = 2_000
    foreign_margin_models: tuple[str, ...] = ()
    allow_cross_collateral: bool = False

    def __post_init__(self) -> None:
        numbers: dict[str, Decimal | int] = {
            "max_margin_used_pct": self.max_margin_used_pct,
            "price_collar_pct": self.price_collar_pct,
            "price_collar_ticks": self.price_collar_ticks,
            "max_call_chains": self.max_call_chains,
            "max_put_chains": self.max_put_chains,
            "max_data_age_ms": self.max_data_age_ms,
            "max_account_age_ms": self.max_account_age_ms,
            "max_clock_ahead_ms": self.max_clock_ahead_ms,
            **{f"max_net_delta_abs[{name}]": value for name, value in self.max_net_delta_abs.items()},
        }
        for name, value in numbers.items():
            if not _D(value).is_finite() or value < 0:
                raise LimitError(f"{name} = {value}: every limit is a finite number, not negative")
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
