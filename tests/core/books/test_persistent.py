"""PersistentMap against plain dicts copied at every step."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from optionwriter.core.books.persistent import PersistentMap, with_item

Steps = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 6), st.integers()), max_size=60)


@given(Steps, st.lists(st.integers(0, 60), max_size=20))
def test_every_version_is_what_a_copy_would_be(steps: list[tuple[int, int, int]], reads: list[int]) -> None:
    """Each step extends any earlier version, so that histories branch; then versions are read in any order."""
    versions: list[PersistentMap[int, int]] = [PersistentMap()]
    copies: list[dict[int, int]] = [{}]
    for parent, key, value in steps:
        parent %= len(versions)
        versions.append(versions[parent].with_item(key, value))
        copies.append({**copies[parent], key: value})
    for read in reads:
        read %= len(versions)
        assert dict(versions[read]) == copies[read]
        assert [key in versions[read] for key in range(7)] == [key in copies[read] for key in range(7)]
    for version, copy in zip(versions, copies, strict=True):
        assert version == copy and len(version) == len(copy)
        assert list(version) == list(copy)  # in the order of insertion


def test_two_versions_can_be_walked_at_once() -> None:
    old: PersistentMap[str, int] = PersistentMap({"a": 1, "b": 2})
    new = old.with_item("c", 3).with_item("a", 9)
    assert [(key, old[key], new[key]) for key in old for _ in new] == [("a", 1, 9)] * 3 + [("b", 2, 2)] * 3
    assert old != new and new == {"a": 9, "b": 2, "c": 3}


def test_a_long_history_kept_from_its_beginning_can_be_let_go() -> None:
    first: PersistentMap[int, int] = PersistentMap()
    last = first
    for key in range(200_000):
        last = last.with_item(key, key)
    assert len(last) == 200_000
    del last  # the chain of differences hangs on `first` alone now
    assert len(first) == 0
    del first


def test_a_plain_mapping_is_copied() -> None:
    plain = {"a": 1}
    assert with_item(plain, "b", 2) == {"a": 1, "b": 2} and plain == {"a": 1}
