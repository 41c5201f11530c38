"""What every act has: a place in time, an asset, a direction, and the parts and truth of it."""

from collections.abc import Iterable
from typing import Protocol

from schemas.market import Side
from schemas.units import US_PER_SECOND
from simulator.catalogue import OPENING_PRICES
from simulator.matching import PERPETUAL_BASIS_BPS
from simulator.scenarios.parts import BPS, Parts, Path
from simulator.scenarios.truth import Step, Truth

NOISE_BPS = 4.0
"""How far a perpetual's prints may be off the path and its usual basis: five deviations of the
basis, which has 0.8 basis points."""


class Act(Protocol):
    """One thing that happens to one asset.

    `minutes` is how long before its time it takes the price over, and how long after it the price
    is still held.
    """

    @property
    def asset(self) -> str:
        """Whose market it happens in."""
        ...

    @property
    def minutes(self) -> tuple[int, int]:
        """Whole minutes before and after its time."""
        ...

    def parts(self, at_us: int) -> Parts:
        """Return what happens when its time is `at_us`, a whole minute."""
        ...

    def truths(self, at_us: int) -> tuple[Truth, ...]:
        """Return what has to be found of it."""
        ...


class Moment:
    """The time of an act and its direction: seconds from it, and basis points on its side.

    Args:
        at_us: the time.
        sign: 1, or -1 for the mirror image.
    """

    def __init__(self, at_us: int, sign: int = 1) -> None:
        self._at_us = at_us
        self.sign = sign

    def us(self, seconds: float) -> int:
        """Return a time."""
        return self._at_us + int(seconds * US_PER_SECOND)

    def path(self, knots: Iterable[tuple[float, float]]) -> Path:
        """Return a path; the first of its knots only says when it begins."""
        (begins, _), *rest = knots
        return Path(self.us(begins), tuple((self.us(at), self.sign * bp) for at, bp in rest))

    def step(self, state: str, first: float, last: float | None = None) -> Step:
        """Return a state that is reached between two times, or at one."""
        return Step(state, self.us(first), self.us(first if last is None else last))

    def side(self, side: Side) -> Side:
        """Return a side, or the other one in the mirror image."""
        return side if self.sign > 0 else Side(-side)

    def price(self, asset: str, bps: float) -> float:
        """Return the price of a perpetual where the path is at an offset."""
        return perpetual_price(asset, self.sign * bps)

    def band(self, asset: str, low: float, high: float) -> tuple[float, float]:
        """Return the prices of perpetuals between two offsets, with what they may be off."""
        offsets = sorted((self.sign * low, self.sign * high))
        return (
            perpetual_price(asset, offsets[0] - NOISE_BPS),
            perpetual_price(asset, offsets[1] + NOISE_BPS),
        )


def perpetual_price(asset: str, bps: float) -> float:
    """Return the usual price of a perpetual where the path is at an offset."""
    return OPENING_PRICES[asset] * (1.0 + (bps + PERPETUAL_BASIS_BPS) * BPS)
