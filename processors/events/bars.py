"""Choose, among all bars that end with a second, the ones that events are read from.

A bar of an aggregate sums all its venues. It stands for a constant composition only where all of
them were there, so operators that use bars take complete ones (`whole`).
"""

from collections.abc import Iterable

from processors.measures.true_range import Prices
from processors.scopes import ScopeKey
from processors.seconds.second import Second
from schemas.footprints import FootprintBar
from schemas.lineage import Status

BASE_SECONDS = 60
"""The interval of the bars that events are read from."""


def key_of(bar: FootprintBar) -> ScopeKey:
    """Return the instrument or aggregate of a bar."""
    return ScopeKey(bar.scope, bar.venue, bar.symbol)


def whole(bar: FootprintBar) -> bool:
    """Say whether every member was there all the time."""
    return bar.completeness.status is Status.COMPLETE


def prices_of(bar: FootprintBar) -> Prices | None:
    """Return what a bar's trades came to, None where nothing traded."""
    high, low, close = bar.high_ticks, bar.low_ticks, bar.close_ticks
    if high is None or low is None or close is None:
        return None
    return Prices(high, low, close)


def base_bars(second: Second) -> list[FootprintBar]:
    """Return the one-minute bar of every scope with its finest rows, by scope."""
    return bars_of(second, BASE_SECONDS)


def bars_of(second: Second, interval_seconds: int) -> list[FootprintBar]:
    """Return the bar of an interval of every scope with its finest rows, by scope."""
    return _finest(bar for bar in second.bars if bar.interval_seconds == interval_seconds)


def imbalance_bars(second: Second) -> list[FootprintBar]:
    """Return the one-minute bar of every scope with the finest rows that have imbalances.

    Rows of an aggregate that are finer than twice the basis between its venues have none
    (definitions 5.3): there a coarser bar stands in.
    """
    return _finest(
        bar for bar in second.bars if bar.interval_seconds == BASE_SECONDS and bar.imbalances_valid
    )


def _finest(bars: Iterable[FootprintBar]) -> list[FootprintBar]:
    found: dict[ScopeKey, FootprintBar] = {}
    for bar in bars:
        key = key_of(bar)
        if key not in found or bar.row_ticks < found[key].row_ticks:
            found[key] = bar
    return [found[key] for key in sorted(found)]
