"""Exit styles: how a backtest ends positions, whatever the strategy's own management would do.

`own` is the strategy as it trades; the other two are what the specification compares it with.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from optionwriter.core.decide.strategies.base import ConfigError, StrategyConfig

_NEVER = 1e9  # no share, delta or ratio gets there
TP_SHARE = 0.7  # of the premium: where tp_and_roll takes it and writes the next


class ExitStyle(StrEnum):
    """How positions end."""

    HOLD_TO_EXPIRY = "hold_to_expiry"  # nothing is bought back; what expires in the money is settled
    TP_AND_ROLL = "tp_and_roll"  # most of the premium earned: roll on; threatened: roll
    OWN = "own"


def with_exit_style(config: StrategyConfig, style: ExitStyle) -> StrategyConfig:
    """The instance, managing its positions in that style."""
    if style is ExitStyle.HOLD_TO_EXPIRY:
        manage = config.manage._replace(
            take_profit_share=_NEVER,
            min_remaining_yield=-_NEVER,
            roll_delta=_NEVER,
            roll_otm=-_NEVER,
            far_itm=_NEVER,
            roll_ivrv=_NEVER,
        )
        return replace(config, manage=manage)
    if style is ExitStyle.TP_AND_ROLL:
        manage = config.manage._replace(take_profit_share=TP_SHARE, min_remaining_yield=0.0)
        return replace(config, manage=manage, roll=config.roll._replace(take_profit_rolls=True))
    return config


def read_exit_styles(names: str) -> tuple[ExitStyle, ...]:
    """Styles from their names, comma-separated, each once; "all" is every one. Errors: ConfigError."""
    if names.strip() == "all":
        return tuple(ExitStyle)
    try:
        return tuple(dict.fromkeys(ExitStyle(one.strip()) for one in names.split(",")))
    except ValueError as error:
        raise ConfigError(f"{error}: choose from {', '.join(ExitStyle)}, or all") from None
