"""A trend that exhausts: three minutes that reach further with less and less behind it.

Highs rise, buyers prevail by less each minute, and most of each minute's volume trades lower and
lower within it: near the high of the first, in the middle of the second, near the low of the third.
The mirror image falls.
"""

from dataclasses import dataclass

from schemas.market import Side
from simulator.scenarios.acts.base import Moment
from simulator.scenarios.parts import PERPETUALS, Parts, Push
from simulator.scenarios.truth import Found, Truth

_PATH = (
    (-170.0, 0.0),
    (-60.0, 0.0),
    (0.0, 0.0),
    (8.0, 26.0),  # most of the first minute near its high
    (52.0, 26.0),
    (59.0, 30.0),
    (61.0, 30.0),
    (70.0, 40.0),  # of the second in the middle
    (110.0, 40.0),
    (119.0, 50.0),
    (121.0, 50.0),
    (124.0, 53.0),  # of the third near its low
    (168.0, 53.0),
    (174.0, 66.0),
    (181.0, 66.0),
    (195.0, 50.0),
    (290.0, 10.0),
)
_DWELLS = ((8.0, 52.0, 1.0), (70.0, 110.0, 0.55), (124.0, 168.0, 0.28))
"""From when to when most of a minute's volume trades, and its share of the first minute's."""


@dataclass(frozen=True, slots=True)
class ExhaustedTrend:
    """Buyers that dry up at rising highs; sellers at falling lows where `side` is SELL.

    Attributes:
        usd: by how much they prevail in the first minute, over all perpetuals.
    """

    asset: str = "BTC"
    side: Side = Side.BUY
    usd: float = 8_000_000.0
    minutes: tuple[int, int] = (3, 5)

    def parts(self, at_us: int) -> Parts:
        """Return the three minutes and the way back."""
        at = Moment(at_us, int(self.side))
        pushes = [
            Push(at.us(first), at.us(last), self.side, self.usd * share, 20_000.0)
            for first, last, share in _DWELLS
        ]
        # So that every perpetual trades along the whole way, also where nobody else does.
        along = Push(at.us(0.0), at.us(180.0), self.side, 0.1 * self.usd, 1_500.0)
        back = Push(at.us(180.0), at.us(280.0), Side(-self.side), 0.3 * self.usd, 20_000.0)
        return Parts(self.asset, at.path(_PATH), (*pushes, along, back))

    def truths(self, at_us: int) -> tuple[Truth, ...]:
        """Say that it is known with the close of the third minute, on every perpetual."""
        at = Moment(at_us, int(self.side))
        return (
            Truth(
                found=Found.EXHAUSTION,
                asset=self.asset,
                side="buy" if self.side is Side.BUY else "sell",
                feeds=tuple(PERPETUALS),
                steps=(at.step("observed", 180.0),),
                span_us=(at.us(0.0), at.us(180.0)),
                prices={"extreme": at.band(self.asset, 66.0, 66.0)},
                form="sequence",
                aggregate=True,
            ),
        )
