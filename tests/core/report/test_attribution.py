"""Attribution: greeks in coin and in USD against revaluing by a formula of its own, and volatility realised by hand."""

from __future__ import annotations

import math

import pytest

from optionwriter.core.market.instruments import MS_PER_DAY, MS_PER_HOUR, MS_PER_YEAR, parse_instrument
from optionwriter.core.report.attribution import Seen, moved, realised_over

JAN_5 = 20_458 * MS_PER_DAY
CALL = parse_instrument("BTC-30JAN26-95000-C")
PUT = parse_instrument("BTC_USDC-30JAN26-85000-P")
FORWARD, IV, INDEX = 91_000.0, 0.45, 90_500.0


def usd(option: object, forward: float, iv: float, at_ms: int) -> float:
    """Black-76 by the error function."""
    strike, years = float(option.strike), (option.expiry_ms - at_ms) / MS_PER_YEAR
    deviation = iv * math.sqrt(years)
    d1 = math.log(forward / strike) / deviation + deviation / 2

    def below(x: float) -> float:
        return 0.5 * math.erfc(-x / math.sqrt(2))

    call = forward * below(d1) - strike * below(d1 - deviation)
    return call if option.is_call else call - forward + strike


def coin(option: object, forward: float, iv: float, at_ms: int) -> float:
    price = usd(option, forward, iv, at_ms)
    return price / forward if option is CALL else price * INDEX / FORWARD  # the ratio as it was at first


def seen(forward: float = FORWARD, iv: float = IV, at_ms: int = JAN_5, price_usd: float = INDEX) -> Seen:
    return Seen(at_ms, 0.0, iv, forward, price_usd, INDEX)


@pytest.mark.parametrize("option", [CALL, PUT])
@pytest.mark.parametrize("step", [-400.0, 150.0])
def test_delta_and_gamma_explain_a_move_of_the_forward(option: object, step: float) -> None:
    price_usd = INDEX if option is CALL else 1.0
    before = seen(price_usd=price_usd)
    found = moved(option, before, seen(FORWARD + step, price_usd=price_usd))
    change = coin(option, FORWARD + step, IV, JAN_5) - coin(option, FORWARD, IV, JAN_5)
    assert found.coin[0] + found.coin[1] == pytest.approx(change, rel=2e-3)
    assert abs(found.coin[0] - change) > 10 * abs(found.coin[0] + found.coin[1] - change)  # gamma is needed
    assert found.coin[2:] == (0.0, 0.0)
    # in USD the ratio of index to forward stays as it was
    ratio = INDEX / FORWARD
    change = ratio * (usd(option, FORWARD + step, IV, JAN_5) - usd(option, FORWARD, IV, JAN_5))
    assert found.usd[0] + found.usd[1] == pytest.approx(change, rel=2e-3)


@pytest.mark.parametrize("option", [CALL, PUT])
def test_vega_and_theta_explain_volatility_and_time(option: object) -> None:
    before = seen(price_usd=INDEX if option is CALL else 1.0)
    ratio = INDEX / FORWARD
    found = moved(option, before, before._replace(iv=IV + 0.002))
    change = coin(option, FORWARD, IV + 0.002, JAN_5) - coin(option, FORWARD, IV, JAN_5)
    assert found.coin[2] == pytest.approx(change, rel=5e-3) and found.coin[0] == found.coin[3] == 0.0
    change = usd(option, FORWARD, IV + 0.002, JAN_5) - usd(option, FORWARD, IV, JAN_5)
    assert found.usd[2] == pytest.approx(change * ratio, rel=5e-3)
    later = JAN_5 + MS_PER_HOUR
    found = moved(option, before, before._replace(at_ms=later))
    change = coin(option, FORWARD, IV, later) - coin(option, FORWARD, IV, JAN_5)
    assert found.coin[3] == pytest.approx(change, rel=5e-3) and found.coin[3] < 0.0
    change = usd(option, FORWARD, IV, later) - usd(option, FORWARD, IV, JAN_5)
    assert found.usd[3] == pytest.approx(change * ratio, rel=5e-3)


