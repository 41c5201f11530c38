"""The sequence form of exhaustion: bars that push further with less and less (definitions 5.8)."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from processors.measures.shares import Share
from schemas.footprints import FootprintBar


class Shape(NamedTuple):
    """What the form looks at in one bar.

    `poc` is how far the middle of the point of control lies above the low, `range` high less low,
    both doubled so that they are integers. `venues` are the instruments behind it.
    """

    start_us: int
    end_us: int
    high: int
    low: int
    delta: int
    poc: int
    range: int
    venues: Sequence[str]


def shape_of(bar: FootprintBar) -> Shape | None:
    """Return the shape of a bar; None where it has no range, so that POC has no position."""
    high, low, poc = bar.high_ticks, bar.low_ticks, bar.poc_ticks
    if high is None or low is None or poc is None or high == low:
        return None
    position = 2 * poc + bar.row_ticks - 2 * low
    span, venues = (bar.bar_start_us, bar.bar_end_us), bar.completeness.venues_complete
    return Shape(*span, high, low, bar.delta_lots, position, 2 * (high - low), venues)


def follows(shape: Shape, before: Shape) -> bool:
    """Say whether a bar comes right after another, of the same instruments."""
    return before.end_us == shape.start_us and before.venues == shape.venues


def dries_up(shapes: Sequence[Shape], side: int, share: Share) -> bool:
    """Say whether bars in a row push one way and dry up.

    Args:
        shapes: of the bars, one after the other.
        side: 1 for rising highs, -1 for falling lows.
        share: what the last delta may be of the first.
    """
    return (
        all(_further(one, two, side) for one, two in pairwise(shapes))
        and shapes[-1].delta * side > 0
        and shapes[-1].delta * side * share[1] <= shapes[0].delta * side * share[0]
    )


def _further(one: Shape, two: Shape, side: int) -> bool:
    """Say whether the second bar reaches further, with less delta and POC further behind."""
    reach = (two.high - one.high) if side > 0 else (one.low - two.low)
    behind = (one.poc * two.range - two.poc * one.range) * side
    return reach > 0 and (one.delta - two.delta) * side > 0 and behind > 0
