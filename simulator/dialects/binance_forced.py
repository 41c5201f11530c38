"""Binance's sampling of liquidations: of each symbol's second the largest, at its end."""

from schemas.units import US_PER_SECOND
from simulator.model import SimLiquidation


class ForcedOrders:
    """Holds back each symbol's liquidations for a second and gives out the largest of them.

    Holds one a symbol; the others are never told.
    """

    def __init__(self) -> None:
        self._held: dict[str, tuple[int, SimLiquidation]] = {}

    def take(self, liquidation: SimLiquidation) -> None:
        """Take in a liquidation; the first one of a symbol begins its second."""
        symbol = liquidation.instrument.symbol
        due_us, largest = self._held.get(symbol, (liquidation.time_us + US_PER_SECOND, liquidation))
        if liquidation.qty_lots > largest.qty_lots:
            largest = liquidation
        self._held[symbol] = due_us, largest

    def due(self, now_us: int) -> list[tuple[int, SimLiquidation]]:
        """Give out what is due with the times at which it was, in their order."""
        ended = sorted(
            (item for item in self._held.values() if item[0] <= now_us), key=lambda item: item[0]
        )
        for _, liquidation in ended:
            del self._held[liquidation.instrument.symbol]
        return ended
