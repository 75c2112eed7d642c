"""Secrets: texts that no repr, message or log ever shows.

A Secret travels as itself through parameters and headers and is written out in two places only: the body and the
authorisation header of a request. Whatever comes back from the wire, or is said about it, is scrubbed of it first; a
filter does the same to what libraries log.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Iterable

HIDDEN = "***"
SHORTEST = 8


class Secret:
    """A text with a repr that hides it."""

    __slots__ = ("__weakref__", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        _alive.add(self)

    def reveal(self) -> str:
        """The text itself: for the wire, and for nothing else."""
        return self._text

    def __repr__(self) -> str:
        return HIDDEN

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return HIDDEN

    def __reduce__(self) -> str:
        raise TypeError("a secret is not copied to disk or to another process")


_alive: weakref.WeakSet[Secret] = weakref.WeakSet()


class HideSecrets(logging.Filter):
    """Lets every record pass, without the secrets there are. For a logger or a handler."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true."""
        said = record.getMessage()
        hidden = scrub(said, list(_alive))
        if hidden != said:
            record.msg, record.args = hidden, None
        return True


def scrub(text: str, secrets: Iterable[Secret]) -> str:
    """The text without the secrets."""
    for found in _worth_hiding(secrets):
        text = text.replace(found, HIDDEN)
    return text


def scrub_bytes(data: bytes, secrets: Iterable[Secret]) -> bytes:
    """The bytes without the secrets; the same object when there are none in it."""
    for found in _worth_hiding(secrets):
        raw = found.encode()
        if raw in data:
            data = data.replace(raw, HIDDEN.encode())
    return data


def _worth_hiding(secrets: Iterable[Secret]) -> Iterable[str]:
    """Texts long enough not to be found by accident: the demo key's secret is the word `local`."""
    return (one.reveal() for one in secrets if len(one.reveal()) >= SHORTEST)
