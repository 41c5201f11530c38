"""A scenario through the engine, without sockets: what it finds, by kind of record."""

from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from typing import TypeVar

import msgspec

from processors.asset import EngineParams
from processors.engine import Engine
from processors.operator import Output
from schemas.ops import DeadLetter
from schemas.units import US_PER_MINUTE, US_PER_SECOND
from simulator.market import ScriptedMarket
from simulator.scenarios.catalogue import scenario
from simulator.scenarios.truth import Truth
from tests.scenarios.tape import Outage, Tape

START_US = 1_800_000_000_000_000
"""2027-01-15 08:00 UTC, a whole minute."""

SEED = 11
FEEDS = ("binance.usdm", "bybit.linear", "okx.swap", "hyperliquid.perp", "binance.spot")
STEP_US = 2 * US_PER_SECOND
"""How often each stream writes. Seconds are the same whatever it is, below the five of a stale
feed."""

BOOK_STEP_US = US_PER_SECOND
SLOT_US = 100_000
NEVER_US = 2**62
MOST_EVENTS = 10**7

T = TypeVar("T")


class Player:
    """A market on its way through an engine; `outputs` is all that came of it so far.

    Args:
        market: what happens.
        books_from_us: from when on there are book streams, which cost more than all else.
    """

    def __init__(self, market: ScriptedMarket, *, books_from_us: int = NEVER_US) -> None:
        self.market = market
        self.engine = Engine(EngineParams(toolkit=True), 1)
        instruments = [item for feed in FEEDS for item in market.instruments(feed)]
        self.tape = Tape(instruments, books_from_us=books_from_us)
        self.now_us = START_US
        self.outputs: list[Output] = []

    def run(self, until_us: int) -> "Player":
        """Go on to a time, keeping what comes of it."""
        self.outputs += self.drive(until_us)
        letters = self.of(DeadLetter)
        assert letters == [], letters[:3]
        return self

    def drive(self, until_us: int) -> Iterator[Output]:
        """Go on to a time, yielding what comes of it."""
        while self.now_us < until_us:
            books = self.now_us >= self.tape.books_from_us
            self.now_us += BOOK_STEP_US if books else STEP_US
            events = self.market.events(self.now_us - 1, MOST_EVENTS)
            for topic, batch in self.tape.step(events, self.now_us):
                offset = self.engine.next_offset(topic)
                yield from self.engine.process(topic, 0, offset, msgspec.json.encode(batch))

    def without(self, *outages: Outage) -> "Player":
        """Return what goes on from here with venues away; this one stays as it is."""
        outputs, self.outputs = self.outputs, []
        other = deepcopy(self)
        self.outputs, other.outputs = outputs, list(outputs)
        other.tape.outages = outages
        return other

    def of(self, kind: type[T]) -> list[T]:
        """Return the records of a kind, in order."""
        return [one.record for one in self.outputs if isinstance(one.record, kind)]


BOOKS_FROM_MINUTE = {"walls": 33, "spoofs": 0}
"""Of the scenarios that are about books."""

MIDDLE_SECONDS = {
    "walls": 36 * 60 + 20,
    "spoofs": 2 * 60 + 5,
    "trend": 6 * 60 + 70,
    "divergence": 32 * 60 + 240,
    "cascade": 10 * 60 + 30,
}
"""When the first act of a scenario is half over: where venues die in tests."""


@cache
def middle(name: str) -> Player:
    """Play a scenario to the middle of its first act, once for all tests; they go on from copies.

    Books change ten times a second where there are any.
    """
    one = scenario(name)
    books_from_us = NEVER_US
    if name in BOOKS_FROM_MINUTE:
        books_from_us = minute_us(BOOKS_FROM_MINUTE[name])
    slot_us = SLOT_US if name in BOOKS_FROM_MINUTE else US_PER_SECOND
    market = one.market(SEED, START_US, one.assets, feeds=FEEDS, slot_us=slot_us)
    player = Player(market, books_from_us=books_from_us)
    return player.run(START_US + MIDDLE_SECONDS.get(name, 0) * US_PER_SECOND)


@cache
def played(name: str) -> Player:
    """Play a scenario to its end, once for all tests that look at it."""
    return middle(name).without().run(minute_us(scenario(name).minutes))


def truths(name: str) -> tuple[Truth, ...]:
    """Return what has to be found of a scenario."""
    return scenario(name).truths(START_US)


def minute_us(minute: float) -> int:
    """Return the time so many minutes after the opening."""
    return START_US + int(minute * US_PER_MINUTE)
