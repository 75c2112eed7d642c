"""docs/reconciled-by-hand.md: its arithmetic, the Parquet rows it starts from, and what the run stored are one."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from optionwriter.bootstrap.backtests import runner
from optionwriter.core.report.run import ChainRow, RunResult, RunSpec
from optionwriter.settings import Settings

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "src" / "optionwriter" / "sample"
DOC = ROOT / "docs" / "reconciled-by-hand.md"
D = Decimal
COIN, CENT = D("1e-8"), D("1e-6")


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.fixture(scope="module")
def told() -> dict[str, tuple[str, Decimal]]:
    """The document's lines by their mark: arithmetic and value."""
    found = {}
    for line in DOC.read_text(encoding="utf-8").splitlines():
        cells = [one.strip() for one in line.strip("|").split("|")]
        if re.fullmatch(r"[A-D]\d+", cells[0]):
            found[cells[0]] = (cells[3], D(cells[4]))
    assert len(found) == 9 + 9 + 5 + 3
    return found


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """The run of the document's command."""
    command = next(
        one for one in DOC.read_text(encoding="utf-8").splitlines() if one.startswith("optionwriter ")
    )
    said = dict(zip(*[iter(command.split()[2:])] * 2, strict=True))
    spec = RunSpec(
        "by hand", said["--source"], said["--strategy"], ("BTC", "ETH"), ms(said["--from"]), ms(said["--to"]), 1,
        {"preset": said["--preset"], "exit_styles": said["--exit-style"], "data": str(SAMPLE)},
    )  # fmt: skip
    return runner(Settings(data_dir=tmp_path_factory.mktemp("run")))(spec, lambda _share, _text: None)


def chain(ran: RunResult, instrument: str) -> tuple[ChainRow, dict[str, Any]]:
    (found,) = (one for one in ran.chains if one.detail["legs"][0]["instrument"] == instrument)
    flows: Any = found.detail["flows"]
    return found, {one["kind"]: one for one in flows}


def row(day: str, number: int, name: str) -> dict[str, Any]:
    """A line of the bundled chains."""
    coin = name[:3]
    path = SAMPLE / "live_deribit" / coin / day.replace("-", "/") / f"{coin}_{day}.parquet"
    found = pl.read_parquet(path).row(number, named=True)
    assert found["instrument_name"] == name
    return found


def price_at(coin: str, end: str) -> Decimal:
    """The close of the hour that ends then, out of the stored differences."""
    own = pl.read_parquet(SAMPLE / "prices.parquet").filter(pl.col("underlying") == coin)
    opened, place = 0, 0
    for number, step in enumerate(own["open_ms"].to_list()):
        opened += step
        if opened == ms(end) - 3_600_000:
            place = number
    moves, last = own["open"].to_list(), own["close"].to_list()
    cents = sum(moves[: place + 2]) + last[place]
    return D(cents) / 100


def booked(amount: Decimal, grain: Decimal) -> Decimal:
    return amount.quantize(grain, rounding=ROUND_HALF_EVEN)


def value(text: str) -> Decimal:
    """The arithmetic as it is written, in decimals."""
    assert re.fullmatch(r"[\d\s.,+*/()min-]+", text), text
    exact = re.sub(r"\d+(?:\.\d+)?", lambda one: f'D("{one[0]}")', text)
    with localcontext(prec=40):
        return D(eval(exact, {"__builtins__": {}, "D": D, "min": min}))


def test_every_line_of_the_document_is_right(told: dict[str, tuple[str, Decimal]]) -> None:
    for mark, (arithmetic, shown) in told.items():
        places = {"A4": COIN, "B5": CENT, "B8": CENT, "C2": CENT}
        found = value(arithmetic)
        assert (booked(found, places[mark]) if mark in places else found) == shown, mark


