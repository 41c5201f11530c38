"""Ask a venue again and again for what it has no stream of, each at its own pace."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

import structlog

from collectors.group import Group
from collectors.rest import RestClient
from collectors.session.answers import call_key
from collectors.venue import Feed, Poll, Request
from runtime.errors import PayloadError, RefusedError, TransportError
from schemas.instruments import Instrument

LEAST_SECONDS = 0.05
UNWANTED_SECONDS = 0.5
"""How soon to look again whether somebody is there to take an answer."""

_log = structlog.get_logger(__name__)


class Poller:
    """Makes the polls of one feed.

    Args:
        feed: whose polls.
        rest: calls the venue inside its budget.
        instruments: returns what is collected now.
        groups: returns who may wait for the answers.
        on_answer: records an answer and returns the time it is stamped with.
    """

    def __init__(
        self,
        feed: Feed,
        rest: RestClient,
        *,
        instruments: Callable[[], Sequence[Instrument]],
        groups: Callable[[], Iterable[Group]],
        on_answer: Callable[[Request, bytes], int],
    ) -> None:
        self._feed = feed
        self._rest = rest
        self._instruments = instruments
        self._groups = groups
        self._on_answer = on_answer
        self._due: dict[str, float] = {}

    async def run(self) -> None:
        """Poll until cancelled; returns at once where the feed polls nothing."""
        while True:
            polls = {
                call_key(one.call.request): one for one in self._feed.polls(self._instruments())
            }
            if not polls:
                return
            self._due = {key: self._due.get(key, 0.0) for key in polls}
            for key, poll in polls.items():
                if self._due[key] > _now():
                    continue
                if any(group.awaits(key) for group in self._groups()):
                    self._due[key] = _now() + poll.every_seconds
                    await self._make(key, poll)
                else:
                    self._due[key] = _now() + UNWANTED_SECONDS
            await asyncio.sleep(max(LEAST_SECONDS, min(self._due.values()) - _now()))

    async def _make(self, key: str, poll: Poll) -> None:
        try:
            body = await self._rest.call(poll.call.request)
        except (TransportError, RefusedError, PayloadError) as error:
            name = poll.stream.name
            _log.warning("poll_failed", feed=self._feed.name, stream=name, problem=str(error))
            return
        now_us = self._on_answer(poll.call.request, body)
        for group in self._groups():
            group.answer(key, body, now_us)


def _now() -> float:
    return asyncio.get_running_loop().time()
