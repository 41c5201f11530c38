"""Value area: the rows around the point of control that hold a share of all (definitions 5.2)."""

from typing import Literal, NamedTuple

from processors.measures.rows import Ladder
from processors.measures.shares import Share
from schemas.footprints import ValueArea

Method = Literal["single", "two_row", "at_most"]

SHARE: Share = (7, 10)


class Area(NamedTuple):
    """Row indexes `[low, high]`, both inside, and the lots they hold."""

    low: int
    high: int
    lots: int


def value_area(
    ladder: Ladder, poc: int | None, method: Method = "single", share: Share = SHARE
) -> Area | None:
    """Grow an area from the point of control until it holds at least `share` of the total.

    - `single` adds the greater of the two neighbours; of equals the one nearer to the point of
      control, then the upper.
    - `two_row` compares the next two rows above with the next two below and adds the greater pair,
      of equals the one above. A pair at the edge of the bar may be a single row.
    - `at_most` grows as `single`, but refuses the row that would take it above the share and stops.
      The point of control itself is always inside, even where it alone holds more.

    Where one side has no rows left, the other goes on; rows of zero count as rows.

    Returns:
        The area, or None where there is no point of control (nothing traded).
    """
    if poc is None:
        return None
    totals = ladder.totals()
    enough, per = share[0] * sum(totals), share[1]
    reach = 2 if method == "two_row" else 1
    low = high = poc
    lots = totals[poc]
    while lots * per < enough:
        above, below = totals[high + 1 : high + 1 + reach], totals[max(low - reach, 0) : low]
        nearer = high - poc <= poc - low
        upwards = _upwards(above, below, tie=nearer or reach > 1)
        gain = sum(above if upwards else below)
        if method == "at_most" and (lots + gain) * per > enough:
            break
        lots += gain
        if upwards:
            high += len(above)
        else:
            low -= len(below)
    return Area(low, high, lots)


def _upwards(above: list[int], below: list[int], *, tie: bool) -> bool:
    """Say on which side the area grows next; a side without rows is passed over."""
    if not above or not below:
        return bool(above)
    more, less = sum(above), sum(below)
    return tie if more == less else more > less


def describe(ladder: Ladder, area: Area) -> ValueArea:
    """Turn an area into its record: lower edge of the lowest row, upper edge of the highest."""
    return ValueArea(
        val_ticks=ladder.row(area.low),
        vah_ticks=ladder.row(area.high + 1),
        share=area.lots / ladder.total,
    )
