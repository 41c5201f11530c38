"""The REST calls that one group's session asks for: each is out once, and tried several times."""

import asyncio
from collections.abc import Callable

from collectors.rest import RestClient
from collectors.session.answers import call_key
from collectors.session.outcome import Ask
from collectors.venue import Request
from runtime.backoff import Backoff
from runtime.errors import PayloadError, RateLimited, RefusedError, TransportError

MAX_CALLS = 256
"""Above the repairs and the snapshots of all books of a plan: a call more would count as failed."""

CALL_TRIES = 3


class Calls:
    """Makes calls beside everything else.

    Args:
        rest: makes one, inside the budget.
        backoff: delays between the tries of one.
        on_answer: takes an answer.
        on_failure: takes why there is none, and will be none.
        on_limited: hears that the venue asks for fewer calls.
    """

    def __init__(
        self,
        rest: RestClient,
        backoff: Callable[[], Backoff],
        *,
        on_answer: Callable[[Request, bytes], None],
        on_failure: Callable[[Request, str], None],
        on_limited: Callable[[str], None],
    ) -> None:
        self._rest = rest
        self._backoff = backoff
        self._on_answer = on_answer
        self._on_failure = on_failure
        self._on_limited = on_limited
        self._out: dict[str, asyncio.Task[None]] = {}

    def make(self, ask: Ask) -> None:
        """Make a call; of one that is out already the answer will do."""
        key = call_key(ask.request)
        if key in self._out:
            return
        if len(self._out) >= MAX_CALLS:
            self._on_failure(ask.request, f"more than {MAX_CALLS} calls are out")
            return
        self._out[key] = asyncio.create_task(self._make(key, ask))

    async def close(self) -> None:
        """Give up all that are out."""
        out = tuple(self._out.values())
        for call in out:
            call.cancel()
        await asyncio.gather(*out, return_exceptions=True)

    async def _make(self, key: str, ask: Ask) -> None:
        try:
            body, problem = await self._fetch(ask)
        finally:
            del self._out[key]
        if problem:
            self._on_failure(ask.request, problem)
        else:
            self._on_answer(ask.request, body)

    async def _fetch(self, ask: Ask) -> tuple[bytes, str]:
        """Return the answer to a call, or why there is none."""
        backoff, problem = self._backoff(), ""
        for attempt in range(CALL_TRIES):
            await asyncio.sleep(backoff.next_seconds() if attempt else 0)
            try:
                return await self._rest.call(ask.request, urgent=ask.urgent), ""
            except (RefusedError, PayloadError) as error:
                return b"", str(error)
            except TransportError as error:
                if isinstance(error, RateLimited):
                    self._on_limited(str(error))
                problem = str(error)
        return b"", problem
