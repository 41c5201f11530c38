"""Time as it is injected: the system's, or a warped one for simulated and recorded markets."""

import asyncio
import time
from typing import Protocol

from schemas.units import US_PER_SECOND


class Clock(Protocol):
    """Where a process takes the time from."""

    def now_us(self) -> int:
        """Return microseconds UTC since 1970."""
        ...

    async def sleep_until_us(self, time_us: int) -> None:
        """Return once the clock shows at least `time_us`."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_us(self) -> int:
        """Return microseconds UTC since 1970."""
        return time.time_ns() // 1000

    async def sleep_until_us(self, time_us: int) -> None:
        """Return once the clock shows at least `time_us`."""
        await asyncio.sleep(max(0, time_us - self.now_us()) / US_PER_SECOND)


class WarpedClock:
    """A clock that starts at `origin_us` when made and runs `speed` times as fast as real time.

    `started_ns` of the machine's monotonic clock instead of now makes clocks of several processes
    agree.
    """

    def __init__(self, origin_us: int, speed: float, started_ns: int | None = None) -> None:
        self._origin_us = origin_us
        self._speed = speed
        self._started_ns = time.monotonic_ns() if started_ns is None else started_ns

    def now_us(self) -> int:
        """Return microseconds UTC since 1970, as this clock sees it."""
        elapsed_ns = time.monotonic_ns() - self._started_ns
        return self._origin_us + int(elapsed_ns * self._speed) // 1000

    async def sleep_until_us(self, time_us: int) -> None:
        """Return once the clock shows at least `time_us`."""
        await asyncio.sleep(max(0, time_us - self.now_us()) / US_PER_SECOND / self._speed)
