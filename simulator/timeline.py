"""Actions at times of a clock: in time order, and in the order of entry at equal times."""

import asyncio
import heapq
from collections.abc import Callable

from runtime.clock import Clock


class Timeline:
    """Runs actions when they are due; those who enter them bound their number.

    `run` does it by itself; who must not act before what is due calls `advance` first.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._number = 0
        self._advancing = False
        self._changed = asyncio.Event()

    def at(self, time_us: int, action: Callable[[], None]) -> None:
        """Enter an action; one that is overdue waits for the next `advance` all the same."""
        self._number += 1
        heapq.heappush(self._due, (time_us, self._number, action))
        if self._due[0][1] == self._number:
            self._changed.set()

    def advance(self) -> None:
        """Run what is due, what these actions enter included; nothing from within an action."""
        if self._advancing or not self._due:
            return
        self._advancing = True
        try:
            while self._due and self._due[0][0] <= self.clock.now_us():
                heapq.heappop(self._due)[2]()
        finally:
            self._advancing = False

    async def run(self) -> None:
        """Advance whenever something is due, for ever."""
        while True:
            self._changed.clear()
            if not self._due:
                await self._changed.wait()
                continue
            sleeper = asyncio.create_task(self.clock.sleep_until_us(self._due[0][0]))
            sleeper.add_done_callback(lambda _: self._changed.set())
            try:
                await self._changed.wait()
            finally:
                sleeper.cancel()
            self.advance()
