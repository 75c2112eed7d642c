"""Run curves: a stored run's curve in the shape of the account's own, with the plain rules beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PREFIX = "benchmark_"
RULES = {
    "benchmark_otm": (
        "Monthly call, 10 % out",
        "Covers the coins with the monthly call nearest to 10 % over the index, sold at the bid, held to settlement.",
    ),
    "benchmark_atm": (
        "30-day call, at the money",
        "Covers them with the call nearest to the forward, of the expiry nearest to 30 days, sold and held likewise.",
    ),
}
NOTHING: dict[str, Any] = {
    "at_ms": [],
    "equity_usd": [],
    "holding_usd": [],
    "currencies": {},
    "benchmarks": [],
}


def columns(curve: Mapping[str, Any]) -> dict[str, Any]:
    """As web.schemas.RunColumns; a run of an older program has no holding by currency, and no rules."""
    unknown = [None] * len(curve["at_ms"])
    names = sorted(key.removeprefix("price_") for key in curve if key.startswith("price_"))
    return {
        "at_ms": curve["at_ms"],
        "equity_usd": curve["equity_usd"],
        "holding_usd": curve["holding_usd"],
        "currencies": {
            name: {"equity": curve[f"equity_{name}"], "holding": curve.get(f"holding_{name}", unknown)}
            for name in names
        },
        "benchmarks": [_rule(curve, name, names) for name in _rules(curve)],
    }


def _rules(curve: Mapping[str, Any]) -> list[str]:
    """Those that are known here first, in their order."""
    found = [key.removesuffix("_usd") for key in curve if key.startswith(PREFIX) and key.endswith("_usd")]
    order = {name: place for place, name in enumerate(RULES)}
    return sorted(found, key=lambda one: (order.get(one, len(order)), one))


def _rule(curve: Mapping[str, Any], rule: str, names: list[str]) -> dict[str, Any]:
    title, about = RULES.get(rule, (rule.removeprefix(PREFIX).replace("_", " "), ""))
    mine = {name: curve[f"{rule}_{name}"] for name in names if f"{rule}_{name}" in curve}
    return {"name": rule, "title": title, "about": about, "usd": curve[f"{rule}_usd"], "currencies": mine}
