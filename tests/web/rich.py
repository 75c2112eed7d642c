"""Views with everything that an agent may publish, made by hand: what the Live page must be able to show.

A put and a call, a strangle, an external position, an engaged kill switch, equity with a gap, a position's panel.
Numbers are chosen to be told apart, not to add up.
"""

from __future__ import annotations

import copy
import math
from typing import Any

from optionwriter.adapters.store.views import ViewStore
from optionwriter.ports import FeedEntry
from optionwriter.services.publish import when

AT_MS = 1_773_223_200_000  # 2026-03-11 10:00 UTC
DAY_MS = 86_400_000
PUT = "BTC_USDC-27MAR26-78000-P"
CALL = "BTC-27MAR26-95000-C"


def timed(name: str, at_ms: int) -> dict[str, Any]:
    """An instant as published."""
    base = name.removesuffix("_at")
    return {name: when(at_ms), f"{base}_ms": at_ms}


def leg(instrument: str, quantity: str, entry: str, mark: str | None, status: str = "open") -> dict[str, Any]:
    return {
        "instrument": instrument, "strike": instrument.split("-")[2], "expiry": when(AT_MS + 15 * DAY_MS),
        "expiry_ms": AT_MS + 15 * DAY_MS, "quantity": quantity, "entry_price": entry,
        "exit_price": None if status == "open" else "0", "current_mark": mark, "status": status,
        **timed("opened_at", AT_MS - 3 * DAY_MS), "closed_at": None, "closed_ms": None,
        "label": f"CCBOT_{instrument.lower()}",
    }  # fmt: skip


def open_row(
    position_id: str, instrument: str, currency: str, pnl: str, pnl_usd: str, **more: Any
) -> dict[str, Any]:
    kind = "put" if instrument.endswith("P") else "call"
    entry, mark = ("412.5", "377.25") if currency == "USDC" else ("0.0125", "0.00874512")
    legs = [leg(instrument, "-1.5", entry, mark)]
    return {
        "position_id": position_id, "underlying": "BTC", "option_type": kind,
        "strategy_type": "cash_secured_put" if kind == "put" else "covered_call", "strategy_id": "income",
        "instrument": instrument, "strike": legs[0]["strike"], "expiry": legs[0]["expiry"],
        "expiry_ms": legs[0]["expiry_ms"], "days_to_expiry": 15.9, "quantity": "-1.5", "entry_price": entry,
        "current_mark": mark, "unrealized_pnl_abs": pnl, "unrealized_pnl_abs_usd": pnl_usd,
        "unrealized_pnl_pct": "0.3755", "unrealized_pnl_pct_usd": "0.3755", "realized_pnl_abs": "0",
        "realized_pnl_abs_usd": "0", "fees": "-0.000450", "fees_usd": "-38.25", "net_premium": "0.018300",
        "net_premium_usd": "1555.50", "currency": currency, "execution_mode": "live",
        **timed("created_at", AT_MS - 3 * DAY_MS), "number_of_rolls": 1, "legs": legs, **more,
    }  # fmt: skip


def opened() -> dict[str, Any]:
    rows = [
        open_row("c1call", CALL, "BTC", "0.005632320", "478.75"),
        open_row("c2put", PUT, "USDC", "-52.875", "-52.87", number_of_rolls=0),
        open_row(
            "c3strangle", CALL, "USD", "12.5", "12.5", strategy_type="strangle",
            legs=[leg(CALL, "-1.5", "0.0125", "0.0087"), leg(PUT, "-0.5", "412.5", None)],
        ),
    ]  # fmt: skip
    totals = [
        {"currency": "BTC", "pnl_abs": "0.005632320", "pnl_abs_usd": "478.75"},
        {"currency": "USDC", "pnl_abs": "-52.875", "pnl_abs_usd": "-52.87"},
    ]
    return {"positions": rows, "totals": totals}


def curve(points: int = 240) -> dict[str, Any]:
    """Equity over ten days, with one gap."""
    at = [AT_MS - (points - 1 - i) * 3_600_000 for i in range(points)]
    coin = [2 + 0.0004 * math.sin(i / 17) + 0.00002 * i for i in range(points)]
    spot = [84_000 + 1500 * math.sin(i / 31) + 6 * i for i in range(points)]
    usd: list[float | None] = [round(c * s + 200_000, 2) for c, s in zip(coin, spot, strict=True)]
    usd[100:106] = [None] * 6
    return {
        "at_ms": at,
        "equity_usd": usd,
        "holding_usd": [round(2 * s + 200_000, 2) for s in spot],
        "currencies": {
            "BTC": {"equity": coin, "holding": [2.0] * points},
            "USDC": {"equity": [200_000.0 + i for i in range(points)], "holding": [200_000.0] * points},
        },
    }


