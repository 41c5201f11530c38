"""Bybit's `allLiquidation`: all liquidations of a symbol, gathered for half a second.

Source: the venue sheet, section 5. The side is that of the position, the price its bankruptcy's.
"""

from simulator.model import SimLiquidation

PUSH_EVERY_US = 500_000
MOST_ROWS = 1024


class GatheredLiquidations:
    """Holds each symbol's liquidations until the next half second, or until they are 1,024."""

    def __init__(self) -> None:
        self._held: dict[str, list[SimLiquidation]] = {}

    def take(self, liquidation: SimLiquidation) -> None:
        """Take in a liquidation."""
        self._held.setdefault(liquidation.instrument.symbol, []).append(liquidation)

    def due(self, now_us: int) -> list[tuple[int, str, list[SimLiquidation]]]:
        """Give out what is due by a time: when it was pushed, its symbol, the liquidations."""
        ended = []
        for symbol, held in self._held.items():
            push_us = (held[0].time_us // PUSH_EVERY_US + 1) * PUSH_EVERY_US
            if push_us <= now_us or len(held) >= MOST_ROWS:
                ended.append((min(push_us, now_us), symbol, held))
        for _, symbol, _ in ended:
            del self._held[symbol]
        return sorted(ended, key=lambda item: item[0])


def rows(liquidations: list[SimLiquidation], offset_us: int) -> str:
    """Write the rows of one frame."""
    return ",".join(_row(item, offset_us) for item in liquidations)


def _row(liquidation: SimLiquidation, offset_us: int) -> str:
    item, side = liquidation.instrument, "Buy" if liquidation.long else "Sell"
    return (
        f'{{"T":{(liquidation.time_us + offset_us) // 1000},"s":"{item.symbol}",'
        f'"S":"{side}",'
        f'"v":"{item.qty_text(liquidation.qty_lots)}",'
        f'"p":"{item.price_text(liquidation.bankruptcy_ticks)}"}}'
    )
