"""Faults of data frames, pure: each is a stage that frames pass on their way to the clients."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from random import Random

from simulator.client import Client
from simulator.dialects.base import Frame
from simulator.fault_log import Applied
from simulator.faults import (
    Corrupt,
    Delay,
    Duplicate,
    Fault,
    Reorder,
    SomeFrames,
    Truncate,
)
from simulator.timeline import Timeline

HELD_FRAMES = 10_000
_US_PER_MS = 1000
_ASCII = 0x80


@dataclass(frozen=True, slots=True)
class Flight:
    """A frame on its way, and the clients that were subscribed when it was published."""

    frame: Frame
    clients: tuple[Client, ...] = ()


class Stage:
    """What one fault does to the frames that pass; this one lets them pass.

    `armed` says that its next release is entered in the timeline.
    """

    def __init__(self, applied: Applied, rng: Random) -> None:
        self.applied = applied
        self.armed = False
        self._rng = rng
        self._seen = 0

    @property
    def due_us(self) -> int | None:
        """When the oldest held frame is to go, None where none is held."""
        return None

    def take(self, flight: Flight, now_us: int) -> list[Flight]:
        """Return what comes out when a frame goes in."""
        return [flight]

    def release(self, now_us: int) -> list[Flight]:
        """Return the held frames whose time has come."""
        return []

    def _picks(self, key: str) -> bool:
        """Choose a frame and count it."""
        fault = self.applied.fault
        if not self.applied.holds or not fault.concerns(key):
            return False
        self._seen += 1
        if isinstance(fault, SomeFrames) and not self._chance(fault):
            return False
        self.applied.touch()
        return True

    def _chance(self, fault: SomeFrames) -> bool:
        if self._seen % fault.every:
            return False
        return fault.probability == 1.0 or self._rng.random() < fault.probability


class _Changing(Stage):
    """Drops, duplicates and changes frames."""

    def take(self, flight: Flight, now_us: int) -> list[Flight]:
        """Return the frame, or what became of it."""
        frame = flight.frame
        if not self._picks(frame.key):
            return [flight]
        after = _changed(self.applied.fault, frame.data, self._rng)
        if not after:
            self.applied.lose(frame.key, frame.data)
        return [replace(flight, frame=Frame(frame.key, data)) for data in after]


class _Delaying(Stage):
    """Holds frames back, in order."""

    def __init__(self, fault: Delay, applied: Applied, rng: Random) -> None:
        super().__init__(applied, rng)
        self._fault = fault
        self._held: deque[tuple[int, Flight]] = deque()

    @property
    def due_us(self) -> int | None:
        """When the oldest held frame is to go."""
        return self._held[0][0] if self._held else None

    def take(self, flight: Flight, now_us: int) -> list[Flight]:
        """Hold a frame that is chosen or is behind one; let one go early where it is full."""
        due_us = now_us
        if self._picks(flight.frame.key):
            share = self._rng.uniform(self._fault.at_least_ms, self._fault.up_to_ms)
            due_us += round(share * _US_PER_MS)
        behind = bool(self._held) and self._fault.concerns(flight.frame.key)
        if not behind and due_us == now_us:
            return [flight]
        self._held.append((due_us, flight))
        return [self._held.popleft()[1]] if len(self._held) > HELD_FRAMES else []

    def release(self, now_us: int) -> list[Flight]:
        """Return the held frames whose time has come."""
        out = []
        while self._held and self._held[0][0] <= now_us:
            out.append(self._held.popleft()[1])
        return out


class _Reordering(Stage):
    """Gathers windows of frames and sends each in another order."""

    def __init__(self, fault: Reorder, applied: Applied, rng: Random) -> None:
        super().__init__(applied, rng)
        self._fault = fault
        # By stream, the window that was begun first at the front.
        self._windows: dict[str, tuple[int, list[Flight]]] = {}
        self._held = 0

    @property
    def due_us(self) -> int | None:
        """When the oldest window is to go as it is."""
        return next((due_us for due_us, _ in self._windows.values()), None)

    def take(self, flight: Flight, now_us: int) -> list[Flight]:
        """Gather a frame; return a window that is full, or the oldest where too many wait."""
        key = flight.frame.key
        if not self.applied.holds or not self._fault.concerns(key):
            return [flight]
        due_us = now_us + self._fault.hold_ms * _US_PER_MS
        window = self._windows.setdefault(key, (due_us, []))[1]
        window.append(flight)
        self._held += 1
        if len(window) == self._fault.window:
            return self._mixed(self._pop(key))
        return self._pop(next(iter(self._windows))) if self._held > HELD_FRAMES else []

    def release(self, now_us: int) -> list[Flight]:
        """Return the windows whose time has come, all of them after the fault's end."""
        keys = [
            key
            for key, (due_us, _) in self._windows.items()
            if due_us <= now_us or not self.applied.holds
        ]
        return [flight for key in keys for flight in self._pop(key)]

    def _pop(self, key: str) -> list[Flight]:
        window = self._windows.pop(key)[1]
        self._held -= len(window)
        return window

    def _mixed(self, window: list[Flight]) -> list[Flight]:
        order = list(range(len(window)))
        self._rng.shuffle(order)
        if order == sorted(order):
            order.reverse()
        self.applied.touch(sum(place != number for place, number in enumerate(order)))
        return [window[number] for number in order]


