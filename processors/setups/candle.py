"""A final footprint bar as the rules of setups see it, and its mirror image.

Rules are written for longs. For shorts they see every bar upside down: prices with the other sign,
so that a high is a low, and what buyers did is what sellers did.
"""

from typing import NamedTuple

from processors.events.bars import BASE_SECONDS
from processors.events.writer import bar_name
from processors.measures.levels import Level
from schemas.footprints import FootprintBar, Mark


class Candle(NamedTuple):
    """One complete bar; a bar without trades stands at the close before it.

    `stacks` and `imbalances` are of buyers, `counter_*` of sellers; imbalances are None where the
    rows are too many to be published.
    """

    start_us: int
    end_us: int
    high: int
    low: int
    close: int
    delta: int
    stacks: int
    counter_stacks: int
    imbalances: int | None
    counter_imbalances: int | None

    def mirrored(self, sign: int) -> "Candle":
        """Return the bar as a long (1) or a short (-1) sees it."""
        if sign > 0:
            return self
        return self._replace(
            high=-self.low,
            low=-self.high,
            close=-self.close,
            delta=-self.delta,
            stacks=self.counter_stacks,
            counter_stacks=self.stacks,
            imbalances=self.counter_imbalances,
            counter_imbalances=self.imbalances,
        )


def candle_of(bar: FootprintBar) -> Candle | None:
    """Return a complete bar of one instrument, None where no price is known yet."""
    close = bar.ref_close_ticks if bar.close_ticks is None else bar.close_ticks
    if close is None:
        return None
    published = "rows" not in bar.null_reasons
    buys = sells = 0
    for row in bar.rows:
        buys += row.marks & Mark.BUY_IMBALANCE == Mark.BUY_IMBALANCE
        sells += row.marks & Mark.SELL_IMBALANCE == Mark.SELL_IMBALANCE
    return Candle(
        start_us=bar.bar_start_us,
        end_us=bar.bar_end_us,
        high=close if bar.high_ticks is None else bar.high_ticks,
        low=close if bar.low_ticks is None else bar.low_ticks,
        close=close,
        delta=bar.delta_lots,
        stacks=sum(stack.side > 0 for stack in bar.stacks),
        counter_stacks=sum(stack.side < 0 for stack in bar.stacks),
        imbalances=buys if published else None,
        counter_imbalances=sells if published else None,
    )


class Closed(NamedTuple):
    """A bar that has closed, how it is named as evidence, and what was traded in it."""

    candle: Candle
    evidence: str
    usd_cents: int


def closed_of(bar: FootprintBar | None) -> Closed | None:
    """Return a complete bar with its name, None without one or without a price."""
    candle = None if bar is None else candle_of(bar)
    if bar is None or candle is None:
        return None
    name, seconds = bar_name(bar), bar.interval_seconds
    name = name if seconds == BASE_SECONDS else f"{name}:{seconds}"
    return Closed(candle, name, bar.buy_usd_cents + bar.sell_usd_cents)


def edges(level: Level, sign: int) -> tuple[int, int]:
    """Return the lowest and the highest price of a level as a long (1) or a short (-1) sees it."""
    low, high = level.low_ticks, level.high_ticks - 1
    return (low, high) if sign > 0 else (-high, -low)
