"""Windows over holes: every missing instant is asked for once, in as few questions as their width allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from optionwriter.services.history_fetch import Wanted, fetch_history

END = 1_000


class Past:
    """An exchange whose past is one row an instant of 1 … END, and a file that has some of them."""

    def __init__(self, there: set[int], width: int) -> None:
        self.there, self.width = there, width
        self.asked: list[tuple[int, int]] = []

    def window_ms(self, _kind: str) -> int:
        return self.width

    def read(self, _kind: str, _name: str, start: int, end: int) -> Mapping[str, Sequence[object]]:
        self.asked.append((start, end))
        return {"at": list(range(start + 1, end + 1))}

    def span(self, _kind: str, _name: str) -> tuple[int, int] | None:
        return (min(self.there), max(self.there)) if self.there else None

    def holes(self, _kind: str, _name: str) -> Sequence[tuple[int, int]]:
        known = sorted(self.there)
        return [(one, after - 1) for one, after in pairwise(known) if after > one + 1]

    def merge(self, _kind: str, _name: str, columns: Mapping[str, Sequence[object]]) -> int:
        new = {int(str(one)) for one in columns["at"]} - self.there
        self.there |= new
        return len(new)


@given(st.sets(st.integers(1, END), min_size=1, max_size=30), st.sampled_from((0, 1, 7, 100, 5_000)))
def test_a_fetch_leaves_no_hole_and_asks_for_nothing_twice(there: set[int], width: int) -> None:
    past = Past(set(there), width)
    holes = past.holes("", "")
    found = fetch_history(past, past, [Wanted("prices", "BTC", 0)], END, older=True)
    assert past.there == set(range(1, END + 1)) and found[0].added == END - len(there)
    assert all(end > start and (not width or end - start <= width) for start, end in past.asked)
    ordered = sorted(past.asked)
    assert all(one[1] <= after[0] for one, after in pairwise(ordered))
    inside = [one for one in past.asked if min(there) <= one[0] and one[1] <= max(there)]
    assert len(inside) <= sum(-(-(end - start) // (width or END)) for start, end in holes)
    assert all(any(start < until and end > begin for begin, until in holes) for start, end in inside)
