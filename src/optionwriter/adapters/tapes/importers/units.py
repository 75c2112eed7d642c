"""Units by evidence: which reading of a chain's numbers gives its own marks back by Black-76.

Candidates are volatility as percent or fraction, prices in coin or USD, the forward as given or from put-call parity,
and the zone of times that name none. Keeps: a unit that the rows can't decide, and no option settles, is refused; one
that they contradict is refused too, whoever said it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import polars as pl

from optionwriter.adapters.tapes.importers.columns import ChainColumns
from optionwriter.adapters.tapes.importers.forwards import (
    Denominator,
    parity_agreement,
    with_factor,
    with_forward,
)
from optionwriter.adapters.tapes.importers.problem import ImportOptions, ImportRefusedError
from optionwriter.core.market.black76 import price_delta
from optionwriter.core.market.instruments import MS_PER_YEAR

TOLERANCE = 1e-3  # of the forward
LEAST_ROWS, LEAST_STRIKES = 20, 10
SAMPLE_ROWS = 4_000
_CLEAR = 0.5  # of the informative rows that the right reading must give back, at least
_RIVAL = 0.1  # of the best's share, at most, that another may reach: else the file mixes units
_RIVAL_STRIKES = 0.5  # likewise of strikes: the one at the money agrees in any unit
_ZONE_RIVAL = 0.6  # of the next best zone's median error, at most
EASTERN = "America/New_York"


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a chain's numbers. `scale` brings volatilities to fractions."""

    scale: float
    price: Literal["coin", "usd"]
    by: Denominator  # what a price in USD is divided by to be in coin
    parity: bool
    zone: str


@dataclass(frozen=True, slots=True)
class _Fit:
    share: float  # of informative rows that come back within TOLERANCE
    error: float  # their median error, of the forward
    rows: int
    least_factor: float = 1.0  # index / forward of linear marks
    most_factor: float = 1.0


def in_zone(raw: pl.DataFrame, zone: str) -> pl.DataFrame:
    """The table with its unzoned times read in a zone. An hour that a change of clocks repeats is its first."""
    if zone == "UTC" or not raw["naive"].any():
        return raw
    local = pl.from_epoch("at_us", "us").dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return raw.with_columns(at_us=pl.when("naive").then(local.dt.epoch("us")).otherwise("at_us"))


def settle(raw: pl.DataFrame, columns: ChainColumns, options: ImportOptions) -> tuple[Reading, list[str]]:
    """The reading that the sample's rows speak for, and the evidence. Errors: ImportRefusedError."""
    sample = raw.filter(pl.col("mark_price") > 0)
    sample = sample.head(SAMPLE_ROWS)
    if not columns.has_iv or not sample["mark_iv"].is_not_null().any():
        return _without_iv(sample, columns, options)
    fits = {one: _fit(sample, one) for one in _readings(sample, options)}
    return _best(fits, columns, options)


def _readings(sample: pl.DataFrame, options: ImportOptions) -> list[Reading]:
    all_linear = bool(sample["underlying"].str.contains("_", literal=True).all())
    prices: list[tuple[Literal["coin", "usd"], Denominator]] = [("coin", "forward")]
    if not all_linear:
        prices += [("usd", "forward")]
        if sample["index_price"].is_not_null().any():
            prices.append(("usd", "index"))
    given = sample["forward"].is_not_null().any()
    return [
        Reading(scale, price, by, parity, zone)
        for scale, (price, by), parity, zone in product(
            (1.0, 0.01), prices, ((False, True) if given else (True,)), _zones(sample, options)
        )
        if not (parity and price == "usd" and by == "forward" and sample["index_price"].is_not_null().any())
    ]


