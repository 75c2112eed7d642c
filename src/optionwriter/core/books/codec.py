"""The codec of facts: one line of canonical JSON each, and back without loss.

Owns the written form: keys sorted, no blanks, ASCII, Decimals as strings that keep their digits. A kind or version
that this code doesn't know is refused, never guessed at; so is a missing, extra or misshapen field.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any, get_args, get_type_hints

from optionwriter.core.books.facts import Body, Fact, FactError, Intent

VERSIONS: dict[str, int] = {body.__name__: 1 for body in get_args(Body)}

_ENVELOPE = ("seq", "at_ms", "recorded_ms", "account", "strategy_id", "decision_id", "chain_id", "version")
_Reader = Callable[[Any], Any]


def to_json(fact: Fact) -> str:
    """The fact's canonical line. Errors: FactError for an unwritable one (version, NaN, wrong types)."""
    _check_version(fact.seq, fact.kind, fact.version)
    document = {name: getattr(fact, name) for name in _ENVELOPE}
    document["kind"] = fact.kind
    document["body"] = _plain(fact.body)
    try:
        return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise FactError(f"fact {fact.seq} ({fact.kind}) cannot be written: {error}") from None


def from_json(line: str) -> Fact:
    """The fact that `line` holds. Errors: FactError names what is wrong and, for a newer kind, the cure."""
    try:
        document = json.loads(line)
        kind, seq = document["kind"], document["seq"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise FactError(f"{line[:60]!r} is no fact: the ledger is damaged there") from None
    _check_version(seq, kind, document.get("version"))
    try:
        if document.keys() != _KEYS:
            raise FactError(f"its fields differ from an envelope's: {sorted(document.keys() ^ _KEYS)}")
        head = {name: read(document[name]) for name, read in _HEAD}
        return Fact(body=_READERS[kind](document["body"]), **head)
    except FactError as error:
        raise FactError(f"fact {seq} ({kind}): {error}") from None


def _check_version(seq: object, kind: object, version: object) -> None:
    known = VERSIONS.get(kind) if isinstance(kind, str) else None
    if known is None:
        raise FactError(f"fact {seq} is of the unknown kind {kind!r}: upgrade optionwriter to read it")
    if version != known or isinstance(version, bool):
        raise FactError(
            f"fact {seq} is a {kind} of version {version}, this optionwriter knows version {known}: "
            "upgrade optionwriter to read it"
        )


def _plain(value: object) -> object:
    """`value` as JSON's own kinds, by its fields."""
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise FactError(f"{value} cannot be written: amounts and prices are finite")
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (str, int)):
        return value
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}  # type: ignore[arg-type]


def _text(value: object) -> str:
    if type(value) is not str:
        raise FactError(f"{value!r} is no text")
    return value


def _whole(value: object) -> int:
    if type(value) is not int:
        raise FactError(f"{value!r} is no whole number")
    return value


def _decimal(value: object) -> Decimal:
    try:
        number = Decimal(_text(value))
    except InvalidOperation:
        raise FactError(f"{value!r} is no decimal number") from None
    if not number.is_finite():
        raise FactError(f"{value!r} is not finite")
    return number


def _member(kind: type[Enum]) -> _Reader:
    members = {one.value: one for one in kind}

    def read(value: object) -> Enum:
        if not isinstance(value, str) or value not in members:
            raise FactError(f"{value!r} is no {kind.__name__}")
        return members[value]

    return read


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise FactError(f"{value!r} is no list")
    return tuple(_text(one) for one in value)


def _pairs(value: object) -> tuple[tuple[str, ...], ...]:
    if not isinstance(value, list) or any(not isinstance(one, list) or len(one) != 2 for one in value):
        raise FactError(f"{value!r} is no list of pairs")
    return tuple(_texts(one) for one in value)


def _record(kind: type) -> _Reader:
    """A reader of `kind` from its annotations, made once."""
    readers = tuple((name, _reader(hint)) for name, hint in get_type_hints(kind).items())
    names = {name for name, _ in readers}

    def read(value: object) -> object:
        if not isinstance(value, dict) or value.keys() != names:
            raise FactError(f"{kind.__name__} has the fields {', '.join(sorted(names))}, not {value!r:.200}")
        return kind(*[reader(value[name]) for name, reader in readers])

    return read


def _reader(hint: Any) -> _Reader:
    plain: dict[Any, _Reader] = {
        str: _text,
        int: _whole,
        Decimal: _decimal,
        tuple[str, ...]: _texts,
        tuple[tuple[str, str], ...]: _pairs,
    }
    if hint in plain:
        return plain[hint]
    return _record(Intent) if hint is Intent else _member(hint)


_READERS: dict[str, _Reader] = {body.__name__: _record(body) for body in get_args(Body)}
_HEAD = tuple((name, _reader(get_type_hints(Fact)[name])) for name in _ENVELOPE)
_KEYS = {*_ENVELOPE, "kind", "body"}
