"""A divergence: price makes a lower low nine minutes after a low, while buyers prevail.

Both lows are pivots: three minutes on either side lie higher, and between them there is no other.
Buyers prevail in every minute between, also in those that fall. The mirror image has higher highs.
"""

from dataclasses import dataclass

from schemas.market import Side
from simulator.scenarios.acts.base import Moment
from simulator.scenarios.parts import PERPETUALS, Parts, Push
from simulator.scenarios.truth import Found, Truth

_PATH = (
    (-410.0, 0.0),
    (-270.0, 8.0),
    (30.0, -20.0),
    (300.0, 6.0),
    (570.0, -30.0),
    (890.0, -6.0),
)
_FIRST, _SECOND = 0.0, 540.0
"""Starts of the minutes of both lows."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """Lower lows (bullish); higher highs (bearish) where `side` is SELL.

    Attributes:
        side: who prevails although the price goes the other way.
        usd: by how much between the lows, over all perpetuals.
    """

    asset: str = "BTC"
    side: Side = Side.BUY
    usd: float = 12_000_000.0
    minutes: tuple[int, int] = (7, 15)

    def parts(self, at_us: int) -> Parts:
        """Return both lows and the buying between them."""
        at = Moment(at_us, int(self.side))
        push = Push(at.us(60.0), at.us(600.0), self.side, self.usd, 20_000.0)
        return Parts(self.asset, at.path(_PATH), (push,))

    def truths(self, at_us: int) -> tuple[Truth, ...]:
        """Say that it is known three minutes after the minute of the second low, everywhere."""
        at = Moment(at_us, int(self.side))
        return (
            Truth(
                found=Found.DIVERGENCE,
                asset=self.asset,
                side="sell" if self.side is Side.BUY else "buy",
                feeds=tuple(PERPETUALS),
                steps=(at.step("confirmed", _SECOND + 240.0),),
                span_us=(at.us(_FIRST), at.us(_SECOND + 60.0)),
                prices={
                    "first": at.band(self.asset, -20.0, -20.0),
                    "second": at.band(self.asset, -30.0, -30.0),
                },
                aggregate=True,
            ),
        )