def _zones(sample: pl.DataFrame, options: ImportOptions) -> tuple[str, ...]:
    if not sample["naive"].any():
        return ("UTC",)
    if not options.timezone:
        return ("UTC", EASTERN)
    try:
        ZoneInfo(options.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        raise ImportRefusedError(
            f"--timezone {options.timezone!r} is no zone: name one such as UTC or America/New_York"
        ) from None
    return (options.timezone,)


def _fit(sample: pl.DataFrame, reading: Reading) -> _Fit:
    """How well a reading gives the marks back, on rows whose time value tells."""
    seen = with_forward(in_zone(sample, reading.zone), reading.price, reading.by, reading.parity)
    seen = with_factor(seen).filter(
        pl.col("forward").is_not_null() & pl.col("mark_iv").is_not_null() & (pl.col("mark_iv") > 0)
    )
    if not seen.height:
        return _Fit(0.0, np.inf, 0)
    forward, strike = seen["forward"].to_numpy(), seen["strike"].to_numpy()
    is_call = (seen["option_type"] == "C").to_numpy()
    years = (seen["expiry_ms"].to_numpy() - seen["at_us"].to_numpy() / 1_000) / MS_PER_YEAR
    factor = seen["factor"].to_numpy()
    mark = seen["mark_usd"].to_numpy() / (factor * forward)
    inner = np.maximum(np.where(is_call, forward - strike, strike - forward), 0.0) / forward
    with np.errstate(over="ignore", invalid="ignore"):
        price, _ = price_delta(forward, strike, years, seen["mark_iv"].to_numpy() * reading.scale, is_call)
    telling = (years > 0) & (np.maximum(np.abs(mark - inner), price / forward - inner) > 2 * TOLERANCE)
    rows = int(telling.sum())
    if not rows:
        return _Fit(0.0, np.inf, 0)
    error = np.abs(price / forward - mark)[telling]
    return _Fit(
        float(np.mean(error <= TOLERANCE)),
        float(np.median(error)),
        rows,
        float(factor.min()),
        float(factor.max()),
    )


def _best(
    fits: dict[Reading, _Fit], columns: ChainColumns, options: ImportOptions
) -> tuple[Reading, list[str]]:
    """The reading whose share is highest; the given forward and the index before others where it is a tie."""

    def order(one: Reading) -> tuple[float, float]:
        plain = 0.05 * (not one.parity) + 0.005 * (one.by == "index")
        return round(fits[one].share + plain, 4), -fits[one].error

    best = max(fits, key=order)
    found = fits[best]
    if found.rows < LEAST_ROWS:
        return _promised(fits, columns, options)
    if found.share < _CLEAR:
        raise ImportRefusedError(
            f"no reading of its units gives the marks back by Black-76 (the best, {_spoken(best)}: "
            f"{found.share:.0%} of {found.rows} rows): its time, forwards or columns are not what they seem; "
            "say --iv, --price, --timezone or --at"
        )
    facts = [
        _iv_fact(fits, best, columns, options),
        _price_fact(fits, best, columns, options),
        *_zone_fact(fits, best, options),
        *_forward_fact(fits, best),
        *_factor_fact(found),
    ]
    return best, [one for one in facts if one]


def _promised(
    fits: dict[Reading, _Fit], columns: ChainColumns, options: ImportOptions
) -> tuple[Reading, list[str]]:
    """Where too few rows can tell: what options or the format promise. Errors: ImportRefusedError."""
    iv, price = options.iv or columns.iv, options.price or columns.price
    zones = {one.zone for one in fits}
    prices = {one.price for one in fits}
    if len(prices) == 1:
        price = next(iter(prices))
    asked = [
        name
        for name, known in (
            ("--iv percent or --iv decimal", iv),
            ("--price coin or --price usd", price),
            ("--timezone UTC or --timezone America/New_York", len(zones) == 1),
        )
        if not known
    ]
    if asked:
        raise ImportRefusedError(
            f"fewer than {LEAST_ROWS} rows can tell its units by Black-76: say {' and '.join(asked)}"
        )
    scale = 0.01 if iv == "percent" else 1.0
    choices = [one for one in fits if one.scale == scale and one.price == price]
    best = max(choices, key=lambda one: (not one.parity, one.by == "index"))
    who = "as the format promises" if not (options.iv or options.price) else "as the options say"
    return best, [f"volatility is in {iv}, prices in {price}, {who}: too few rows to check"]


def _iv_fact(fits: dict[Reading, _Fit], best: Reading, columns: ChainColumns, options: ImportOptions) -> str:
    other = _share(fits, best, scale=1.01 - best.scale)
    name = columns.of["mark_iv"]
    own, rival = ("percent", "as a fraction") if best.scale < 1 else ("decimal", "as percent")
    _hold(
        fits[best].share, other, f"whether {name} is in percent or a fraction", "--iv percent or --iv decimal"
    )
    _agree(own, options.iv, "--iv", columns.iv)
    told = "in percent" if own == "percent" else "a fraction"
    return (
        f"{name} is {told}: {fits[best].share:.0%} of {fits[best].rows} rows give back their mark to "
        f"{TOLERANCE:g} of the forward, {other:.0%} {rival}"
    )


def _price_fact(
    fits: dict[Reading, _Fit], best: Reading, columns: ChainColumns, options: ImportOptions
) -> str:
    rivals = {one.price for one in fits} - {best.price}
    if not rivals:
        _agree(best.price, options.price, "--price", columns.price)
        return ""
    other = max(
        (
            found.share
            for one, found in fits.items()
            if one.price != best.price and one.zone == best.zone and found.rows >= LEAST_ROWS
        ),
        default=0.0,
    )
    _hold(fits[best].share, other, "whether prices are in coin or USD", "--price coin or --price usd")
    _agree(best.price, options.price, "--price", columns.price)
    told = "coin" if best.price == "coin" else f"USD (coin times the {best.by})"
    against = "USD" if best.price == "coin" else "coin"
    return f"prices are in {told}: {fits[best].share:.0%} come back, {other:.0%} if they were {against}"


def _zone_fact(fits: dict[Reading, _Fit], best: Reading, options: ImportOptions) -> list[str]:
    others = {one.zone: found for one, found in fits.items() if _same(one, best) and one.zone != best.zone}
    if not others:
        return [f"times without a zone are {best.zone}, as --timezone says"] if options.timezone else []
    rival = min(found.error for found in others.values())
    if not fits[best].error <= _ZONE_RIVAL * rival:
        raise ImportRefusedError(
            "its times name no zone, and its marks fit UTC and America/New_York alike: say --timezone UTC or "
            "--timezone America/New_York"
        )
    told = " and ".join(f"{found.error:.1e} in {zone}" for zone, found in others.items())
    return [
        f"times are {best.zone}: marks come back to {fits[best].error:.1e} of the forward at the median, {told}"
    ]


def _forward_fact(fits: dict[Reading, _Fit], best: Reading) -> list[str]:
    if not best.parity:
        return []
    given = [found.share for one, found in fits.items() if not one.parity and one.price == best.price]
    if not given:
        return ["no forward is given: forwards are from put-call parity of the marks, expiry by expiry"]
    against = f"with the price that is given {max(given):.0%} come back, so it is the index"
    return [f"forwards are from put-call parity of the marks, expiry by expiry: {against}"]


def _factor_fact(found: _Fit) -> list[str]:
    if min(found.least_factor, 2.0 - found.most_factor) > 1.0 - TOLERANCE:
        return []
    told = f"{found.least_factor:.4f} to {found.most_factor:.4f}"
    return [f"linear marks are Black-76 times index / forward, as call less put tells: {told}"]


def _without_iv(
    sample: pl.DataFrame, columns: ChainColumns, options: ImportOptions
) -> tuple[Reading, list[str]]:
    """Prices told apart by parity: the right unit gives one forward for all strikes of an expiry."""
    zones = _zones(sample, options)
    if len(zones) > 1:
        raise ImportRefusedError(
            "its times name no zone and it has no volatilities to tell it by: say --timezone UTC or "
            "--timezone America/New_York"
        )
    scale, left_out = _quoted_scale(sample, columns, options)
    choices = [
        replace(one, scale=scale)
        for one in _readings(sample, options)
        if one.scale == 1.0 and one.zone == zones[0]
    ]
    if not choices:
        raise ImportRefusedError("it has neither volatilities nor prices to tell its units by")
    agreed = {one: parity_agreement(in_zone(sample, one.zone), one.price, one.by) for one in choices}
    best = max(choices, key=lambda one: (round(agreed[one][0], 3), not one.parity, one.by == "index"))
    share, pairs = agreed[best]
    other = max((agreed[one][0] for one in choices if one.price != best.price), default=0.0)
    price = options.price or columns.price
    if pairs < LEAST_STRIKES:
        if not price:
            raise ImportRefusedError(
                "too few strikes tell the unit of its prices: say --price coin or --price usd"
            )
        best = max((one for one in choices if one.price == price), key=lambda one: not one.parity)
        return best, [f"prices are in {price} as was said: too few strikes to check"]
    _hold(share, other, "whether prices are in coin or USD", "--price coin or --price usd", _RIVAL_STRIKES)
    _agree(best.price, options.price, "--price", columns.price)
    against = "" if other == 0.0 and len({one.price for one in choices}) == 1 else f", {other:.0%} otherwise"
    agreed_on = f"{share:.0%} of {pairs} strikes with both sides agree on the forward to 0.2 %{against}"
    facts = [
        f"prices are in {best.price.replace('usd', 'USD')}: {agreed_on}",
        "no volatility is given: it is computed from the marks by Black-76, of each strike's side out of the money",
    ]
    facts += left_out
    if best.parity:
        facts.append("no forward is given: forwards are from put-call parity of the marks, expiry by expiry")
    return best, facts


def _quoted_scale(
    sample: pl.DataFrame, columns: ChainColumns, options: ImportOptions
) -> tuple[float, list[str]]:
    """The scale of volatilities of bids and asks where marks have none: as promised, else they are left out (0)."""
    said = options.iv or columns.iv
    if said:
        return (0.01 if said == "percent" else 1.0), []
    if sample.select(pl.col("bid_iv", "ask_iv").count().sum()).row(0) == (0, 0):
        return 1.0, []
    return 0.0, ["bid_iv and ask_iv are left out: nothing tells whether they are in percent (say --iv)"]


def _same(one: Reading, best: Reading) -> bool:
    return (one.scale, one.price, one.by, one.parity) == (best.scale, best.price, best.by, best.parity)


def _share(fits: dict[Reading, _Fit], best: Reading, scale: float) -> float:
    """The best share that another scale reaches, whatever else is read otherwise."""
    return max((found.share for one, found in fits.items() if abs(one.scale - scale) < 1e-9), default=0.0)


def _hold(share: float, other: float, what: str, cure: str, most: float = _RIVAL) -> None:
    if other > most * share:
        raise ImportRefusedError(
            f"its rows don't tell {what} ({share:.0%} of them come back one way, {other:.0%} the other): say {cure}"
        )


def _agree(own: str, said: str, option: str, promised: str) -> None:
    if said and said != own:
        raise ImportRefusedError(
            f"{option} {said} contradicts its rows, which are in {own}: leave {option} out"
        )
    if promised and promised != own:
        raise ImportRefusedError(
            f"its columns promise {promised} and its rows are in {own}: rename the column or mend the file"
        )


def _spoken(one: Reading) -> str:
    iv = "percent" if one.scale < 1 else "fraction"
    forward = "forward by parity" if one.parity else "forward as given"
    return f"volatility a {iv}, prices in {one.price}, {forward}, times {one.zone}"
