"""Events: tells open pages, as server-sent events, that something new was published.

Owns the one poll of the store that all streams share: off the event loop, only while somebody listens. A stream says
`version` with the number when it begins and whenever that grows, and `beat` in between, so that a page can tell a
quiet agent from a broken line. It ends when the page goes or the server is told to stop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Protocol

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from optionwriter.ports import ViewsError
from optionwriter.web import schemas

POLL_S = 0.25
BEAT_S = 10.0
RETRY_MS = 1_000


STREAMED: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {}}, "description": "A stream that does not end by itself."},
    401: {"model": schemas.Problem, "description": "Neither session nor token."},
}


class Versioned(Protocol):
    """What can be asked often whether something is new."""

    def version(self) -> int:
        """Another number whenever there is."""
        ...


class Versions:
    """The store's version number, for any number of listeners on one event loop."""

    def __init__(self, source: Versioned, poll_s: float = POLL_S, beat_s: float = BEAT_S) -> None:
        self._source, self._poll_s, self._beat_s = source, poll_s, beat_s
        self._version = -1  # not read yet
        self._changed = asyncio.Event()  # replaced with each change
        self._listeners = 0
        self._poll: asyncio.Task[None] | None = None
        self._is_closed = False

    async def stream(self) -> AsyncIterator[bytes]:
        """The events of one page."""
        self._listeners += 1
        if self._poll is None or self._poll.done():
            self._poll = asyncio.create_task(self._watch())
        told = -1
        try:
            yield f"retry: {RETRY_MS}\n\n".encode()
            while not self._is_closed:
                changed = self._changed
                if self._version != told:
                    told = self._version
                    yield f"event: version\nid: {told}\ndata: {told}\n\n".encode()
                try:
                    await asyncio.wait_for(changed.wait(), self._beat_s)
                except TimeoutError:
                    yield b"event: beat\ndata: \n\n"
        finally:
            self._listeners -= 1

    def close(self) -> None:
        """Ends all streams; the server is going. On the loop's thread."""
        self._is_closed = True
        self._tell()

    async def _watch(self) -> None:
        while self._listeners and not self._is_closed:
            try:
                version = await asyncio.to_thread(self._source.version)
            except ViewsError:
                version = 0  # the page itself says what is wrong
            if version != self._version:
                self._version = version
                self._tell()
            await asyncio.sleep(self._poll_s)

    def _tell(self) -> None:
        before, self._changed = self._changed, asyncio.Event()
        before.set()


def events(versions: Versions) -> APIRouter:
    """The route."""
    routes = APIRouter()

    @routes.get("/api/events", response_class=StreamingResponse, responses=STREAMED)
    async def stream() -> StreamingResponse:
        """Server-sent events: `version` with the number of each publication, `beat` where nothing is new."""
        return StreamingResponse(versions.stream(), media_type="text/event-stream")

    return routes
