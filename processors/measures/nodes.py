"""High and low volume nodes of a profile: where much and where little was agreed on.

The literature draws them by eye. Here the totals are smoothed by a triangle: a sum over
`smooth_rows` rows, and over as many of these again (outside of the profile nothing traded). A comb
of round prices with that distance vanishes in it, finer ones nearly; a plain moving sum would make
a node of every tooth. A peak's *prominence* is how far one must descend from it before one can
climb higher, or out of the profile, where the height is 0; of equal peaks the lowest price is the
higher one, so that every plateau has one peak.

- A peak is a high volume node where its prominence is at least `prominence` of the greatest
  smoothed row: bumps on a slope are none, however many rows they have.
- Between two neighbouring high nodes lies one low volume node: the lowest smoothed row there, of
  equals the lowest price. Its prominence is how far it lies below the lower of the two peaks. What
  lies outside of the outermost high nodes is a tail, not a node.
- A node spans the adjacent rows around it that keep half of its prominence.

All comparisons are of integers. Scaling all quantities changes nothing.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise

import msgspec

from processors.measures.rows import Ladder
from schemas.profiles import Node


class NodeParams(msgspec.Struct, frozen=True, kw_only=True):
    """What makes a node; the defaults are our own, not validated.

    Raises:
        ValueError: `smooth_rows` is below 1, or `prominence` no share in (0, 1].
    """

    smooth_rows: int = 5
    prominence: tuple[int, int] = (1, 5)

    def __post_init__(self) -> None:
        if self.smooth_rows < 1:
            raise ValueError(f"must be a row or more, was {self.smooth_rows}")
        share, per = self.prominence
        if not 0 < share <= per:
            raise ValueError(f"must be a share above 0 and up to 1, was {self.prominence}")


DEFAULT = NodeParams()


def nodes(ladder: Ladder, params: NodeParams = DEFAULT) -> tuple[list[Node], list[Node]]:
    """Return the high and the low volume nodes, upwards. Takes time in proportion to the rows."""
    totals = ladder.totals()
    heights = smoothed(totals, params.smooth_rows)
    greatest = max(heights, default=0)
    if not greatest:
        return [], []
    share, per = params.prominence
    stand_out = prominences(heights)
    peaks = [at for at, by in enumerate(stand_out) if by * per >= share * greatest]
    high_nodes = []
    for peak in peaks:
        low, high = _span(heights, peak, heights[peak], stand_out[peak])
        row = max(range(low, high), key=lambda at: (totals[at], -at))
        high_nodes.append(_node(ladder, (low, high, row), totals[row], stand_out[peak] / greatest))
    low_nodes = []
    sunk = [-height for height in heights]
    for below, above in pairwise(peaks):
        valley = min(range(below, above), key=lambda at: (heights[at], at))
        depth = min(heights[below], heights[above]) - heights[valley]
        low, high = _span(sunk, valley, sunk[valley], depth)
        row = min(range(low, high), key=lambda at: (totals[at], at))
        low_nodes.append(_node(ladder, (low, high, row), totals[row], depth / greatest))
    return high_nodes, low_nodes


def smoothed(totals: Sequence[int], rows: int) -> list[int]:
    """Return the totals weighted by a triangle, `rows` in its middle: sums, no means, are exact."""
    upwards = _sums([*totals, *[0] * (rows - 1)], rows)
    return _sums(upwards[::-1], rows)[::-1][: len(totals)]


def _sums(values: Sequence[int], rows: int) -> list[int]:
    """Return for each value the sum of as many up to it."""
    cumulative = list(accumulate(values, initial=0))
    return [upto - cumulative[max(at - rows, 0)] for at, upto in enumerate(cumulative[1:], start=1)]


def prominences(heights: Sequence[int]) -> list[int]:
    """Return each row's prominence; 0 for a row that is no peak."""
    below = _saddles(heights, equal_stops=True)
    above = _saddles(heights[::-1], equal_stops=False)[::-1]
    return [
        max(0, height - max(left, right))
        for height, left, right in zip(heights, below, above, strict=True)
    ]


def _saddles(heights: Sequence[int], *, equal_stops: bool) -> list[int]:
    """Return the lowest height between each row and the nearest higher one before it.

    0 where none is higher. `equal_stops` says whether an equal one counts as higher.
    """
    found: list[int] = []
    higher: list[tuple[int, int]] = []  # falling heights, each with the lowest one before it
    for height in heights:
        lowest = height
        while higher and (higher[-1][0] < height or (higher[-1][0] == height and not equal_stops)):
            lowest = min(lowest, higher.pop()[1])
        found.append(lowest if higher else 0)
        higher.append((height, lowest))
    return found


def _span(heights: Sequence[int], at: int, peak: int, prominence: int) -> tuple[int, int]:
    """Return the rows `[low, high)` around a peak that keep half of its prominence."""
    low, high = at, at + 1
    while low > 0 and 2 * (peak - heights[low - 1]) <= prominence:
        low -= 1
    while high < len(heights) and 2 * (peak - heights[high]) <= prominence:
        high += 1
    return low, high


def _node(ladder: Ladder, span: tuple[int, int, int], lots: int, prominence: float) -> Node:
    low, high, row = span
    return Node(ladder.row(low), ladder.row(high), ladder.row(row), lots, prominence)
