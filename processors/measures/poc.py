"""Point of control: the row on which most traded (definitions 5.2)."""

from typing import Literal

from processors.measures.rows import Ladder

PocTie = Literal["vwap", "lowest", "centre"]
"""Which of several greatest rows is the point of control; `vwap` unless said otherwise.

`lowest` and `centre` (nearest to the middle of the bar's rows) are for comparison with programs
that do so. "First reached" is published too, but needs the order of trades, which rows do not hold.
"""


def poc(ladder: Ladder, notional: int = 0, qty: int = 0, tie: PocTie = "vwap") -> int | None:
    """Return the index of the row with the greatest total, None where nothing traded.

    Of several, the one whose midpoint is nearest to the bar's VWAP, then the lower one.

    Args:
        ladder: the rows of the bar.
        notional: sum of price ticks x lots over the bar's trades; VWAP = notional / qty in ticks.
        qty: lots behind `notional`. At 0 the VWAP is unknown and the lower row wins.
        tie: how to choose among equals.
    """
    totals = ladder.totals()
    greatest = max(totals, default=0)
    if greatest <= 0:
        return None
    best = totals.index(greatest)
    if tie == "lowest" or (tie == "vwap" and qty <= 0):
        return best
    if tie == "centre":
        notional, qty = 2 * ladder.low + ladder.size * ladder.step, 2
    nearest = _twice_distance(ladder, best, notional, qty)
    for index in range(best + 1, len(totals)):
        if totals[index] == greatest:
            distance = _twice_distance(ladder, index, notional, qty)
            if distance < nearest:
                best, nearest = index, distance
    return best


def _twice_distance(ladder: Ladder, index: int, notional: int, qty: int) -> int:
    """Return 2 x qty x |row midpoint - notional / qty|, which is an integer."""
    return abs((2 * ladder.row(index) + ladder.step) * qty - 2 * notional)
