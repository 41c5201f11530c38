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
        self._turn = asyncio.Lock()

    def record(self, request: Request, kind: FrameKind, now_us: int, body: bytes) -> None:
        """Record how a call ended, under the venue's own address of it, where that is wanted."""
        if self._on_frame is not None:
            url = self._feed.rest_url + call_key(request)
            self._on_frame(RecordedFrame(now_us, "rest", kind, url, body))

    async def call(self, request: Request) -> bytes:
        """Make one call, when the budget allows it, and return the body of its answer.

        Raises:
            RateLimited: the venue said that it was too much; nothing is sent before it is over.
            TransportError: not reached or an unclear answer; try again.
            RefusedError: the venue does not serve this, or not to this address; then nothing is
                sent for a while.
            PayloadError: the answer is too large.
        """
        await self._await_budget(request.weight)
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

    def pause(self, seconds: float) -> None:
        """Send nothing for so long."""
        now = asyncio.get_running_loop().time()
        self._open_at = max(self._open_at, now + seconds)

    async def _await_budget(self, weight: int) -> None:
        limits = self._feed.limits
        loop = asyncio.get_running_loop()
        async with self._turn:
            while True:
                now = loop.time()
                while self._spent and self._spent[0][0] <= now - limits.rest_seconds:
                    self._spent.popleft()
                spent = sum(cost for _, cost in self._spent)
                if now >= self._open_at and (
                    spent + weight <= limits.rest_weight or not self._spent
                ):
                    self._spent.append((now, weight))
                    return
                free_at = self._spent[0][0] + limits.rest_seconds if self._spent else now
                over = spent + weight > limits.rest_weight
                await asyncio.sleep(max(0.01, self._open_at - now, free_at - now if over else 0))


async def _read(response: aiohttp.ClientResponse) -> bytes:
    chunks = []
    size = 0
    async for chunk in response.content.iter_chunked(2**16):
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            break
    return b"".join(chunks)
