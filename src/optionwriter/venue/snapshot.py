"""Snapshots: the whole state in a file, so that a restart replays only what came after.

A snapshot belongs to a place in the input log and is a convenience: whatever is wrong with it (torn, of other code, of
another log) it is left aside and the log is replayed from its beginning. Values are written with their types, from a
short list; what the list doesn't name refuses to be written, so that nothing of the state is lost in silence.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec

from optionwriter.core.books.account import Side
from optionwriter.core.market.instruments import Instrument, parse_instrument
from optionwriter.venue.accounts import Account
from optionwriter.venue.orders import Order, OrderState, TimeInForce, Trade
from optionwriter.venue.positions import Position
from optionwriter.venue.quotes import Liquidity
from optionwriter.venue.state import Counters, State
from optionwriter.venue.translog import LogEntry, SettlementEntry

VERSION = 1
NOT_KEPT = frozenset(("market", "events", "summaries"))
"""Fields of the state that are the feed, told already, or a cache."""

_RECORDS: dict[str, type[Any]] = {
    one.__name__: one
    for one in (Account, Counters, Liquidity, LogEntry, Order, Position, SettlementEntry, Trade)
}
_ENUMS: dict[str, type[Enum]] = {one.__name__: one for one in (OrderState, Side, TimeInForce)}
_FIELDS = {name: tuple(one.name for one in fields(record)) for name, record in _RECORDS.items()}


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the input log a snapshot stands: bytes and lines before it, and the latest instant promised."""

    log_bytes: int
    log_lines: int
    until_ms: int


def write_snapshot(path: Path, state: State, place: Place, log: Path) -> None:
    """Writes it whole or not at all. Errors: OSError; TypeError for a value that the list doesn't name."""
    seen: dict[int, int] = {}
    kept = {
        one.name: _pack(getattr(state, one.name), seen) for one in fields(state) if one.name not in NOT_KEPT
    }
    body = msgspec.json.encode(kept)
    head = {
        "snapshot": VERSION,
        "place": [place.log_bytes, place.log_lines, place.until_ms],
        "log": _mark(log, place.log_bytes),
        "fields": _FIELDS,
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    new = path.with_suffix(".new")
    with new.open("wb") as file:
        file.write(msgspec.json.encode(head) + b"\n" + body)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def read_snapshot(path: Path, state: State, log: Path) -> Place | None:
    """Fills `state` and says where its log goes on; None, and nothing changed, when there is no good snapshot."""
    try:
        raw = path.read_bytes()
        first, _, body = raw.partition(b"\n")
        head = msgspec.json.decode(first)
        place = Place(*head["place"])
        good = (
            head["snapshot"] == VERSION
            and head["fields"] == {name: list(names) for name, names in _FIELDS.items()}
            and head["sha256"] == hashlib.sha256(body).hexdigest()
            and head["log"] == _mark(log, place.log_bytes)
        )
        kept = msgspec.json.decode(body) if good else None
    except (OSError, msgspec.DecodeError, KeyError, TypeError, ValueError):
        return None
    if kept is None or set(kept) != {one.name for one in fields(state)} - NOT_KEPT:
        return None
    seen: list[object] = []
    for name, packed in kept.items():
        setattr(state, name, _unpack(packed, seen))
    return place


def _mark(log: Path, log_bytes: int) -> str:
    """What tells one log from another at a place: its first line and the bytes before; empty if it is shorter."""
    with log.open("rb") as file:
        first = file.readline()
        if file.seek(0, os.SEEK_END) < log_bytes:
            return ""
        file.seek(max(0, log_bytes - 4_096))
        return hashlib.sha256(first + file.read(log_bytes - file.tell())).hexdigest()


def _pack(value: object, seen: dict[int, int]) -> object:
    if isinstance(value, Enum):
        return {"e": [_named(value, _ENUMS), value.value]}
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, Decimal):
        return {"d": str(value)}
    if isinstance(value, list):
        return [_pack(one, seen) for one in value]
    if isinstance(value, tuple) and type(value) is tuple:
        return {"t": [_pack(one, seen) for one in value]}
    if isinstance(value, Mapping):
        return {"m": [[_pack(key, seen), _pack(one, seen)] for key, one in value.items()]}
    if isinstance(value, Instrument):
        return {"i": value.name}
    return _pack_record(value, seen)


def _pack_record(value: object, seen: dict[int, int]) -> object:
    """A record, or where it was written already: the same order is held by several."""
    if not is_dataclass(value):
        raise TypeError(f"{type(value).__name__} has no place in a snapshot: name it in venue/snapshot.py")
    name = _named(value, _RECORDS)
    if id(value) in seen:
        return {"r": seen[id(value)]}
    seen[id(value)] = len(seen)
    return {"c": [name, *(_pack(getattr(value, field), seen) for field in _FIELDS[name])]}


def _named(value: object, known: Mapping[str, type]) -> str:
    name = type(value).__name__
    if known.get(name) is not type(value):
        raise TypeError(f"{name} has no place in a snapshot: name it in venue/snapshot.py")
    return name


def _unpack(packed: object, seen: list[object]) -> object:
    if isinstance(packed, list):
        return [_unpack(one, seen) for one in packed]
    if not isinstance(packed, dict):
        return packed
    ((tag, inner),) = packed.items()
    if tag == "d":
        return Decimal(inner)
    if tag == "m":
        return {_unpack(key, seen): _unpack(one, seen) for key, one in inner}
    if tag == "t":
        return tuple(_unpack(one, seen) for one in inner)
    if tag == "i":
        return parse_instrument(inner)
    if tag == "e":
        return _ENUMS[inner[0]](inner[1])
    if tag == "r":
        return seen[inner]
    name, *values = inner
    number = len(seen)
    seen.append(None)  # numbered before what it holds, as it was written
    record = _RECORDS[name](*(_unpack(one, seen) for one in values))
    seen[number] = record
    return record
