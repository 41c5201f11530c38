"""What acts are made of; times are absolute, prices are offsets from the asset's opening price."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from runtime.errors import ConfigurationError
from schemas.market import Side
from schemas.units import US_PER_SECOND

BPS = 1e-4
FEED_US = 1_000
"""Orders of one push reach its feeds this far apart, so that no two have the same time."""

PERPETUALS: Mapping[str, float] = {
    "binance.usdm": 0.4,
    "bybit.linear": 0.25,
    "okx.swap": 0.2,
    "hyperliquid.perp": 0.15,
}
"""How a push is shared out that names no feeds."""


@dataclass(frozen=True, slots=True)
class Path:
    """Where the efficient price of an asset goes, and how quiet the market is around it.

    From wherever it is at `start_us` it goes straight from knot to knot, and is let go at the last
    one. Meanwhile the market's own orders are `background` times as many as usual, and neither
    side of them prevails.

    Args:
        start_us: when it begins.
        knots: times and offsets in basis points from the opening price (of its logarithm).
        background: factor on the rate of the market's own orders, at most 1.

    Raises:
        ConfigurationError: no knots, knots that do not follow one another, or a background
            outside its bounds.
    """

    start_us: int
    knots: tuple[tuple[int, float], ...]
    background: float = 0.25

    def __post_init__(self) -> None:
        times = (self.start_us, *(time_us for time_us, _ in self.knots))
        if not self.knots or any(two <= one for one, two in pairwise(times)):
            raise ConfigurationError(f"the knots of a path must follow one another, were {times}")
        if not 0.0 < self.background <= 1.0:
            raise ConfigurationError(f"background must be in (0, 1], was {self.background}")

    @property
    def end_us(self) -> int:
        """When the price is let go."""
        return self.knots[-1][0]

    def log_move(self, now_us: int, anchor: float) -> float:
        """Return the move of the log price from its opening.

        Args:
            now_us: the time.
            anchor: the move at the start.
        """
        times = [time_us for time_us, _ in self.knots]
        place = bisect_right(times, now_us)
        if place == len(times):
            return self.knots[-1][1] * BPS
        before_us, before = self.knots[place - 1] if place else (self.start_us, anchor / BPS)
        after_us, after = self.knots[place]
        share = max(0, now_us - before_us) / (after_us - before_us)
        return (before + (after - before) * share) * BPS


@dataclass(frozen=True, slots=True)
class Due:
    """One order of a push: what it wants, in USD, and whether it closes a position by force."""

    time_us: int
    asset: str
    feed: str
    side: Side
    usd: float
    forced: bool


@dataclass(frozen=True, slots=True)
class Push:
    """Taker orders of equal size at equal distances, beside the market's own.

    Attributes:
        usd: of all orders together.
        order_usd: of one order, about.
        feeds: shares of the feeds.
        forced: whether they are liquidations; then the positions are gone from open interest.
    """

    start_us: int
    end_us: int
    side: Side
    usd: float
    order_usd: float
    feeds: Mapping[str, float] = field(default_factory=lambda: PERPETUALS)
    forced: bool = False

    @property
    def count(self) -> int:
        """How many orders there are."""
        return sum(self._count(feed) for feed in self.feeds)

    def _usd(self, feed: str) -> float:
        return self.usd * self.feeds[feed] / sum(self.feeds.values())

    def _count(self, feed: str) -> int:
        return max(1, round(self._usd(feed) / self.order_usd))

    def orders(self, asset: str) -> Iterator[Due]:
        """Yield the orders, feed by feed."""
        for number, feed in enumerate(self.feeds):
            usd, count = self._usd(feed), self._count(feed)
            each_us = (self.end_us - self.start_us) / count
            for place in range(count):
                time_us = self.start_us + int((place + 0.5) * each_us) + number * FEED_US
                yield Due(time_us, asset, feed, self.side, usd / count, self.forced)


@dataclass(frozen=True, slots=True)
class Wall:
    """A size that rests at one price of one book, and is put there again as it is taken.

    Where it `holds` nothing trades beyond it as long as it is there. One that does not is not
    there while the price is through.

    Attributes:
        side: BUY for a bid.
        price: in quote coins; the venue's grid takes the tick below.
        usd: what is shown.
    """

    feed: str
    side: Side
    price: float
    usd: float
    start_us: int
    end_us: int
    holds: bool


@dataclass(frozen=True, slots=True)
class Closing:
    """Positions that are closed by their owners, evenly: a share of every perpetual's interest."""

    start_us: int
    end_us: int
    share: float

    def within(self, now_us: int) -> float:
        """Return the share of the second that ends now."""
        if not self.start_us < now_us <= self.end_us:
            return 0.0
        return self.share * US_PER_SECOND / (self.end_us - self.start_us)


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that one act does to one asset."""

    asset: str
    path: Path
    pushes: tuple[Push, ...] = ()
    walls: tuple[Wall, ...] = ()
    closings: tuple[Closing, ...] = ()