def test_an_inverse_call_deep_in_the_money_loses_less_coin_than_its_delta_says() -> None:
    deep = parse_instrument("BTC-30JAN26-20000-C")  # worth 1 - K/F coins: its coin delta is K/F², not Δ/F
    found = moved(deep, seen(), seen(FORWARD + 100.0))
    assert found.coin[0] == pytest.approx(100.0 * 20_000.0 / FORWARD**2, rel=1e-9)
    assert found.usd[0] == pytest.approx(100.0 * INDEX / FORWARD, rel=1e-9)


def test_without_a_volatility_nothing_is_explained() -> None:
    assert moved(CALL, seen(iv=math.nan), seen(FORWARD + 100.0)).coin == (0.0,) * 4


def test_an_expired_option_has_no_volatility_left_to_move() -> None:
    found = moved(CALL, seen(at_ms=CALL.expiry_ms - MS_PER_HOUR), seen(FORWARD, 0.0, CALL.expiry_ms))
    assert found.coin[2] == 0.0 and found.coin[3] <= 0.0


def test_realised_volatility_is_of_full_hours_within_the_life() -> None:
    hours = {JAN_5 + hour * MS_PER_HOUR: price for hour, price in enumerate((100.0, 110.0, 99.0, 99.0))}
    noise = {JAN_5 - MS_PER_HOUR: 500.0, JAN_5 + 1_800_000: 500.0, JAN_5 + 9 * MS_PER_HOUR: 500.0}
    squares = math.log(1.1) ** 2 + math.log(0.9) ** 2
    expected = math.sqrt(squares / 3 * 24 * 365)
    found = realised_over({**hours, **noise}, JAN_5, JAN_5 + 3 * MS_PER_HOUR)
    assert found == pytest.approx(expected, rel=1e-12)
    assert math.isnan(realised_over(hours, JAN_5, JAN_5 + MS_PER_HOUR))


@pytest.mark.parametrize("option", [CALL, PUT])
@pytest.mark.parametrize(
    ("move", "points", "hours"), [(-0.12, 15.0, 24.0), (0.08, -9.0, 6.0), (0.03, 4.0, 400.0)]
)
def test_the_parts_are_the_whole_of_any_move(
    option: object, move: float, points: float, hours: float
) -> None:
    """However far everything moves together: the four are what the option is worth then, less what it was worth."""
    price_usd = INDEX if option is CALL else 1.0
    later = JAN_5 + int(hours * MS_PER_HOUR)
    before = seen(price_usd=price_usd)
    found = moved(option, before, seen(FORWARD * (1 + move), IV + points / 100, later, price_usd))
    then = coin(option, FORWARD * (1 + move), IV + points / 100, later)
    assert math.fsum(found.coin) == pytest.approx(then - coin(option, FORWARD, IV, JAN_5), rel=1e-9)
    ratio = INDEX / FORWARD
    change = usd(option, FORWARD * (1 + move), IV + points / 100, later) - usd(option, FORWARD, IV, JAN_5)
    assert math.fsum(found.usd) == pytest.approx(change * ratio, rel=1e-9)
    vega = coin(option, FORWARD * (1 + move), IV + points / 100, JAN_5)
    vega -= coin(option, FORWARD * (1 + move), IV, JAN_5)
    assert found.coin[2] == pytest.approx(vega, rel=1e-9)


def test_an_expiring_option_ends_at_what_it_pays() -> None:
    before = seen(at_ms=CALL.expiry_ms - 5 * MS_PER_HOUR)
    found = moved(CALL, before, Seen(CALL.expiry_ms, 0.0, 0.0, 97_000.0, INDEX, INDEX))
    paid = 2_000.0 / 97_000.0
    assert math.fsum(found.coin) == pytest.approx(paid - coin(CALL, FORWARD, IV, before.at_ms), rel=1e-9)
