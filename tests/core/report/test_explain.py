"""Explanations of hand-made decisions: every word rests on a number of the record."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optionwriter.core.decide.rules import PASSED, Candidate, GateParams, gate, net_premium_usd
from optionwriter.core.market.instruments import MS_PER_DAY
from optionwriter.core.report.explain import (
    ExplainError,
    chosen_record,
    dry_spell,
    explanation,
    what_would_change,
)
from optionwriter.core.report.remedies import bid_for, candidate_of, remedies, smallest_change

GATES = GateParams()
DAY = 1_769_644_800_000  # 2026-01-29
CALL = "BTC-6FEB26-90000-C"


def item(key: str, score: float, mandatory: bool = False, **parts: float) -> dict[str, Any]:
    return {
        "key": key, "action": "OPEN_COVERED_CALL", "reason": "delta_reached" if mandatory else "open",
        "score": score, "parts": parts, "mandatory": mandatory, "metrics": {}, "value": 0.55, "threshold": 0.5,
        "legs": [{"instrument": key.split("/")[3], "side": "sell", "amount": "1", "limit_price": "0.01"}],
    }  # fmt: skip


def record(ident: str = "d1", at_ms: int = DAY, **more: Any) -> dict[str, Any]:
    keys = more.pop("keys", [])
    base: dict[str, Any] = {
        "decision_id": ident, "at_ms": at_ms, "strategy_id": "income", "reasoning": "because", "menu": [],
        "gate_counts": {}, "nearest_rejects": [], "proposed": {"keys": keys}, "risk": {"refused": {}},
        "final": {"action": "OPEN_COVERED_CALL" if keys else "DO_NOTHING", "keys": keys}, "execution": {"orders": []},
        "choice": {"min_score": 0.2, "gates": GATES._asdict()},
        "state": {"spot": {"BTC": "84000"}, "forecast_volatility": {"BTC": 0.5}},
    }  # fmt: skip
    return base | more


def candidate(name: str = CALL, gate_: str = "", **more: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "instrument": name, "gate": gate_, "value": math.nan, "threshold": math.nan, "distance": math.nan,
        "score": math.nan, "chosen": False, "dte": 8.0, "bid": 0.006, "ask": 0.0065, "mark": 0.0062, "iv": 0.5,
        "forward": 84_050.0, "bid_size": math.nan, "open_interest": 300.0,
    }  # fmt: skip
    return base | more


def never(index_name: str, expiry_ms: int) -> Decimal | None:
    return None


def test_why_this_weighs_it_against_the_runner_up_of_its_own_menu() -> None:
    best = item(f"income/BTC/open/{CALL}/full", 0.5, edge=0.3, delta=0.2)
    half = item(f"income/BTC/open/{CALL}/half", 0.49, edge=0.29, delta=0.2)
    rival = item("income/BTC/open/BTC-6FEB26-95000-C/full", 0.35, edge=0.05, delta=0.3)
    other = item("income/ETH/open/ETH-6FEB26-3000-C/full", 0.48, edge=0.48)
    told = explanation(record(keys=[best["key"]], menu=[best, half, other, rival]), [], never)
    (why,) = told["why_this"]
    assert why["runner_up"]["key"] == rival["key"]  # neither another size of it nor another coin
    differences = {one["part"]: one["difference"] for one in why["runner_up"]["parts"]}
    assert differences == pytest.approx({"edge": 0.25, "delta": -0.1})
    assert sum(differences.values()) == pytest.approx(best["score"] - rival["score"])
    assert "edge" in why["words"] and "0.500 against 0.350" in why["words"]


def test_what_was_due_says_the_rule_and_its_number() -> None:
    due = item(f"income/BTC/roll/{CALL}/x", 0.1, mandatory=True, edge=0.1)
    (why,) = explanation(record(keys=[due["key"]], menu=[due]), [], never)["why_this"]
    assert why["runner_up"] is None and "delta_reached (0.55 against 0.5)" in why["words"]


def test_why_not_names_gate_value_threshold_and_distance() -> None:
    row = candidate(gate_="delta", value=0.41, threshold=0.35, distance=-0.2)
    (why,) = explanation(record(), [candidate("BTC-6FEB26-95000-C", "dte", distance=-0.1), row], never, CALL)[
        "why_not"
    ]
    assert (why["gate"], why["value"], why["threshold"], why["distance"]) == ("delta", 0.41, 0.35, -0.2)
    assert "0.41, over the most of 0.35" in why["words"]


def test_an_option_that_was_not_looked_at_is_refused_with_its_neighbours() -> None:
    rows = [candidate(f"BTC-6FEB26-{strike}-C") for strike in (70000, 88000, 92000, 99000)]
    rows += [candidate("BTC-13FEB26-90000-C"), candidate("ETH-6FEB26-3000-C")]
    with pytest.raises(ExplainError, match="nearest: BTC-6FEB26-88000-C, BTC-6FEB26-92000-C"):
        explanation(record(), rows, never, CALL)
    with pytest.raises(ExplainError, match="was not looked at"):
        explanation(record(), rows, never, "nonsense")


def test_below_the_least_score_says_what_it_lacks() -> None:
    told = what_would_change(record(), [candidate(score=0.15), candidate("BTC-6FEB26-95000-C", score=0.05)])
    (side,) = told["sides"]
    assert side["change"]["instrument"] == CALL and side["change"]["lacks"] == pytest.approx(0.05)
    assert "lacks 0.050 to MIN_SCORE 0.200" in told["words"]


def test_passed_but_no_slot_is_said_before_any_number() -> None:
    rows = [candidate(gate_="slot", value=1.0, threshold=1.0, distance=-1.0),
            candidate("BTC-6FEB26-95000-C", "ivrv", value=0.89, threshold=0.9, distance=-0.01)]  # fmt: skip
    (side,) = what_would_change(record(), rows)["sides"]
    assert side["blocked"] == {"slot": 1} and side["change"] is None


def failing(**more: Any) -> dict[str, Any]:
    """A candidate with the gate that the rules themselves name."""
    row = candidate(**more)
    seen = candidate_of(record(), row)
    assert seen is not None
    verdict = gate(seen, GATES)
    names = ("", "data", "dte", "delta", "otm", "ivrv", "quote", "premium", "spread", "liquidity")
    return row | {"gate": names[verdict.gate], "value": verdict.value, "threshold": verdict.threshold,
                  "distance": verdict.distance}  # fmt: skip


@pytest.mark.parametrize(
    ("more", "gate_", "names"),
    [
        ({"iv": 0.449}, "ivrv", {"IVRV_MIN", "forecast volatility", "implied volatility"}),
        ({"bid": 0.0055, "ask": 0.008}, "spread", {"gates.spread_max", "ask"}),
        ({"open_interest": 0.5}, "liquidity", {"gates.open_interest_min", "open interest"}),
        ({"name": "BTC-6FEB26-87000-C", "dte": 1.9}, "dte", {"DTE_MIN"}),
        ({"name": "BTC-6FEB26-84500-C"}, "delta", {"DELTA_MAX"}),
    ],
)
def test_the_change_is_enough_by_itself_and_half_of_it_is_not(
    more: dict[str, Any], gate_: str, names: set[str]
) -> None:
    row = failing(**more)
    assert row["gate"] == gate_
    change = smallest_change(record(), row, GATES)
    assert change is not None and change.name in names
    if change.kind == "bound":
        name = next(one for one in GATES._fields if change.name in (one.upper(), f"gates.{one}"))
        seen = candidate_of(record(), row)
        assert seen is not None
        assert gate(seen, GATES._replace(**{name: change.wanted})).gate == PASSED
        assert gate(seen, GATES._replace(**{name: (change.value + change.wanted) / 2})).gate != PASSED


def test_no_single_change_is_enough_where_two_gates_are_missed() -> None:
    row = failing(iv=0.4, open_interest=0.0)
    assert row["gate"] == "ivrv" and smallest_change(record(), row, GATES) is None
    told = what_would_change(record(), [row])
    assert "no single number would have been enough" in told["words"]


def test_the_nearest_is_the_one_that_needs_least() -> None:
    near, far = failing(iv=0.449), failing(name="BTC-6FEB26-91000-C", iv=0.40)
    best = remedies(record(), [far, near])
    assert [one.instrument for one in best] == [CALL, "BTC-6FEB26-91000-C"]
    assert best[0].change.share < best[1].change.share


def test_a_row_that_was_looked_at_for_a_roll_has_no_remedy_here() -> None:
    row = candidate(gate_="roll_strike", value=1.0, threshold=2.0, distance=-0.5)
    assert remedies(record(), [row]) == []
    assert remedies(record(), [failing(iv=0.449) | {"gate": "delta"}]) == []


@given(st.booleans(), st.floats(500, 200_000), st.floats(0.5, 5_000))
def test_the_bid_for_a_premium_brings_it(is_inverse: bool, index: float, premium: float) -> None:
    one = Candidate(True, is_inverse, index, index, index, 8.0, 0.5, 0.5, 0.2, 0.0, 0.0, math.nan, 1.0)
    assert net_premium_usd(is_inverse, index, bid_for(one, premium)) == pytest.approx(premium, rel=1e-9)


def filled(ident: str, at_ms: int) -> dict[str, Any]:
    return record(ident, at_ms, keys=["k"], execution={"orders": [{"filled": "0.5"}]})


def test_a_dry_spell_is_told_by_gate_with_the_tightest() -> None:
    nothing = [
        record(f"n{place}", DAY + place * MS_PER_DAY, gate_counts={"delta": 6, "ivrv": 2},
               nearest_rejects=[{"gate": "ivrv", "distance": -0.1 * place}])
        for place in range(1, 5)
    ]  # fmt: skip
    nothing[3]["risk"] = {"refused": {"k": ["NOT_COVERED: nothing free"]}}
    nothing[3]["menu"], nothing[3]["proposed"] = [item(f"income/BTC/open/{CALL}/full", 0.1)], {"keys": ["k"]}
    told = dry_spell([filled("t", DAY), *nothing], 2.5)
    assert (told["decisions"], told["trades"], told["days_since_trade"]) == (3, 0, 4.0)
    assert told["gates"] == [{"gate": "delta", "candidates": 18, "share": 0.75},
                             {"gate": "ivrv", "candidates": 6, "share": 0.25}]  # fmt: skip
    assert told["tightest"] == {"gate": "ivrv", "decisions": 3, "distance": pytest.approx(-0.3)}
    assert told["refused"] == {"NOT_COVERED": 1} and told["below_min_score"] == 0
    assert "No trade for 4.0 days" in told["words"] and "delta 75%" in told["words"]
    assert dry_spell([*nothing, filled("t", DAY + 5 * MS_PER_DAY)], 9)["trades"] == 1
    assert dry_spell([], 3)["decisions"] == 0


def test_an_unknown_decision_names_the_nearest() -> None:
    records = [record("dabc1"), record("dabd2", DAY + 1), record("dfff3", DAY + 2)]
    assert chosen_record(records, None, None)["decision_id"] == "dfff3"
    assert chosen_record(records, "dabd2", None)["at_ms"] == DAY + 1
    with pytest.raises(ExplainError, match="no decision dab in the log; nearest: dabc1, dabd2"):
        chosen_record(records, "dab", None)
    with pytest.raises(ExplainError, match="no decision of puts: it has income"):
        chosen_record(records, None, "puts")
    with pytest.raises(ExplainError, match="no decision yet"):
        chosen_record([], None, None)
