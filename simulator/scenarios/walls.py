"""Sizes that stand in a book, on the grid of its venue."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import floor

from schemas.market import Side
from simulator.model import SimInstrument
from simulator.scenarios.parts import Wall


@dataclass(frozen=True, slots=True)
class Standing:
    """A wall as a book and a matcher see it."""

    side: Side
    price_ticks: int
    lots: int
    holds: bool


def standing(wall: Wall, instrument: SimInstrument) -> Standing:
    """Put a wall on the grid of its instrument."""
    coins = float(instrument.lot * instrument.contract)
    return Standing(
        side=wall.side,
        price_ticks=floor(wall.price / float(instrument.tick)),
        lots=max(1, round(wall.usd / wall.price / coins)),
        holds=wall.holds,
    )


def held_bid(bid_ticks: int, walls: Iterable[Standing]) -> int:
    """Return where the best bid may be, given where it would like to be."""
    for wall in walls:
        if wall.holds and wall.side is Side.BUY:
            bid_ticks = max(bid_ticks, wall.price_ticks)
        elif wall.holds:
            bid_ticks = min(bid_ticks, wall.price_ticks - 1)
    return bid_ticks


def held_price(price_ticks: int, side: Side, walls: Iterable[Standing]) -> int:
    """Return at what price an aggressor trades who has come so far."""
    for wall in walls:
        if wall.holds and wall.side is Side.BUY and side is Side.SELL:
            price_ticks = max(price_ticks, wall.price_ticks)
        elif wall.holds and wall.side is Side.SELL and side is Side.BUY:
            price_ticks = min(price_ticks, wall.price_ticks)
    return price_ticks
