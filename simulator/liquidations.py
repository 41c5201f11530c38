"""Which orders of the scripted market close positions by force."""

from collections.abc import Sequence
from random import Random

from schemas.market import Side
from simulator.flow import US, AssetFlow
from simulator.model import SimLiquidation, SimTrade

_LEAST_SHARE = 0.15
_SHARE_GROWTH = 0.5
_BACKGROUND_SECONDS = 60.0
_LEAST_DISTANCE = 0.001
_DISTANCE = 0.003


class Liquidations:
    """Says of an order's prints whether a position was closed by them.

    While a cascade builds, a growing share of the orders on its side are liquidations; besides,
    the next order on a perpetual is one about once a minute.

    Args:
        seed: what decides them.
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(f"{seed} liquidations")
        self._next_us: int | None = None

    def of(self, prints: Sequence[SimTrade], flow: AssetFlow) -> list[SimLiquidation]:
        """Return the liquidations that these prints of one order are, one a print or none."""
        first = prints[0]
        if first.block or first.feed.endswith(".spot"):
            return []
        if not (self._is_due(first.time_us) or self._is_forced(first.side, flow)):
            return []
        return self.all_of(prints)

    def all_of(self, prints: Sequence[SimTrade]) -> list[SimLiquidation]:
        """Return the prints of an order that is known to close a position, as liquidations."""
        first = prints[0]
        user_tag = self._random.getrandbits(160)
        distance = _LEAST_DISTANCE + _DISTANCE * self._random.random()
        long = first.side is Side.SELL
        bankruptcy_ticks = round(first.price_ticks * (1.0 + int(first.side) * distance))
        return [
            SimLiquidation(
                instrument=trade.instrument,
                time_us=trade.time_us,
                long=long,
                qty_lots=trade.qty_lots,
                price_ticks=trade.price_ticks,
                bankruptcy_ticks=bankruptcy_ticks,
                order_tag=trade.order_tag,
                user_tag=user_tag,
            )
            for trade in prints
        ]

    def _is_forced(self, side: Side, flow: AssetFlow) -> bool:
        forced = flow.forced()
        if forced is None or forced[0] is not side:
            return False
        return self._random.random() < _LEAST_SHARE + _SHARE_GROWTH * forced[1]

    def _is_due(self, now_us: int) -> bool:
        """Say whether the background's next liquidation is due, and draw the one after it."""
        due = self._next_us is not None and now_us >= self._next_us
        if due or self._next_us is None:
            wait_us = int(self._random.expovariate(1.0 / _BACKGROUND_SECONDS) * US)
            self._next_us = now_us + wait_us
        return due