def test_the_covered_call(told: dict[str, tuple[str, Decimal]], ran: RunResult) -> None:
    sold, end = row("2026-02-22", 1652, "ETH-27FEB26-2000-C"), price_at("ETH", "2026-02-27T08:00")
    bid, index = D(str(sold["best_bid_price"])), D(str(sold["index_price"]))
    assert (bid, index, end) == (D("0.0185"), D("1954.98"), D("2032.28"))
    worth = (end - 2000) / end
    premium, fee = 20 * bid, booked(20 * min(D("0.0003"), bid / 8), COIN)
    owed, delivery = booked(20 * worth, COIN), booked(20 * min(D("0.00015"), worth / 8), COIN)
    assert [told[one][1] for one in ("A1", "A3", "A4", "A6")] == [premium, fee, owed, delivery]
    found, flows = chain(ran, "ETH-27FEB26-2000-C")
    stored = [D(flows[kind]["amount"]) for kind in ("premium", "fee", "payoff", "delivery_fee")]
    assert stored == [premium, -fee, -owed, -delivery]
    assert [D(flows[kind]["index"]) for kind in ("premium", "fee", "payoff", "delivery_fee")] == [
        index, index, end, end,
    ]  # fmt: skip
    assert D(found.pnl) == premium - fee - owed - delivery == told["A7"][1]
    assert D(found.pnl_usd) == (premium - fee) * index - (owed + delivery) * end == told["A8"][1]
    assert flows["premium"]["at_ms"] == ms("2026-02-22T15:34:15")
    assert D(str(ran.curves["hold_to_expiry"]["price_ETH"][-1])) == D("1929.48")


@pytest.mark.parametrize(
    ("name", "day", "number", "end", "amount", "marks"),
    [
        ("6FEB26-77000-P", "2026-02-01", 175, "2026-02-06T08:00", "1.31", ("B3", "B5", "B6", "B8", "B9")),
        ("11FEB26-67000-P", "2026-02-09", 839, "2026-02-11T08:00", "1", ("C1", "C2", "C3", "C4", "C5")),
    ],
)
def test_the_puts(
    told: dict[str, tuple[str, Decimal]],
    ran: RunResult,
    name: str,
    day: str,
    number: int,
    end: str,
    amount: str,
    marks: tuple[str, ...],
) -> None:
    sold, last, coins = row(day, number, f"BTC-{name}"), price_at("BTC", end), D(amount)
    index = D(str(sold["index_price"]))
    bid = 5 * (D(str(sold["best_bid_price"])) * index * D("0.993") // 5)
    loss = D(str(sold["strike"])) - last
    rate = D(0) if marks[0] == "C1" else D("0.00015")  # the second is a daily
    fee = booked(coins * min(D("0.0003") * index, bid / 8), CENT)
    delivery = booked(coins * min(rate * last, loss / 8), CENT)
    own = [coins * bid, fee, coins * loss, delivery, coins * bid - fee - coins * loss - delivery]
    assert own == [told[one][1] for one in marks]
    found, flows = chain(ran, f"BTC_USDC-{name}")
    assert D(found.pnl) == D(found.pnl_usd) == own[-1]
    stored = [D(flows[kind]["amount"]) if kind in flows else D(0) for kind in ("premium", "fee", "payoff")]
    assert stored == [own[0], -own[1], -own[2]]
    assert D(flows["delivery_fee"]["amount"]) == -delivery if delivery else "delivery_fee" not in flows
    assert flows["premium"]["converted"] and found.detail["settled_by"] == {f"BTC_USDC-{name}": "price_0800"}


def test_positions_holding_and_what_flows_gained_are_the_change_of_equity(
    told: dict[str, tuple[str, Decimal]], ran: RunResult
) -> None:
    curve: Any = ran.curves["hold_to_expiry"]
    price = {name: [D(str(curve[f"price_{name}"][place])) for place in (0, -1)] for name in ("BTC", "ETH")}
    assert price["BTC"][0] == D(str(row("2026-02-01", 175, "BTC-6FEB26-77000-P")["index_price"]))
    holding = {name: coins * (price[name][1] - price[name][0]) for name, coins in (("BTC", 2), ("ETH", 20))}
    assert [holding["BTC"], holding["ETH"], sum(holding.values())] == [
        told[one][1] for one in ("D1", "D2", "D3")
    ]
    metrics = {(one.currency, one.name): one.value for one in ran.metrics}
    assert metrics["USD", "holding_net_profit"] == pytest.approx(float(told["D3"][1]), abs=1e-6)
    positions = sum((D(one.pnl_usd) for one in ran.chains), D(0))
    gained = sum(
        (D(one.pnl) * price[one.currency][1] - D(one.pnl_usd) for one in ran.chains if one.currency in price),
        D(0),
    )
    change = curve["equity_usd"][-1] - curve["equity_usd"][0]
    assert float(positions + gained + sum(holding.values())) == pytest.approx(change, abs=1e-6)