def panel(row: dict[str, Any], strike: float = 95_000.0, premium: float = 0.0122) -> dict[str, Any]:
    """A position's view: a short call's result at expiry, in coin and USD."""
    prices = [60_000.0 + 1_000 * i for i in range(71)]
    coin = [1.5 * (premium - max(0.0, one - strike) / one) for one in prices]
    return {
        "position": row,
        "flows": [
            {**timed("at", AT_MS - 3 * DAY_MS), "kind": "premium", "instrument": CALL, "amount": "0.018750",
             "amount_usd": "1593.75", "index": "85000"},
            {**timed("at", AT_MS - 3 * DAY_MS), "kind": "fee", "instrument": CALL, "amount": "-0.000450",
             "amount_usd": "-38.25", "index": "85000"},
        ],
        "fills": [
            {**timed("at", AT_MS - 3 * DAY_MS), "instrument": CALL, "side": "sell", "amount": "1.5",
             "price": "0.0125", "fee": "-0.000450", "index": "85000", "label": "CCBOT_fill"},
        ],
        "fees": "-0.000450", "fees_usd": "-38.25", "net_premium": "0.018300", "net_premium_usd": "1555.50",
        "collateral": "1.5", "collateral_usd": "128850", "currency": "BTC",
        "payoff": {
            "at_ms": AT_MS, "expiry": row["expiry"], "underlying_price": prices, "pnl": coin,
            "pnl_usd": [one * price for one, price in zip(coin, prices, strict=True)],
            "breakevens": [96_173.3], "strikes": [strike], "spot": 85_900.0,
        },
    }  # fmt: skip


def status(base: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A status as another agent would publish it: testnet, with what later parts add."""
    made = copy.deepcopy(base)
    made |= {"environment": "testnet", "kill": None, "commands_pending": 0}
    made |= {"at_ms": AT_MS, "at": when(AT_MS), **more}
    made["external"] = [
        {"instrument": "BTC-26JUN26-120000-C", "amount": "-0.4", "option_type": "call", "strike": "120000",
         "expiry": "2026-06-26T08:00:00Z", "mark": "0.0212", "worth": "-0.00848", "worth_usd": "-728.4",
         "currency": "BTC"},
        {"instrument": "ETH-PERPETUAL", "amount": "250"},
    ]  # fmt: skip
    for one in made["underlyings"]:
        one |= {
            "pump_7d": 0.12,
            "pump_30d": 0.2,
            "crash_30d": 0.15,
            "crash_7d": 0.071,
            "term_structure": "contango",
            "skew_25d": {"call": 1.4},
        }
    return made


def strategies(base: dict[str, Any]) -> dict[str, Any]:
    """The strategies with every group of rules."""
    (one,) = copy.deepcopy(base)["strategies"]
    one |= {
        "roll_gates": {"dte_min": 0.5, "dte_max": 2.2}, "enabled": True, "chooser": "rules", "epsilon": 0.05,
        "score": {"edge_weight": 0.4, "delta_target": 0.15, "spread_scale": 0.4},
        "manage": {"take_profit_share": 0.7, "roll_delta": 0.5, "expire_days": 0.6},
        "roll": {"max_debit": 0.01}, "profile": "balanced",
        "limits": [{"name": "call_notional_usd", "subject": "BTC", "used": "128850", "limit": "150000",
                    "used_pct": "85.9"}],
    }  # fmt: skip
    put = copy.deepcopy(one) | {"strategy_id": "puts", "strategy_type": "cash_secured_put", "enabled": False}
    return {"strategies": [one, put]}


def enrich(store: ViewStore, **state: Any) -> ViewStore:
    """The store of a run, with everything else that could be published."""
    base: Any = store.read("status")
    rows = opened()
    kept: Any = store.entries("decisions", 200)
    decision = copy.deepcopy(next(one for one in kept if one["chosen"]))
    refused = decision | {
        "decision_id": "drefused", **timed("at", AT_MS - 3_600_000), "orders": [], "approved": [],
        "action": "DO_NOTHING",
        "refused": [{"key": decision["chosen"][0], "codes": ["NO_COVER"], "reasons": ["cover is 0.3 BTC short"]}],
    }  # fmt: skip
    views = {
        "status": status(base, **state), "positions-open": rows, "equity-curve": curve(),
        "strategies": strategies(store.read("strategies")),
        **{f"position/{row['position_id']}": panel(row) for row in rows["positions"][:1]},
    }  # fmt: skip
    assert store.publish(views, [FeedEntry("decisions", "income", refused)])
    return store
