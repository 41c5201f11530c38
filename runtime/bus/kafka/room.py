"""A bound on the bytes that are on their way."""

import asyncio
from collections import deque


class Room:
    """A number of bytes that are shared in the order of asking; what is larger waits for all.

    Args:
        most: how many there are.
    """

    def __init__(self, most: int) -> None:
        self._most = self._free = most
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def enter(self, size: int) -> int:
        """Wait for so much room and take it; return what is to be given back by `leave`."""
        wanted = min(size, self._most)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((wanted, turn))
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._free += wanted
            self._admit()
            raise
        return wanted

    def leave(self, taken: int) -> None:
        """Give room back."""
        self._free += taken
        self._admit()

    def _admit(self) -> None:
        while self._queue and (self._queue[0][1].cancelled() or self._queue[0][0] <= self._free):
            wanted, turn = self._queue.popleft()
            if not turn.cancelled():
                self._free -= wanted
                turn.set_result(None)
