"""The registry: which kinds of strategies there are. One line each."""

from __future__ import annotations

from collections.abc import Mapping

from optionwriter.core.decide.strategies.base import ConfigError, Strategy
from optionwriter.core.decide.strategies.cash_secured_put import CashSecuredPut
from optionwriter.core.decide.strategies.covered_call import CoveredCall
from optionwriter.core.decide.strategies.income import Income
from optionwriter.core.decide.strategies.spread import CreditSpread
from optionwriter.core.decide.strategies.strangle import Strangle
from optionwriter.core.decide.strategies.wheel import Wheel

STRATEGIES: Mapping[str, Strategy] = {
    "covered_call": CoveredCall(),
    "cash_secured_put": CashSecuredPut(),
    "income": Income(),
    "call_spread": CreditSpread("call_spread"),
    "put_spread": CreditSpread("put_spread"),
    "strangle": Strangle(),
    "wheel": Wheel(),
}


def strategy(kind: str) -> Strategy:
    """The strategy of that kind. Errors: ConfigError names the known ones."""
    try:
        return STRATEGIES[kind]
    except KeyError:
        raise ConfigError(f"unknown strategy kind {kind!r}: known are {', '.join(STRATEGIES)}") from None
