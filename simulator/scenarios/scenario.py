"""A scenario: a calm seeded market and the acts that happen in it."""

from collections.abc import Iterator
from dataclasses import dataclass

from schemas.units import US_PER_MINUTE
from simulator.catalogue import ASSETS, FEEDS
from simulator.context import SLOT_US
from simulator.market import ScriptedMarket
from simulator.scenarios.acts.base import Act
from simulator.scenarios.parts import Parts
from simulator.scenarios.script import Script
from simulator.scenarios.truth import Truth


@dataclass(frozen=True, slots=True)
class Scenario:
    """Acts, each with the whole minute at which it happens, counted from the opening.

    The opening's minute is the first whole one at or after the time at which the market opens.

    Attributes:
        name: what it is called on the command line.
        about: what happens, in one line.
        acts: minute and act.
    """

    name: str
    about: str
    acts: tuple[tuple[int, Act], ...] = ()

    @property
    def assets(self) -> tuple[str, ...]:
        """The assets that something happens to, in the order of their acts."""
        return tuple(dict.fromkeys(act.asset for _, act in self.acts))

    @property
    def minutes(self) -> int:
        """How long it takes, from the opening's minute until the last act is over."""
        return max((minute + act.minutes[1] for minute, act in self.acts), default=0)

    def market(
        self,
        seed: int,
        start_us: int,
        assets: tuple[str, ...] = ASSETS,
        *,
        feeds: tuple[str, ...] = FEEDS,
        slot_us: int = SLOT_US,
    ) -> ScriptedMarket:
        """Return the market, with acts on the assets that it has."""
        parts = [one for one in self._parts(start_us) if one.asset in assets]
        return ScriptedMarket(
            seed, assets, start_us, feeds=feeds, script=Script(parts), slot_us=slot_us
        )

    def truths(self, start_us: int) -> tuple[Truth, ...]:
        """Return all that has to be found in a market that opens at a time."""
        return tuple(truth for at_us, act in self._at(start_us) for truth in act.truths(at_us))

    def _parts(self, start_us: int) -> Iterator[Parts]:
        return (act.parts(at_us) for at_us, act in self._at(start_us))

    def _at(self, start_us: int) -> Iterator[tuple[int, Act]]:
        opening_us = -(-start_us // US_PER_MINUTE) * US_PER_MINUTE
        return ((opening_us + minute * US_PER_MINUTE, act) for minute, act in self.acts)
