"""What the group says about partitions, kept until the poller has followed it."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field

from aiokafka import ConsumerRebalanceListener, TopicPartition

Places = frozenset[TopicPartition]
Follow = Callable[[bool, Places], Awaitable[None]]


@dataclass(slots=True, eq=False)
class _Turn:
    given: bool
    places: Places
    begun: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Turns:
    """Partitions that were given or are taken away, in order.

    The group waits where they are taken away, and not where they are given: a member that took its
    time with that would send no sign of life meanwhile, and be missed.
    """

    def __init__(self) -> None:
        self._turns: deque[_Turn] = deque()
        self._news = asyncio.Event()
        self._open = True

    @property
    def waiting(self) -> bool:
        """Whether there is something to follow."""
        return bool(self._turns)

    def given(self, places: Places) -> None:
        """Say that partitions are ours from now on."""
        if self._open:
            self._add(_Turn(given=True, places=places))

    async def taken(self, places: Places) -> None:
        """Say that partitions go away, and wait until that was followed."""
        if not places or not self._open:
            return
        if self._turns and not self._turns[-1].begun:
            self._turns.pop()  # given and taken away before anybody began with them
            return
        turn = _Turn(given=False, places=places)
        self._add(turn)
        await turn.over.wait()

    async def wait(self) -> None:
        """Wait until there is something to follow, or nothing any more."""
        await self._news.wait()

    async def follow(self, follow: Follow) -> bool:
        """Follow all that was said; return whether partitions were given.

        Where following fails, what was given stays to be followed again, from its beginning; what
        was taken away is gone.

        Args:
            follow: called with whether partitions are given, and which.
        """
        given = False
        while self._turns:
            turn = self._turns[0]
            turn.begun = True
            try:
                await follow(turn.given, turn.places)
            except BaseException:
                if not turn.given:
                    self._end(turn)
                raise
            self._end(turn)
            given = given or turn.given
        if self._open:
            self._news.clear()
        return given

    def let_go(self) -> None:
        """Let nobody wait any more: the consumer is being closed."""
        self._open = False
        for turn in self._turns:
            turn.over.set()
        self._turns.clear()
        self._news.set()

    def _add(self, turn: _Turn) -> None:
        self._turns.append(turn)
        self._news.set()

    def _end(self, turn: _Turn) -> None:
        turn.over.set()
        if turn in self._turns:
            self._turns.remove(turn)


class Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is not typed
    """Hands on what the client's coordinator says."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Wait for the poller."""
        await self._turns.taken(frozenset(revoked))

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Go on at once."""
        self._turns.given(frozenset(assigned))
