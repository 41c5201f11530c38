"""A large size that rests in one venue's book: hit and held, hit and broken, or pulled before.

The venue's book shows `shown_usd` at one price. An absorbed wall is put there again as it is taken,
while `hits_usd` come at it within 14 s; then the other side answers on all perpetuals and the price
leaves. A broken one is taken away when the hits end, and the price goes through. A spoofed one
stands three basis points off the best price for some seconds, is never traded with, and is pulled.
"""

from dataclasses import dataclass

from schemas.market import Side
from simulator.scenarios.acts.base import Moment, perpetual_price
from simulator.scenarios.parts import Parts, Push, Wall
from simulator.scenarios.truth import Found, Truth

_HITS = (8.0, 22.0)
_FADED = 45.0
"""The rate of the last ten seconds is down, and delta turned, well before."""


@dataclass(frozen=True, slots=True)
class HitWall:
    """A wall that is hit; bids where `side` is BUY.

    Attributes:
        holds: whether it is still there after the hits.
        offset_bp: of its price, as that of paths.
    """

    asset: str = "BTC"
    feed: str = "binance.usdm"
    side: Side = Side.BUY
    holds: bool = True
    offset_bp: float = 0.0
    shown_usd: float = 400_000.0
    hits_usd: float = 3_000_000.0
    minutes: tuple[int, int] = (3, 3)

    @property
    def _price(self) -> float:
        return perpetual_price(self.asset, self.offset_bp)

    def parts(self, at_us: int) -> Parts:
        """Return the way to the wall, the wall, the hits and what comes after."""
        at = Moment(at_us, int(self.side))
        bp = self.offset_bp * at.sign
        to = ((40.0, bp + 10.0), (170.0, bp + 12.0))
        if not self.holds:
            to = ((32.0, bp - 20.0), (170.0, bp - 22.0))
        knots = [(-170.0, 0.0), (-30.0, bp + 6.0), (0.0, bp + 6.0), (8.0, bp - 1.5)]
        hitting = Side(-self.side)
        following = self.side if self.holds else hitting
        hits = (at.us(_HITS[0]), at.us(_HITS[1]))
        return Parts(
            asset=self.asset,
            path=at.path([*knots, (_HITS[1], bp - 1.5), *to]),
            pushes=(
                Push(*hits, hitting, self.hits_usd, 60_000.0, {self.feed: 1.0}),
                Push(at.us(23.0), at.us(31.0), following, 0.1 * self.hits_usd, 10_000.0),
            ),
            walls=(
                Wall(
                    feed=self.feed,
                    side=self.side,
                    price=self._price,
                    usd=self.shown_usd,
                    start_us=at.us(-20.0),
                    end_us=at.us(60.0 if self.holds else _HITS[1]),
                    holds=True,
                ),
            ),
        )

    def truths(self, at_us: int) -> tuple[Truth, ...]:
        """Say that the hits are absorbed, and whether it stayed so.

        A candidate is known with the second in which the hits are enough, so after the first of
        them and before the last. It is confirmed once the hits have left the window of ten
        seconds, it fails with the first trade two basis points beyond.
        """
        at = Moment(at_us)
        first, last = _HITS
        end = at.step("confirmed", last, _FADED) if self.holds else at.step("failed", last, 30.0)
        return (
            Truth(
                found=Found.ABSORPTION,
                asset=self.asset,
                side="sell" if self.side is Side.BUY else "buy",
                feeds=(self.feed,),
                steps=(at.step("candidate", first, last + 1.0), end),
                span_us=(at.us(first - 10.0), at.us(last + 1.0)),
                prices={"wall": (self._price, self._price)},
            ),
        )


@dataclass(frozen=True, slots=True)
class SpoofedWall:
    """A wall that is pulled before anything trades with it; bids where `side` is BUY."""

    asset: str = "BTC"
    feed: str = "bybit.linear"
    side: Side = Side.BUY
    offset_bp: float = 0.0
    usd: float = 12_000_000.0
    stands_seconds: float = 12.0
    minutes: tuple[int, int] = (1, 2)

    @property
    def _price(self) -> float:
        return perpetual_price(self.asset, self.offset_bp - 3.0 * int(self.side))

    def parts(self, at_us: int) -> Parts:
        """Return a still market and the wall in it."""
        at = Moment(at_us)
        wall = Wall(
            feed=self.feed,
            side=self.side,
            price=self._price,
            usd=self.usd,
            start_us=at.us(0.0),
            end_us=at.us(self.stands_seconds),
            holds=False,
        )
        still = [(-55.0, 0.0), (-30.0, self.offset_bp), (110.0, self.offset_bp)]
        return Parts(self.asset, at.path(still), walls=(wall,))

    def truths(self, at_us: int) -> tuple[Truth, ...]:
        """Say when it stood, and that it was pulled within the book's next change."""
        at = Moment(at_us)
        gone = self.stands_seconds
        return (
            Truth(
                found=Found.PULLED_WALL,
                asset=self.asset,
                side="buy" if self.side is Side.BUY else "sell",
                feeds=(self.feed,),
                steps=(at.step("shown", 0.0, 1.0), at.step("pulled", gone, gone + 1.0)),
                span_us=(at.us(0.0), at.us(gone)),
                prices={"wall": (self._price, self._price)},
            ),
        )
