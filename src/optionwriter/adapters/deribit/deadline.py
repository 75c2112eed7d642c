"""A deadline for a whole HTTP exchange.

A read timeout starts anew with every byte, so a server that drips one byte at a time holds a call for hours (FAULTS
F36). The streams here never wait beyond the deadline of the call in hand, whether it is connecting, sending, or reading
headers or body. Resolving a host name alone is out of reach: the system's resolver has its own limits.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable
from typing import Any

import httpcore2
import httpx2

SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]


class Deadline:
    """The end of the call in hand, on a monotonic clock."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._end: float | None = None

    def start(self, seconds: float) -> None:
        """The call in hand ends that many seconds from now."""
        self._end = self._monotonic() + seconds

    def left(self, timeout: float | None, over: type[Exception]) -> float | None:
        """The shorter of `timeout` and what is left, seconds. Raises `over` when nothing is left."""
        if self._end is None:
            return timeout
        left = self._end - self._monotonic()
        if left <= 0:
            raise over("the deadline of the whole call has passed")
        return left if timeout is None else min(timeout, left)


class _Stream(httpcore2.NetworkStream):
    def __init__(self, inner: httpcore2.NetworkStream, deadline: Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.left(timeout, httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._deadline.left(timeout, httpcore2.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        left = self._deadline.left(timeout, httpcore2.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore2.NetworkBackend):
    def __init__(self, deadline: Deadline) -> None:
        self._inner = httpcore2.SyncBackend()
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore2.NetworkStream:
        left = self._deadline.left(timeout, httpcore2.ConnectTimeout)
        return _Stream(
            self._inner.connect_tcp(host, port, left, local_address, socket_options), self._deadline
        )


class DeadlineTransport(httpx2.HTTPTransport):
    """httpx2's transport over streams that keep the deadline. One connection, kept alive; no retries of its own."""

    def __init__(self, deadline: Deadline, secure: bool, proxy: str | None, keepalive_s: float) -> None:
        """`secure` loads the certificates that https needs; without it https is refused."""
        bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context = httpx2.create_ssl_context(trust_env=False) if secure else bare
        super().__init__(verify=context, trust_env=False)
        self._pool.close()
        self._pool = httpcore2.ConnectionPool(
            ssl_context=context,
            proxy=None if proxy is None else httpcore2.Proxy(proxy),
            max_connections=1,
            max_keepalive_connections=1,
            keepalive_expiry=keepalive_s,
            network_backend=_Backend(deadline),
        )

    def hang_up(self) -> None:
        """Closes the connection; the next call opens another."""
        self._pool.close()
