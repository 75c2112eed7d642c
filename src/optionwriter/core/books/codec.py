"""The codec of facts: one line of canonical JSON each, and back without loss.

Owns the written form: keys sorted, no blanks, ASCII, Decimals as strings that keep their digits. A kind or version
that this code doesn't know is refused, never guessed at; so is a missing, extra or misshapen field.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any, NamedTuple, get_args, get_type_hints

from optionwriter.core.books.facts import Body, Fact, FactError, Intent

VERSIONS: dict[str, int] = {body.__name__: 1 for body in get_args(Body)}

_ENVELOPE = ("seq", "at_ms", "recorded_ms", "account", "strategy_id", "decision_id", "chain_id", "version")
_Turn = Callable[[Any], Any]  # one value, from or to its written form


class _Form(NamedTuple):
    """How one type is written and read; both refuse another type's value with FactError."""

    write: _Turn
    read: _Turn


def to_json(fact: Fact) -> str:
    """The fact's canonical line. Errors: FactError for what could not be read back (version, NaN, wrong types)."""
    _check_version(fact.seq, fact.kind, fact.version)
    try:
        document = {name: form.write(getattr(fact, name)) for name, form in _HEAD}
        document["kind"] = fact.kind
        document["body"] = _BODIES[fact.kind].write(fact.body)
    except FactError as error:
        raise FactError(f"fact {fact.seq} ({fact.kind}) cannot be written: {error}") from None
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


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
        head = {name: form.read(document[name]) for name, form in _HEAD}
        return Fact(body=_BODIES[kind].read(document["body"]), **head)
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


def _exactly(kind: type, noun: str) -> _Form:
    def same(value: object) -> object:
        if type(value) is not kind:
            raise FactError(f"{value!r} is no {noun}")
        return value

    return _Form(same, same)


_TEXT, _WHOLE, _FLAG = _exactly(str, "text"), _exactly(int, "whole number"), _exactly(bool, "yes or no")


def _write_decimal(value: object) -> str:
    if type(value) is not Decimal:
        raise FactError(f"{value!r} is no Decimal")
    if not value.is_finite():
        raise FactError(f"{value} is not finite")
    return str(value)


def _read_decimal(value: object) -> Decimal:
    try:
        number = Decimal(_TEXT.read(value))
    except InvalidOperation:
        raise FactError(f"{value!r} is no decimal number") from None
    if not number.is_finite():
        raise FactError(f"{value!r} is not finite")
    return number


def _member(kind: type[Enum]) -> _Form:
    members = {one.value: one for one in kind}

    def write(value: object) -> object:
        if not isinstance(value, kind):
            raise FactError(f"{value!r} is no {kind.__name__}")
        return value.value

    def read(value: object) -> Enum:
        if not isinstance(value, str) or value not in members:
            raise FactError(f"{value!r} is no {kind.__name__}")
        return members[value]

    return _Form(write, read)


def _many(inner: _Form, length: int | None = None) -> _Form:
    """A tuple of `inner`, of any length or just one."""

    def turn(value: object, source: type, one: _Turn) -> list[Any]:
        if type(value) is not source or (length is not None and len(value) != length):  # type: ignore[arg-type]  # a list or tuple by now
            raise FactError(f"{value!r} is no {source.__name__} of {length or 'texts'}")
        return [one(part) for part in value]  # type: ignore[attr-defined]  # checked above

    return _Form(
        lambda value: turn(value, tuple, inner.write), lambda value: tuple(turn(value, list, inner.read))
    )


def _record(kind: type) -> _Form:
    """`kind` by its annotations."""
    forms = tuple((name, _form(hint)) for name, hint in get_type_hints(kind).items())
    names = {name for name, _ in forms}

    def write(value: object) -> dict[str, Any]:
        if type(value) is not kind:
            raise FactError(f"{value!r} is no {kind.__name__}")
        return {name: form.write(getattr(value, name)) for name, form in forms}

    def read(value: object) -> object:
        if not isinstance(value, dict) or value.keys() != names:
            raise FactError(f"{kind.__name__} has the fields {', '.join(sorted(names))}, not {value!r:.200}")
        return kind(*[form.read(value[name]) for name, form in forms])

    return _Form(write, read)


def _form(hint: Any) -> _Form:
    plain: dict[Any, _Form] = {
        str: _TEXT,
        int: _WHOLE,
        bool: _FLAG,
        Decimal: _Form(_write_decimal, _read_decimal),
        tuple[str, ...]: _many(_TEXT),
        tuple[tuple[str, str], ...]: _many(_many(_TEXT, 2)),
    }
    if hint in plain:
        return plain[hint]
    return _record(Intent) if hint is Intent else _member(hint)


_BODIES: dict[str, _Form] = {body.__name__: _record(body) for body in get_args(Body)}
_HEAD = tuple((name, _form(get_type_hints(Fact)[name])) for name in _ENVELOPE)
_KEYS = {*_ENVELOPE, "kind", "body"}
