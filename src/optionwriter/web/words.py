"""Words: what the agent's names for rules, limits and numbers are called on a page, and in which unit they are."""

from __future__ import annotations

LABELS = {
    "dte": "Days to expiry",
    "delta": "Delta",
    "otm": "Out of the money",
    "otm_pct": "Out of the money",
    "ivrv": "IV ÷ realised",
    "iv_rv": "IV ÷ realised",
    "premium_usd": "Premium per coin, net",
    "spread": "Spread ÷ mid",
    "linear_spread": "Spread ÷ mid, linear",
    "open_interest": "Open interest",
    "bid_size": "Bid size, linear",
    "edge": "Edge",
    "tenor": "Tenor",
    "liquidity": "Liquidity",
    "data": "Data",
    "quote": "Quoted both sides",
    "premium": "Premium",
    "slot": "A position is open already",
    "cover": "Cover",
    "score": "Score",
    "margin_used_pct": "Margin used",
    "net_delta_abs": "Net delta",
    "call_notional_usd": "Call notional",
    "put_notional_usd": "Put notional",
    "expiry_exposure_usd": "Largest expiry",
    "total_short_notional_usd": "Short notional in all",
    "covered_coins": "Covered coins",
    "vega_usd": "Vega a point",
    "stress_loss_usd": "Loss at the stress",
    "call_chains": "Call chains",
    "put_chains": "Put chains",
    "chains_total": "Chains in all",
    "margin_used": "Margin used",
    "volatility_index": "Volatility index",
    "volatility_rank_1y": "Rank, 1 y",
    "realised_7d": "Realised, 7 d",
    "realised_30d": "Realised, 30 d",
    "range_volatility_7d": "High–low volatility, 7 d",
    "range_volatility_30d": "High–low volatility, 30 d",
    "term_slope_30_7": "Term slope, 30 ÷ 7 d",
    "term_slope_90_30": "Term slope, 90 ÷ 30 d",
    "distance_50d": "From 50 d average",
    "distance_200d": "From 200 d average",
    "return_1d": "1 d",
    "return_7d": "7 d",
    "return_30d": "30 d",
    "covered_call": "Covered call",
    "cash_secured_put": "Cash-secured put",
    "cross": "crosses the spread",
}
SHARE = "share"  # a fraction, shown as percent
UNITS = {
    "dte": "d", "days": "d", "otm": SHARE, "otm_pct": "%", "ivrv": "×", "premium_usd": "USD", "spread": SHARE,
    "linear_spread": SHARE, "open_interest": "coins", "bid_size": "coins",
}  # fmt: skip
ENDS = (
    ("_usd", "USD"),
    ("_pct", "%"),
    ("_days", "d"),
    ("days", "d"),
    ("_share", SHARE),
    ("_yield", "a year"),
    ("_delta", "Δ"),
)


SHORT = {"otm": "OTM", "itm": "ITM", "ivrv": "IV ÷ RV", "iv": "IV", "dte": "DTE", "rv": "RV", "atm": "ATM"}
FRACTIONS = ("realised", "range_volatility", "distance_", "return_", "pump", "crash", "drawdown", "atm_iv",
             "risk_reversal", "butterfly", "event_share", "skew")  # fmt: skip


def label(name: object) -> str:
    """The name in words."""
    text = str(name)
    found = LABELS.get(text)
    if found is None:
        plain = text.replace("_usd", "").replace("_pct", "").replace("_", " ").strip()
        found = " ".join(SHORT.get(word, word) for word in plain.split())
        found = found[:1].upper() + found[1:]
    return found


def unit(name: object) -> str:
    """Its unit, "" where it has none."""
    text = str(name)
    if text in UNITS:
        return UNITS[text]
    if text.startswith(FRACTIONS):
        return SHARE
    return next((word for end, word in ENDS if text.endswith(end)), "")
