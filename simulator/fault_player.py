"""Plays faults against the surfaces of a simulator and keeps the record of them."""

from collections.abc import Callable
from functools import partial
from random import Random

from runtime.errors import ConfigurationError
from schemas.units import US_PER_SECOND
from simulator.fault_frames import make_stage
from simulator.fault_log import Applied, Room
from simulator.faults import (
    MAX_FAULTS,
    ClockJump,
    ConnectionFault,
    Fault,
    FaultScript,
    FrameFault,
    RequestFault,
    ResetBooks,
)
from simulator.surface import Surface
from simulator.timeline import Timeline


class FaultPlayer:
    """Begins and ends faults in the market's time.

    `applied` lists those that have begun, in that order. What a fault leaves to chance comes from
    the seed and from its number alone: the same frames meet the same faults.

    Args:
        surface_of: finds a feed's surface; raises ConfigurationError where there is none.
        timeline: of the market's clock.
        script: what is played, if anything.

    Raises:
        ConfigurationError: the script names a feed that is not served.
    """

    def __init__(
        self,
        surface_of: Callable[[str], Surface],
        timeline: Timeline,
        script: FaultScript | None,
    ) -> None:
        self.applied: list[Applied] = []
        self._surface_of = surface_of
        self._timeline = timeline
        self._script = script or FaultScript(())
        self._room = Room()
        self._entered: list[Applied] = []
        for fault in self._script.faults:
            surface_of(fault.feed)

    def start(self) -> None:
        """Enter the script; what lies before now begins at once."""
        start_us = self._script.start_us
        for fault in self._script.faults:
            self._enter(fault, self._timeline.clock.now_us() if start_us is None else start_us)
        self._timeline.advance()

    def apply(self, fault: Fault) -> Applied:
        """Enter one more fault, its times counted from now, and return the record of it.

        Raises:
            ConfigurationError: its feed is not served, or there were 10,000 faults before.
        """
        self._surface_of(fault.feed)
        applied = self._enter(fault, self._timeline.clock.now_us())
        self._timeline.advance()
        return applied

    def lift(self, applied: Applied) -> None:
        """End a fault, begun or not; nothing where it has ended."""
        if applied.released.is_set():
            return
        applied.end()
        surface = self._surface_of(applied.fault.feed)
        if isinstance(applied.fault, ClockJump) and applied.begun:
            surface.dialect.clock_offset_us -= _offset_us(applied.fault)
        surface.chain.settle()

    def stop(self) -> None:
        """End all faults, so that nothing waits for them any longer."""
        for applied in self._entered:
            self.lift(applied)

    def _enter(self, fault: Fault, start_us: int) -> Applied:
        number = len(self._entered)
        if number >= MAX_FAULTS:
            raise ConfigurationError(f"a simulator takes at most {MAX_FAULTS:,} faults")
        applied = Applied(fault, self._timeline.clock, self._room, start_us + fault.at_us)
        self._entered.append(applied)
        rng = Random(f"{self._script.seed}/{number}")
        self._timeline.at(applied.began_us, partial(self._begin, applied, rng))
        if fault.until_us is not None:
            self._timeline.at(start_us + fault.until_us, partial(self.lift, applied))
        return applied

    def _begin(self, applied: Applied, rng: Random) -> None:
        if not applied.holds:
            return
        applied.begun = True
        self.applied.append(applied)
        surface = self._surface_of(applied.fault.feed)
        match applied.fault:
            case FrameFault():
                surface.chain.add(make_stage(applied, rng))
            case ConnectionFault():
                surface.strike(applied)
            case RequestFault():
                surface.requests.begin(applied, rng)
            case ClockJump() as fault:
                surface.dialect.clock_offset_us += _offset_us(fault)
            case ResetBooks():
                self._reset_books(applied, surface)

    def _reset_books(self, applied: Applied, surface: Surface) -> None:
        frames = surface.dialect.restart_books()
        for frame in frames:
            surface.publish(frame)
        applied.touch(len(frames))
        applied.end()


def _offset_us(fault: ClockJump) -> int:
    return round(fault.seconds * US_PER_SECOND)
