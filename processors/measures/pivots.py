"""Price pivots, known only when the bars to their right have closed (definitions 5.5; trap 15)."""

from collections.abc import Sequence

LEFT = RIGHT = 3
"""Bars that a pivot is compared with before and after it."""


def is_pivot(
    values: Sequence[int], index: int, sign: int = 1, left: int = LEFT, right: int = RIGHT
) -> bool:
    """Say whether a bar is a pivot: strictly beyond the bars before, not behind those after.

    Of several equal extremes in reach of each other, the first one is the pivot. Without all the
    bars on both sides there is none: it does not exist before the last of them has closed.

    Args:
        values: highs (lows) of closed bars, one after the other.
        index: of the bar.
        sign: 1 for a high, -1 for a low.
        left: how many bars before.
        right: how many bars after.
    """
    if index < left or index + right >= len(values):
        return False
    value = sign * values[index]
    return all(sign * other < value for other in values[index - left : index]) and all(
        sign * other <= value for other in values[index + 1 : index + 1 + right]
    )
