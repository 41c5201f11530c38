"""A venue's book for tests: it changes at random and says so as each of the venues would."""

from dataclasses import dataclass, field
from random import Random

from collectors.messages import BookUpdate
from collectors.venue import BookRule, Chain, Channel, Stream
from schemas.instruments import Instrument, make_instrument
from schemas.market import Kind

RULES = {
    Chain.PREVIOUS_ID: BookRule(Chain.PREVIOUS_ID, snapshot_levels=1000),
    Chain.FIRST_ID: BookRule(Chain.FIRST_ID, snapshot_levels=1000),
    Chain.CONSECUTIVE: BookRule(Chain.CONSECUTIVE, depth=200),
    Chain.PREVIOUS_SEQUENCE: BookRule(Chain.PREVIOUS_SEQUENCE, depth=400),
    Chain.SNAPSHOTS: BookRule(Chain.SNAPSHOTS, always_moves=True, silent_seconds=3),
}
START_US = 1_800_000_000_000_000
STEP_US = 100_000
MID_TICKS = 100_000


def instrument() -> Instrument:
    return make_instrument(
        venue="somewhere",
        kind=Kind.LINEAR_PERPETUAL,
        venue_symbol="BTCUSDT",
        asset="BTC",
        quote="USDT",
        venue_tick="0.1",
        venue_lot="0.001",
    )


STREAM = Stream("book", Channel.BOOK, instrument())
Sides = tuple[dict[int, int], dict[int, int]]


def text(ticks: int) -> str:
    return f"{ticks // 10}.{ticks % 10}"


def written(levels: dict[int, int], sign: int) -> list[tuple[str, float]]:
    """Write a side as venues do: best first, price as text, quantity as a number."""
    keys = sorted(levels, key=lambda ticks: -sign * ticks)
    return [(text(ticks), levels[ticks] / 1000) for ticks in keys]


@dataclass
class VenueBook:
    """The true book, its history by id, and the updates that lead from one to the next."""

    chain: Chain
    seed: int
    levels: int = 30
    bids: dict[int, int] = field(default_factory=dict)
    asks: dict[int, int] = field(default_factory=dict)
    truth: dict[tuple[int, int], Sides] = field(default_factory=dict)
    last_id: int = 1000
    time_us: int = START_US

    def __post_init__(self) -> None:
        self._random = Random(self.seed)
        for depth in range(1, self.levels + 1):
            self.bids[MID_TICKS - depth * 3] = self._random.randint(1, 9000)
            self.asks[MID_TICKS + depth * 3] = self._random.randint(1, 9000)
        self._remember()

    def _remember(self) -> None:
        self.truth[self.last_id, self.time_us] = (dict(self.bids), dict(self.asks))

    def snapshot(self) -> BookUpdate:
        """Return the whole book; one that is fetched has no time."""
        time_us = 0 if self.chain.is_fetched else self.time_us
        bids, asks = written(self.bids, 1), written(self.asks, -1)
        return BookUpdate(STREAM, True, time_us, self.last_id, bids, asks, previous_id=-1)

    def step(self) -> BookUpdate:
        """Change the book and return the update that says so."""
        if self.chain is Chain.SNAPSHOTS:
            self._change()
            self.time_us += STEP_US
            self.last_id = self.time_us // 1000
            self._remember()
            return self.snapshot()
        bids, asks = self._change()
        before = self.last_id
        spent = 1 if self.chain is Chain.CONSECUTIVE else self._random.randint(1, 40)
        self.last_id += spent
        self.time_us += STEP_US
        self._remember()
        jumps = self.chain is Chain.PREVIOUS_ID
        first_id = self.last_id - (spent // 2 if jumps else spent - 1)
        return BookUpdate(
            STREAM, False, self.time_us, self.last_id, written(bids, 1), written(asks, -1),
            first_id=first_id, previous_id=before,
        )  # fmt: skip

    def restart(self) -> BookUpdate | None:
        """Begin the ids anew, below; return the snapshot by which a venue says so, if it does."""
        self.last_id = 1 if self.chain is Chain.CONSECUTIVE else self.last_id - 700
        self.time_us += STEP_US
        self._remember()
        said = (Chain.CONSECUTIVE, Chain.PREVIOUS_SEQUENCE)
        return self.snapshot() if self.chain in said else None

    def _change(self) -> Sides:
        changes: Sides = ({}, {})
        for _ in range(self._random.randint(1, 8)):
            side = self._random.randint(0, 1)
            mine = (self.bids, self.asks)[side]
            offset = self._random.randint(1, 3 * self.levels + 9)
            ticks = MID_TICKS + (offset if side else -offset)
            lots = 0 if self._random.random() < 0.4 else self._random.randint(1, 9000)
            changes[side][ticks] = lots
            mine.pop(ticks, None)
            if lots:
                mine[ticks] = lots
        return changes
