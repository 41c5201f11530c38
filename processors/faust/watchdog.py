"""Ends a process that gets nowhere, so that its supervisor starts another."""

import os
import threading
import time
from collections.abc import Callable

import structlog

EXIT_CODE = 70
LOOK_SECONDS = 1.0
_log = structlog.get_logger(__name__)


class Watchdog:
    """Ends the process when its loop stands still, or records wait and none is worked off.

    It watches from a thread of its own. What it watches tells it with `turned_at` and `moved_at`,
    in the time of `time.monotonic`.

    Args:
        seconds: for how long that may be.
        end: what ends the process.
    """

    def __init__(self, seconds: float, end: Callable[[int], object] = os._exit) -> None:
        self.seconds = seconds
        self.turned_at = self.moved_at = 0.0
        self._end = end
        self._over = threading.Event()

    def start(self) -> None:
        """Begin to watch."""
        self._over.clear()
        self.turned_at = self.moved_at = time.monotonic()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def stop(self) -> None:
        """Watch no longer."""
        self._over.set()

    def hurry(self, seconds: float) -> None:
        """End the process in so many seconds, unless it ends by itself or this is stopped."""
        self.seconds = seconds
        self.turned_at = self.moved_at = time.monotonic()

    def _watch(self) -> None:
        pace = min(LOOK_SECONDS, self.seconds / 4)
        looked_at = woken_at = time.monotonic()
        while not self._over.wait(pace):
            now = time.monotonic()
            if now - looked_at > self.seconds / 2:
                woken_at = now  # this thread stood still as well: the loop may find its feet
            looked_at = now
            loop, work = (now - max(at, woken_at) for at in (self.turned_at, self.moved_at))
            if max(loop, work) > self.seconds:
                _log.error("process_stands_still", loop_seconds=loop, work_seconds=work)
                self._end(EXIT_CODE)
                return
