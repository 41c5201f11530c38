"""REST calls to one venue inside its budget: the same for instruments, snapshots and missed trades.

Limits are per address, so all calls of a feed go through one client. A venue that says when to come
back is obeyed by every call that waits.
"""

import asyncio
from collections import deque
from collections.abc import Callable

import aiohttp

from collectors.refusals import refusal
from collectors.session.answers import call_key
from collectors.venue import Feed, Request
from runtime.errors import PayloadError, RateLimited, RefusedError, TransportError
from runtime.recordings import FrameKind, RecordedFrame

TIMEOUT = aiohttp.ClientTimeout(total=30, connect=10)
MAX_BODY_BYTES = 64 * 2**20
HEAD_BYTES = 200
"""Where an answer has its code, if it has one."""

LEAST_WAIT_SECONDS = 0.01

OnFrame = Callable[[RecordedFrame], None]
"""Sees everything that happens between us and a venue, e.g. a recorder."""


class RestClient:
    """Calls one feed's REST service.

    Args:
        feed: whose limits hold.
        base_url: its address.
        http: the connection pool.
        on_frame: sees the answers that are recorded.
    """

    def __init__(
        self,
        feed: Feed,
        base_url: str,
        http: aiohttp.ClientSession,
        on_frame: OnFrame | None = None,
    ) -> None:
        self._feed = feed
        self._base_url = base_url
        self._http = http
        self._on_frame = on_frame
        self._spent: deque[tuple[float, int]] = deque()
        self._open_at = 0.0
        self._queues = asyncio.Lock(), asyncio.Lock()
        """Who waits for the budget: calls that are not urgent, and those that are."""
        self._urgent = 0

    def record(self, request: Request, kind: FrameKind, now_us: int, body: bytes) -> None:
        """Record how a call ended, under the venue's own address of it, where that is wanted."""
        if self._on_frame is not None:
            url = self._feed.rest_url + call_key(request)
            self._on_frame(RecordedFrame(now_us, "rest", kind, url, body))

    async def call(self, request: Request, *, urgent: bool = False) -> bytes:
        """Make one call, when the budget allows it, and return the body of its answer.

        One that is `urgent` is made before all that wait and are not.

        Raises:
            RateLimited: the venue said that it was too much, or that it is busy; nothing is sent
                before it is over.
            TransportError: not reached or an unclear answer; try again.
            RefusedError: the venue does not serve this, or not to this address; then nothing is
                sent for a while.
            PayloadError: the answer is too large.
        """
        await self._enter(request.weight, urgent=urgent)
        headers = {"Content-Type": "application/json"} if request.body is not None else {}
        try:
            async with self._http.request(
                request.method,
                self._base_url + request.path,
                data=request.body,
                headers=headers,
                timeout=TIMEOUT,
            ) as response:
                self._check_status(response)
                body = await _read(response)
        except (TimeoutError, aiohttp.ClientError, OSError, UnicodeError) as error:
            what = str(error) or type(error).__name__
            raise TransportError(f"{self._feed.venue} REST: {what}") from error
        if len(body) > MAX_BODY_BYTES:
            detail = f"{self._feed.venue} sent more than {MAX_BODY_BYTES} bytes"
            raise PayloadError("oversized", detail)
        self._check_body(body)
        return body

    def _check_status(self, response: aiohttp.ClientResponse) -> None:
        status, venue = response.status, self._feed.venue
        refused = refusal(venue, status, response.headers.getall("Retry-After", ()))
        if isinstance(refused, RateLimited):
            self.pause(refused.retry_after_seconds or 0.0)
        if isinstance(refused, RefusedError):
            self.pause(self._feed.limits.denied_seconds)
        if refused is not None:
            raise refused
        if 400 <= status < 500 and status != 408:
            raise RefusedError(f"{venue} does not serve this call (HTTP {status})")
        if status >= 400:
            raise TransportError(f"{venue} answered HTTP {status}")

    def _check_body(self, body: bytes) -> None:
        limits = self._feed.limits
        if limits.busy is not None and limits.busy.search(body, 0, HEAD_BYTES):
            self.pause(limits.rest_seconds)
            why = body[:HEAD_BYTES].decode("ascii", "backslashreplace")
            raise RateLimited(f"{self._feed.venue} answered: {why}", limits.rest_seconds)

    def pause(self, seconds: float) -> None:
        """Send nothing for so long."""
        now = asyncio.get_running_loop().time()
        self._open_at = max(self._open_at, now + seconds)

    async def _enter(self, weight: int, *, urgent: bool) -> None:
        """Return when the budget has room; each queue is in order, and that of the urgent first."""
        self._urgent += urgent
        try:
            async with self._queues[urgent]:
                while True:
                    wait = self._wait_seconds(weight)
                    if not wait and (urgent or not self._urgent):
                        break
                    await asyncio.sleep(max(LEAST_WAIT_SECONDS, wait))
                self._spent.append((asyncio.get_running_loop().time(), weight))
        finally:
            self._urgent -= urgent

    def _wait_seconds(self, weight: int) -> float:
        """Return how long nothing of this weight may be sent, 0 where it may."""
        limits, spent = self._feed.limits, self._spent
        now = asyncio.get_running_loop().time()
        while spent and spent[0][0] <= now - limits.rest_seconds:
            spent.popleft()
        wait = self._open_at - now
        if spent and sum(cost for _, cost in spent) + weight > limits.rest_weight:
            wait = max(wait, spent[0][0] + limits.rest_seconds - now)
        return max(wait, 0.0)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    chunks = []
    size = 0
    async for chunk in response.content.iter_chunked(2**16):
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            break
    return b"".join(chunks)
