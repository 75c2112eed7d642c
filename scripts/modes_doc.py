"""Writes docs/modes.md: what MODE changes, read from the code itself. Run: python scripts/modes_doc.py."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from optionwriter.core.decide.strategies.base import Mode, StrategyConfig, defaults

PAGE = Path(__file__).resolve().parent.parent / "docs" / "modes.md"
HEAD = """# Modes

MODE chooses the defaults from which every strategy instance starts: **research** looks wider, takes weaker offers and
waits less between rolls; **production** is stricter. Whatever a table in the strategy file sets stands over the mode's
default, and the settings DELTA_MIN, DELTA_MAX, DTE_MIN, DTE_MAX, IVRV_MIN, PREMIUM_MIN_USD and MIN_SCORE stand over
both.

No mode lifts a limit, the cover of every short option, the kill switch, the price collar or the checks against
duplicates.

What a mode changes, and all that it changes. The keys are those of `[name]`, `[name.gates]`, … in the strategy file;
this table is made from the code (`python scripts/modes_doc.py`).

"""
MEANINGS = {
    "min_score": "below it no trade",
    "gates.dte_min": "days to expiry, least",
    "gates.dte_max": "days to expiry, most",
    "gates.delta_min": "unsigned delta, least",
    "gates.delta_max": "unsigned delta, most",
    "gates.otm_min": "least share out of the money",
    "gates.ivrv_min": "least implied over realised volatility",
    "gates.premium_min_usd": "least premium a coin, USD, net of the fee",
    "gates.spread_max": "widest spread, share of the mid",
    "gates.open_interest_min": "least open interest, coins (inverse)",
    "gates.bid_size_min": "least size at the bid, coins (linear)",
    "gates.linear_spread_max": "widest spread, share of the mid (linear)",
    "roll.max_debit": "most that a roll may cost, share of the collateral",
    "roll.max_spread": "widest spread of a roll's two quotes together",
    "roll.cooldown_hours": "hours between two rolls of a chain",
    "downside.max_drawdown": "share of equity that short puts may lose at the stress before they are penalised",
    "target_allocation": "the coin's share of equity if its puts are assigned",
}


def values(config: StrategyConfig) -> Iterator[tuple[str, Any]]:
    """Every number of a configuration by its dotted key."""
    for one in fields(config):
        value = getattr(config, one.name)
        if hasattr(value, "_asdict"):
            yield from ((f"{one.name}.{key}", each) for key, each in value._asdict().items())
        elif isinstance(value, dict):
            yield from ((f"{one.name}.{key}", each) for key, each in value.items())
        else:
            yield one.name, value


def meaning(key: str) -> str:
    """What a key means; a roll's gates mean what the opening ones do."""
    plain = key.replace("roll_gates.", "gates.")
    plain = plain if plain in MEANINGS else plain.partition(".")[0]
    return MEANINGS[plain] + (", of what is rolled into" if key != key.replace("roll_gates.", "") else "")


def shown(value: Any) -> str:
    """A number without needless digits."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def document() -> str:
    """The page."""
    wide, strict = dict(values(defaults(Mode.RESEARCH))), dict(values(defaults(Mode.PRODUCTION)))
    rows = [
        f"| `{key}` | {shown(value)} | {shown(strict[key])} | {meaning(key)} |"
        for key, value in wide.items()
        if value != strict[key]
    ]
    return HEAD + "\n".join(["| key | research | production | meaning |", "|---|---|---|---|", *rows]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(document())
