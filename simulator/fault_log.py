"""What a fault has done so far: the record by which a test knows what must be found."""

import asyncio
from dataclasses import dataclass, field

from runtime.clock import Clock
from simulator.faults import Fault, stream_of

KEPT_FRAMES = 10_000


@dataclass(slots=True)
class Room:
    """How many lost frames may still be kept; shared by all faults of a simulator."""

    frames: int = KEPT_FRAMES


@dataclass(slots=True, eq=False)
class Applied:
    """One fault that was applied, or will be at `began_us`.

    `touched` counts what it acted on (frames, connections, requests); times are the market's.
    `dropped` holds the lost frames as `(stream, frame)` while there is room: 10,000 in all of a
    simulator; where it is shorter than `touched`, the last ones are missing from it. `released`
    is set at the end of its time, not where it has merely reached its `count`: what it holds
    back waits for that.
    """

    fault: Fault
    clock: Clock = field(repr=False)
    room: Room = field(repr=False)
    began_us: int
    begun: bool = False
    ended_us: int | None = None
    touched: int = 0
    dropped: list[tuple[str, bytes]] = field(default_factory=list, repr=False)
    released: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    @property
    def holds(self) -> bool:
        """Whether the fault still acts on what comes."""
        return self.ended_us is None

    def touch(self, number: int = 1) -> None:
        """Count what the fault acts on; where that reaches its `count` it acts no more."""
        self.touched += number
        if self.fault.count is not None and self.touched >= self.fault.count:
            self._note_end()

    def lose(self, key: str, data: bytes) -> None:
        """Keep a lost frame where there is room."""
        if self.room.frames > 0:
            self.room.frames -= 1
            self.dropped.append((stream_of(key), data))

    def end(self) -> None:
        """Act no more and let go of what is held back."""
        self._note_end()
        self.released.set()

    def _note_end(self) -> None:
        if self.ended_us is None:
            self.ended_us = self.clock.now_us()
