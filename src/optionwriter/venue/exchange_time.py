"""Exchange time under a server: real time while requests are in flight, jumps between.

Exchange now is the last jump's instant plus the real time since, or plus nothing when frozen, so that runs repeat
exactly. It never goes back, whatever the machine's clock does.
"""

from __future__ import annotations

from collections.abc import Callable


class ExchangeTime:
    """Maps the caller's monotonic seconds to exchange milliseconds."""

    def __init__(self, start_ms: int, monotonic: Callable[[], float], frozen: bool = False) -> None:
        self.frozen = frozen
        self._monotonic = monotonic
        self._base_us = start_ms * 1_000
        self._base_s = monotonic()
        self._latest_us = self._base_us

    def now_us(self) -> int:
        """Exchange time in microseconds: what tokens and credits live by, so that they mean the same at any pace."""
        if not self.frozen:
            passed_us = round((self._monotonic() - self._base_s) * 1_000_000)
            self._latest_us = max(self._latest_us, self._base_us + passed_us)
        return self._latest_us

    def now_ms(self) -> int:
        """Exchange time."""
        return self.now_us() // 1_000

    def jump(self, to_ms: int) -> None:
        """Real time goes on from `to_ms`; an instant that has passed changes nothing."""
        if to_ms * 1_000 > self.now_us():
            self._base_us = self._latest_us = to_ms * 1_000
            self._base_s = self._monotonic()