def make_stage(applied: Applied, rng: Random) -> Stage:
    """Return the stage of a frame fault."""
    match applied.fault:
        case Delay() as fault:
            return _Delaying(fault, applied, rng)
        case Reorder() as fault:
            return _Reordering(fault, applied, rng)
    return _Changing(applied, rng)


class Chain:
    """The stages of one feed, in the order in which their faults began.

    Complexity: nothing beyond a call where no fault holds.
    """

    def __init__(self, timeline: Timeline, deliver: Callable[[Flight], None]) -> None:
        self._timeline = timeline
        self._deliver = deliver
        self._stages: list[Stage] = []

    def add(self, stage: Stage) -> None:
        """Let frames pass one more stage, the last."""
        self._stages.append(stage)

    def push(self, flight: Flight) -> None:
        """Send a frame on its way, behind what need not be held any longer."""
        if not self._stages:
            self._deliver(flight)
            return
        self.settle()
        self._pass([flight], self._stages, self._timeline.clock.now_us())
        self.settle()

    def settle(self) -> None:
        """Send what need not be held any longer and forget stages that are done."""
        now_us = self._timeline.clock.now_us()
        stages = tuple(self._stages)
        for number, stage in enumerate(stages, 1):
            self._pass(stage.release(now_us), stages[number:], now_us)
            self._arm(stage)
        self._stages = [
            stage for stage in self._stages if stage.applied.holds or stage.due_us is not None
        ]

    def _pass(self, flights: list[Flight], stages: Iterable[Stage], now_us: int) -> None:
        for stage in stages:
            flights = [out for flight in flights for out in stage.take(flight, now_us)]
        for flight in flights:
            self._deliver(flight)

    def _arm(self, stage: Stage) -> None:
        if stage.due_us is not None and not stage.armed:
            stage.armed = True
            self._timeline.at(stage.due_us, partial(self._wake, stage))

    def _wake(self, stage: Stage) -> None:
        stage.armed = False
        self.settle()


def _changed(fault: Fault, data: bytes, rng: Random) -> list[bytes]:
    """Return what is sent in place of a frame."""
    match fault:
        case Duplicate():
            return [data] * (1 + fault.copies)
        case Corrupt():
            return [_flipped(fault, data, rng)]
        case Truncate():
            return [data[: rng.randrange(1, len(data))] if len(data) > 1 else b""]
    return []


def _flipped(fault: Corrupt, data: bytes, rng: Random) -> bytes:
    changed = bytearray(data)
    places = [place for place, byte in enumerate(data) if fault.binary or byte < _ASCII]
    for place in rng.sample(places, min(fault.flips, len(places))):
        changed[place] ^= rng.randrange(1, 2 * _ASCII if fault.binary else _ASCII)
    return bytes(changed)
