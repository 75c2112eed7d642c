"""PersistentMap: a mapping that never changes, whose successor costs the same however long it is.

Owns the trick that lets a book of a hundred thousand facts be a value: the newest version holds the one dict, every
older version holds only how it differs from the next. Reading an old version moves the dict back to it. Iteration is
in the order of insertion. One thread at a time, as the ledger (DESIGN §2).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

_ABSENT = object()


class PersistentMap(Mapping[K, V], Generic[K, V]):
    """An immutable mapping; `with_item` gives the next one in constant time."""

    __slots__ = ("_key", "_next", "_table", "_value")

    def __init__(self, items: Mapping[K, V] | None = None) -> None:
        self._table: dict[K, V] | None = dict(items) if items else {}
        self._next: PersistentMap[K, V] | None = None
        self._key: object = None  # where this version differs from the next, and its value there
        self._value: object = _ABSENT

    def with_item(self, key: K, value: V) -> PersistentMap[K, V]:
        """The mapping with `key` set; this one stays as it is."""
        table = self._own()
        newer: PersistentMap[K, V] = PersistentMap()
        newer._table = table
        self._hand_over(newer, key, table.get(key, _ABSENT))
        table[key] = value
        return newer

    def _hand_over(self, newer: PersistentMap[K, V], key: object, value: object) -> None:
        self._table, self._next, self._key, self._value = None, newer, key, value

    def _own(self) -> dict[K, V]:
        """The dict in the state of this version, taken over from the version that has it."""
        if self._table is not None:
            return self._table
        path, holder = [], self
        while holder._table is None:
            path.append(holder)
            assert holder._next is not None
            holder = holder._next
        table = holder._table
        for older in reversed(path):
            key: K = older._key  # type: ignore[assignment]  # set on every older map
            was = table.get(key, _ABSENT)
            if older._value is _ABSENT:
                del table[key]
            else:
                table[key] = older._value  # type: ignore[assignment]  # set on every older map
            holder._hand_over(older, key, was)
            older._table, older._next, older._key, older._value = table, None, None, None
            holder = older
        return table

    def __getitem__(self, key: K) -> V:
        return self._own()[key]

    def __contains__(self, key: object) -> bool:
        return key in self._own()

    def __iter__(self) -> Iterator[K]:
        return iter(tuple(self._own()))

    def __len__(self) -> int:
        return len(self._own())

    def __repr__(self) -> str:
        return f"PersistentMap({self._own()!r})"


def with_item(mapping: Mapping[K, V], key: K, value: V) -> Mapping[K, V]:
    """`mapping` with `key` set, whatever kind it is; constant time for a PersistentMap."""
    if isinstance(mapping, PersistentMap):
        return mapping.with_item(key, value)
    return {**mapping, key: value}
