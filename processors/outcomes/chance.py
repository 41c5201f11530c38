"""Chance that is the same in every run: which minutes are random times, and which days are drawn.

Operators have no randomness: numbers come from a keyed hash (BLAKE2b) of names, and the sequence of
a bootstrap from the mixing function of SplitMix64 (Steele, Lea, Flood, 2014).
"""

import hashlib
from collections.abc import Iterator

_MASK = 2**64 - 1
_GAMMA = 0x9E3779B97F4A7C15


def number_of(name: str) -> int:
    """Return 64 bits that stand for a name."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")


def is_random_time(asset: str, minute: int, every: int) -> bool:
    """Say whether a minute is one of the random times of an asset: one of so many is.

    Args:
        asset: its name.
        minute: since 1970, UTC.
        every: of how many minutes one is.
    """
    return number_of(f"baseline:{asset}:{minute}") % every == 0


def draws(seed: int, count: int) -> Iterator[int]:
    """Yield numbers from 0 to below `count`, for ever."""
    state = seed & _MASK
    while True:
        state = state + _GAMMA & _MASK
        mixed = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & _MASK
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & _MASK
        yield (mixed ^ mixed >> 31) * count >> 64
