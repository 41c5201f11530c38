"""Random seconds with all that happens: ties, unknown sides, quiet, breaks, jumps, midnight."""

import random
from collections.abc import Iterable, Sequence

from processors.seconds.second import MemberSecond, Second
from processors.trades import Trade
from schemas.market import FeedState
from tests.processors.seconds.builders import (
    BINANCE,
    BINANCE_SPOT,
    BYBIT,
    DOWN,
    LIVE,
    OKX,
    There,
    member,
    second,
    trade,
)

MIDNIGHT = 43_200
"""The second after noon that a day begins with."""

INSTRUMENTS = (BINANCE, BYBIT, OKX, BINANCE_SPOT)


def random_seconds(
    seed: int, first: int, count: int, *, most: int = 6, jump: int = 400
) -> list[Second]:
    """Return seconds from a first on; about every tenth is followed by a jump.

    Args:
        seed: of everything.
        first: seconds after noon.
        count: how many.
        most: trades of one instrument in one second.
        jump: seconds that may be missing at a time.
    """
    chance = random.Random(seed)
    made = []
    number, price = first, 100_000
    for _ in range(count):
        members = []
        for instrument in INSTRUMENTS:
            there = chance.choice([LIVE] * 12 + [DOWN, (400_000, FeedState.DOWN)])
            members.append(_member(chance, number, instrument, there, price, most))
        made.append(second(number, *members))
        price += chance.randint(-40, 40)
        number += chance.choice([1] * 9 + [chance.randint(2, jump)])
    return made


def _member(
    chance: random.Random,
    number: int,
    instrument: tuple[str, str],
    there: There,
    price: int,
    most: int,
) -> MemberSecond:
    count = chance.choice([0, chance.randint(0, most)]) if there[0] else 0
    times = sorted(chance.choice([0, 5, 5, 999_999, chance.randrange(10**6)]) for _ in range(count))
    trades = [
        trade(
            number,
            price + chance.randint(-120, 120),
            chance.choice([1, 2, 3, 17, 400]),
            chance.choice([1, -1, 1, -1, 0]),
            instrument=instrument,
            at_us=at_us,
            rank=rank,
        )
        for rank, at_us in enumerate(times)
    ]
    return member(instrument, trades=trades, there=there)


def tape(seconds: Iterable[Second], names: Sequence[str]) -> list[Trade]:
    """Return all trades of some instruments in tape order."""
    return sorted(
        one
        for each in seconds
        for name, of in each.members.items()
        if name in names
        for one in of.trades
    )
