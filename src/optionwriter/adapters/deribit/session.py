"""Session: everything between the desk and one exchange, put together, and the clocks that go by it.

DeribitClient → AuthorisedTransport (token) → PatientWire (credits, retries) → HttpTransport (HTTP)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from optionwriter.adapters.deribit.client import DeribitClient
from optionwriter.adapters.deribit.credits import Credits, limits_shown
from optionwriter.adapters.deribit.http import DEFAULT_TIMEOUTS, HOSTS, HttpTransport, Timeouts
from optionwriter.adapters.deribit.retries import DEFAULT_PATIENCE, Patience, PatientWire
from optionwriter.adapters.deribit.server_time import ExchangeClock, LocalClock, exchange_time
from optionwriter.adapters.deribit.token import AuthorisedTransport, Credentials, TokenOwner
from optionwriter.ports import Clock


class _Pace:
    """Seconds by which tokens and credits are counted; may be handed from one clock to another without a leap."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._shift = 0.0

    def seconds(self) -> float:
        return self._monotonic() + self._shift

    def follow(self, monotonic: Callable[[], float]) -> None:
        self._shift = self.seconds() - monotonic()
        self._monotonic = monotonic


class _Summaries(msgspec.Struct):
    summaries: list[dict[str, Any]]


class _LocalTime(msgspec.Struct):
    now_ms: int
    frozen: bool


class Session:
    """One exchange, one key. Nothing is asked until somebody asks."""

    def __init__(
        self,
        environment: str,
        monotonic: Callable[[], float],
        sleep: Callable[[float], None],
        credentials: Credentials | None = None,
        base_url: str | None = None,
        trading: bool = False,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        patience: Patience = DEFAULT_PATIENCE,
        proxy: str | None = None,
    ) -> None:
        """`monotonic` and `sleep` are real time. `base_url` is needed for `local` only. `trading`: orders will be
        sent, so the key must be allowed to. ValueError for an environment or address that is none."""
        self.http = HttpTransport(base_url or _host(environment), monotonic, timeouts, proxy)
        if environment == "local" and not self.http.is_local:
            raise ValueError(
                f"DERIBIT_ENV is local, but {self.http.host} is not this machine: orders stay here; "
                "set DERIBIT_ENV to testnet or mainnet for an exchange elsewhere"
            )
        self._pace = _Pace(monotonic)
        self._sleep = self._sleep_for_credits = sleep
        self.credits = Credits(self._pace.seconds, self._wait)
        wire = PatientWire(self.http, self.credits, monotonic, sleep, patience)
        self.owner = (
            None
            if credentials is None
            else TokenOwner(wire, credentials, environment, self._pace.seconds, trading)
        )
        self.client = DeribitClient(AuthorisedTransport(wire, self.owner), environment)
        self._monotonic = monotonic

    def close(self) -> None:
        """Hangs up."""
        self.http.close()

    def learn_limits(self) -> None:
        """Takes the rate limits that the account shows, if it shows any. Raises VenueError."""
        whole = self.client.call("private/get_account_summaries", {"extended": True}, _Summaries)
        shown = next((one["limits"] for one in whole.summaries if one.get("limits")), None)
        self.credits.learn(limits_shown(shown))

    def exchange_clock(self, machine: Clock, skew_limit_ms: int = 5_000) -> ExchangeClock:
        """The clock of a real exchange. Asks at once: raises VenueError."""
        return ExchangeClock(lambda: exchange_time(self.client), machine, self._sleep, skew_limit_ms)

    def local_clock(self, speed: float) -> LocalClock:
        """The clock of the local exchange; tokens and credits go by it from now on. Raises VenueError."""
        frozen = self.client.call("local/time", {}, _LocalTime).frozen
        clock = LocalClock(
            lambda: exchange_time(self.client),
            lambda to_ms: self.client.call("local/advance", {"to_ms": to_ms}, _LocalTime).now_ms,
            self._monotonic,
            self._sleep,
            speed,
            frozen,
        )
        self._pace.follow(clock.monotonic)
        if frozen:  # no credit comes back while the exchange's time stands still
            self._sleep_for_credits = lambda seconds: clock.sleep_until(
                clock.now_ms() + int(seconds * 1000) + 1
            )
        return clock

    def _wait(self, seconds: float) -> None:
        self._sleep_for_credits(seconds)


def _host(environment: str) -> str:
    if environment not in HOSTS:
        raise ValueError(
            f"the {environment} exchange has no address of its own: name it (for the local one "
            "http://127.0.0.1 and its port)"
        )
    return HOSTS[environment]
