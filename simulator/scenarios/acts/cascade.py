"""A cascade of liquidated longs that sweeps a low, and takes it back or does not.

A low is made six minutes before, and is a pivot three minutes later. Within 40 s longs are closed
by force on every perpetual and the price falls through that low; open interest falls with them and
with those who close by themselves. The minute after it buyers answer without a new low. Then the
price either goes back through the swept low and stays there, or makes a new low. The mirror image
liquidates shorts.
"""

from dataclasses import dataclass

from schemas.market import Side
from simulator.scenarios.acts.base import Moment
from simulator.scenarios.parts import PERPETUALS, Closing, Parts, Push
from simulator.scenarios.truth import Found, Truth

_BEFORE = ((-590.0, 0.0), (-330.0, -36.0), (0.0, -8.0))
_FALL = ((45.0, -70.0), (60.0, -62.0), (120.0, -60.0))
_BACK = ((165.0, -24.0), (290.0, -22.0))
_AGAIN = ((150.0, -90.0), (290.0, -86.0))
_PIVOT, _EXTREME = -36.0, -70.0
_FORCED = (5.0, 45.0)
_COOLDOWN_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class LiquidationCascade:
    """Liquidated longs; shorts where `side` is BUY.

    Attributes:
        side: of the forced orders.
        reclaims: whether the price comes back through the swept level.
        usd: of the forced orders, over all perpetuals.
        closed: share of open interest that is closed besides.
    """

    asset: str = "BTC"
    side: Side = Side.SELL
    reclaims: bool = True
    usd: float = 16_000_000.0
    closed: float = 0.02
    minutes: tuple[int, int] = (10, 9)

    def parts(self, at_us: int) -> Parts:
        """Return the low before it, the forced selling, the answer and the end."""
        at = Moment(at_us, -int(self.side))
        own, other = self.side, Side(-self.side)
        fifth = 0.2 * self.usd
        last = other if self.reclaims else own
        return Parts(
            asset=self.asset,
            path=at.path([*_BEFORE, *_FALL, *(_BACK if self.reclaims else _AGAIN)]),
            pushes=(
                Push(at.us(_FORCED[0]), at.us(_FORCED[1]), own, self.usd, 50_000.0, forced=True),
                Push(at.us(62.0), at.us(118.0), other, fifth, 20_000.0),
                Push(at.us(122.0), at.us(170.0), last, fifth, 20_000.0),
            ),
            closings=(Closing(at.us(5.0), at.us(65.0), self.closed),),
        )

    def truths(self, at_us: int) -> tuple[Truth, ...]:
        """Say when each state is reached.

        The thresholds of size are passed while orders are forced, the first within ten seconds.
        L10 is below its share once the last of them is nearly ten seconds past, and has to stay
        there for twenty. The rest is decided by minutes that close; the new low of the twin comes
        with the first price below the old one.
        """
        at = Moment(at_us, -int(self.side))
        first, last = _FORCED
        if self.reclaims:
            end, ended = at.step("reclaimed", 180.0), (180.0, 180.0)
        else:
            end, ended = at.step("failed", 121.0, 140.0), (121.0, 140.0)
        over = tuple(second + 1.0 for second in ended)
        return (
            Truth(
                found=Found.CASCADE,
                asset=self.asset,
                side="long" if self.side is Side.SELL else "short",
                feeds=tuple(PERPETUALS),
                steps=(
                    at.step("building", first + 1.0, first + 15.0),
                    at.step("active", first + 2.0, last),
                    at.step("peaked", last + 20.0, last + 35.0),
                    at.step("exhausted", 120.0),
                    end,
                    at.step("cooldown", *over),
                    at.step("idle", *(second + _COOLDOWN_SECONDS for second in over)),
                ),
                span_us=(at.us(first), at.us(ended[1])),
                prices={
                    "swept": at.band(self.asset, _PIVOT, _PIVOT),
                    "extreme": at.band(
                        self.asset, _EXTREME if self.reclaims else _AGAIN[0][1], _EXTREME
                    ),
                },
                aggregate=True,
            ),
        )
