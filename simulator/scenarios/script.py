"""What happens when in a market that acts are played in: the parts of all of them, in order."""

from collections import deque
from collections.abc import Sequence
from itertools import pairwise

from runtime.errors import ConfigurationError
from simulator.model import SimInstrument
from simulator.scenarios.parts import Closing, Due, Parts, Path, Wall
from simulator.scenarios.walls import Standing, standing

NEVER_US = 2**62
MAX_ORDERS = 200_000


class Script:
    """The acts of a market.

    Args:
        parts: of all acts; paths of one asset must not overlap.

    Raises:
        ConfigurationError: two acts want the price of one asset at once, or there are more than
            200,000 orders.
    """

    def __init__(self, parts: Sequence[Parts] = ()) -> None:
        if sum(push.count for one in parts for push in one.pushes) > MAX_ORDERS:
            raise ConfigurationError(f"more than {MAX_ORDERS} orders in one script")
        orders = [due for one in parts for push in one.pushes for due in push.orders(one.asset)]
        self._orders = deque(sorted(orders, key=lambda due: (due.time_us, due.asset, due.feed)))
        self._parts = parts
        self._walls: dict[tuple[str, str], list[Wall]] = {}
        for one in parts:
            for wall in one.walls:
                self._walls.setdefault((wall.feed, one.asset), []).append(wall)
        for asset in {one.asset for one in parts}:
            paths = self.paths(asset)
            if any(two.start_us < one.end_us for one, two in pairwise(paths)):
                raise ConfigurationError(f"two acts want the price of {asset} at once")

    def paths(self, asset: str) -> list[Path]:
        """Return the paths of an asset's price, in order."""
        paths = [one.path for one in self._parts if one.asset == asset]
        return sorted(paths, key=lambda path: path.start_us)

    @property
    def next_us(self) -> int:
        """When the next order is due; far away where there is none."""
        return self._orders[0].time_us if self._orders else NEVER_US

    def take(self) -> Due:
        """Take the next order."""
        return self._orders.popleft()

    def walls(self, instrument: SimInstrument, now_us: int) -> tuple[Standing, ...]:
        """Return what stands in a book now."""
        return tuple(
            standing(wall, instrument)
            for wall in self._walls.get((instrument.feed, instrument.asset), ())
            if wall.start_us <= now_us < wall.end_us
        )

    def closed(self, asset: str, now_us: int) -> float:
        """Return the share of an asset's open interest that was closed in the last second."""
        closings: list[Closing] = [
            closing for one in self._parts if one.asset == asset for closing in one.closings
        ]
        return sum(closing.within(now_us) for closing in closings)
