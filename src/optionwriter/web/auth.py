"""Auth: who may ask. A token for programs, a session made from it for browsers.

Keeps: nothing is compared but in constant time; the cookie holds no token, only a keyed hash with the instant of its
signing in; only failed sign-ins are counted, and too many make all of them wait a little, while who is in stays in.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import deque
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie

SESSION_S = 30 * 86_400
MOST_FAILURES = 10
WITHIN_MS = 60_000


class Auth:
    """One token's checks. `now_ms` is the machine's clock."""

    def __init__(self, token: str, now_ms: Callable[[], int]) -> None:
        self._token = token.encode()
        self._now_ms = now_ms
        self._failures: deque[int] = deque(maxlen=MOST_FAILURES)
        # Cookies know no ports: two pages on one machine need two names.
        self.cookie = f"optionwriter_{hashlib.sha256(b'name ' + self._token).hexdigest()[:8]}"

    def knows(self, token: str) -> bool:
        """Whether it is the token."""
        return hmac.compare_digest(token.encode("utf-8", "surrogateescape"), self._token)

    def session(self) -> str:
        """A new session's cookie value."""
        since = str(self._now_ms() // 1000)
        return f"{since}.{self._mark(since)}"

    def has_session(self, cookies: str) -> bool:
        """Whether a Cookie header holds a session of ours that is not over."""
        try:
            found = SimpleCookie(cookies).get(self.cookie)
        except CookieError:
            return False
        since, _, mark = ("" if found is None else found.value).partition(".")
        if not hmac.compare_digest(mark.encode(), self._mark(since).encode()):
            return False
        return self._now_ms() // 1000 - int(since) < SESSION_S

    def has_bearer(self, header: str) -> bool:
        """Whether an Authorization header carries the token."""
        kind, _, token = header.partition(" ")
        return kind.lower() == "bearer" and self.knows(token.strip())

    def wait_s(self) -> int:
        """Seconds until a sign-in is looked at again; 0: now."""
        if len(self._failures) < MOST_FAILURES:
            return 0
        return max(0, -(-(self._failures[0] + WITHIN_MS - self._now_ms()) // 1000))

    def failed(self) -> None:
        """Counts a sign-in that failed."""
        self._failures.append(self._now_ms())

    def _mark(self, since: str) -> str:
        return hmac.new(self._token, f"session {since}".encode(), hashlib.sha256).hexdigest()
