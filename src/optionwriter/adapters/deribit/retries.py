"""Retries: which calls may be made again, and when.

    reads (public/…, private/get_…, and public/auth)   up to four times, while the wire fails or the exchange is unwell
    cancellations                                      once more: cancelling what is cancelled changes nothing
    everything else, buy, sell and edit above all      never: the exchange deduplicates nothing (FACTS §2)

Every try draws on the credits. A reply that would come the same again (too large, a redirect) is not asked for twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from optionwriter.adapters.deribit.credits import Credits
from optionwriter.adapters.deribit.http import Answer, UnusableReplyError
from optionwriter.adapters.deribit.secret import Secret
from optionwriter.ports import TransportError

TOO_MANY_REQUESTS = 10028
# The exchange is busy, settling, in maintenance or unwell, and may serve the same call a little later (FACTS §6).
RETRY_SAFE = frozenset({TOO_MANY_REQUESTS, 10040, 10041, 10047, 10066, 11051, 11094, 13028, 13888})


class Wire(Protocol):
    """One JSON-RPC call with or without a token."""

    def post(self, method: str, params: Mapping[str, object], bearer: Secret | None) -> Answer:
        """Raises TransportError, NotSentError."""
        ...


@dataclass(frozen=True, slots=True)
class Patience:
    """Waits double from the first; no try begins later than `total_s` after the first began."""

    read_tries: int = 4
    cancel_tries: int = 2
    first_wait_s: float = 0.25
    longest_wait_s: float = 4.0
    total_s: float = 30.0


DEFAULT_PATIENCE = Patience()


def is_read(method: str) -> bool:
    """Whether calling it twice changes nothing; a second token is no harm either."""
    return method.startswith(("public/", "private/get_"))


def is_cancel(method: str) -> bool:
    """Whether it takes orders out of the market."""
    return method.startswith("private/cancel")


class PatientWire:
    """A wire with credits and retries."""

    def __init__(
        self,
        wire: Wire,
        credits: Credits,
        monotonic: Callable[[], float],
        sleep: Callable[[float], None],
        patience: Patience = DEFAULT_PATIENCE,
    ) -> None:
        self._wire = wire
        self._credits = credits
        self._monotonic = monotonic
        self._sleep = sleep
        self._patience = patience

    def post(self, method: str, params: Mapping[str, object], bearer: Secret | None) -> Answer:
        """The first good reply, or the last failure. Raises TransportError, NotSentError."""
        patience = self._patience
        tries = patience.read_tries if is_read(method) else patience.cancel_tries if is_cancel(method) else 1
        begun, wait = self._monotonic(), patience.first_wait_s
        while True:
            self._credits.take(method)
            tries -= 1
            try:
                answer = self._wire.post(method, params, bearer)
            except UnusableReplyError:
                raise
            except TransportError:
                if not self._may_retry(tries, begun, wait):
                    raise
            else:
                if answer.error is not None and answer.error.code == TOO_MANY_REQUESTS:
                    self._credits.ran_dry(method)
                if answer.error is None or answer.error.code not in RETRY_SAFE:
                    return answer
                if not self._may_retry(tries, begun, wait):
                    return answer
            self._sleep(wait)
            wait = min(2 * wait, patience.longest_wait_s)

    def _may_retry(self, tries: int, begun: float, wait: float) -> bool:
        return tries > 0 and self._monotonic() - begun + wait <= self._patience.total_s
