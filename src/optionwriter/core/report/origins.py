"""Origins: where the prices came from that a run traded and settled at, and what that does to its result's worth.

Owns the words and the counts; a source says what it knows (bootstrap), the books say what was traded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from optionwriter.core.books.chains import Chain, Flow, FlowKind, LegStatus
from optionwriter.core.books.facts import Fact, Filled, Settled
from optionwriter.core.market.instruments import parse_instrument


class SettledBy(StrEnum):
    """What a delivery price is."""

    OFFICIAL = "official"  # the exchange's own
    AVERAGE = "path_average"  # the half hour's average of the price path that the source shows
    PRICE = "price_0800"  # the price of 08:00 UTC, for want of anything better


ERRORS = {
    SettledBy.OFFICIAL: "exact",
    SettledBy.AVERAGE: "exact for the path shown, whose course within the hour is made",
    SettledBy.PRICE: "within 10 bp of the official one at the median, 49 bp in 95 % of cases",
}


def _never(_product: str, _at_ms: int) -> bool:
    return False


def _average(_index: str, _at_ms: int) -> SettledBy:
    return SettledBy.AVERAGE


@dataclass(frozen=True, slots=True, eq=False)
class Origins:
    """Of a source's prices. Both first answer for a product's code and an instant."""

    repriced: Callable[[str, int], bool] = _never  # moved on from the last snapshot, not recorded then
    converted: Callable[[str, int], bool] = _never  # made from another product's recorded quotes
    settled_by: Callable[[str, int], SettledBy] = _average  # of an index name's delivery at an instant


MADE = Origins()  # nothing is recorded: a model's market, settled by its own path


def flow_origins(origins: Origins, flow: Flow) -> dict[str, bool]:
    """What is to be known of a trade's price: `repriced` and `converted`, each only where it is so."""
    if flow.kind is not FlowKind.PREMIUM:
        return {}
    code = parse_instrument(flow.instrument).product.code
    found = {"repriced": origins.repriced(code, flow.at_ms), "converted": origins.converted(code, flow.at_ms)}
    return {name: True for name, so in found.items() if so}


def chain_origins(origins: Origins, chain: Chain) -> dict[str, object]:
    """A position's: trades at repriced and at converted prices (counts), and what each settled leg was settled by."""
    told = [flow_origins(origins, one) for one in chain.flows]
    return {
        "repriced": sum("repriced" in one for one in told),
        "converted": sum("converted" in one for one in told),
        "settled_by": {
            leg.instrument: str(_settled_by(origins, leg.instrument))
            for leg in chain.legs
            if leg.status is LegStatus.SETTLED
        },
    }


def counts(origins: Origins, facts: Iterable[Fact]) -> Iterator[tuple[str, float]]:
    """Metrics of these facts: fills at repriced and at converted prices, settlements by what their price is."""
    own = list(facts)
    fills = [
        (parse_instrument(one.body.instrument).product.code, one.at_ms)
        for one in own
        if isinstance(one.body, Filled)
    ]
    ended = [_settled_by(origins, one.body.instrument) for one in own if isinstance(one.body, Settled)]
    yield "fills", float(len(fills))
    yield "fills_repriced", float(sum(origins.repriced(*one) for one in fills))
    yield "fills_converted", float(sum(origins.converted(*one) for one in fills))
    for kind in SettledBy:
        yield f"settlements_{kind}", float(ended.count(kind))


def told(style: str, origins: Origins, facts: Sequence[Fact]) -> list[str]:
    """The counts in whole sentences, those that are not 0."""
    found = dict(counts(origins, facts))
    lines = []
    if settled := sum(found[f"settlements_{kind}"] for kind in SettledBy):
        parts = [
            f"{found[f'settlements_{kind}']:.0f} by {_WORDS[kind]} ({ERRORS[kind]})"
            for kind in SettledBy
            if found[f"settlements_{kind}"]
        ]
        noun = "settlement" if settled == 1 else "settlements"
        lines.append(f"{style}: {settled:.0f} {noun}: {'; '.join(parts)}.")
    for name, what in (
        ("fills_repriced", "at prices moved on from the last snapshot, not recorded ones"),
        ("fills_converted", "in linear options whose quotes are converted from inverse ones"),
    ):
        if found[name]:
            lines.append(f"{style}: {found[name]:.0f} of {found['fills']:.0f} fills were {what}.")
    return lines


_WORDS = {
    SettledBy.OFFICIAL: "the official delivery price",
    SettledBy.AVERAGE: "the half hour's average",
    SettledBy.PRICE: "the price of 08:00 UTC",
}


def _settled_by(origins: Origins, instrument: str) -> SettledBy:
    option = parse_instrument(instrument)
    return origins.settled_by(option.product.index_name, option.expiry_ms)
