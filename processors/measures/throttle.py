"""How many liquidations a throttled feed stands for, from the seconds with a report.

Arrivals are taken as Poisson inside the window: of T seconds, those without a report then say how
many there were. Clustering makes the estimate low. Source: definitions 5.9, traps 2.

A feed that tells the *latest* of each second tells sizes fairly: their mean times the count. One
that tells the *largest* does not, as its mean grows with the count. But then the same argument
holds for every size apart: the liquidations of size s or more are Poisson too, and a second has one
of them just if its largest is s or more. With the reported sizes in falling order the i-th is thus
reached by i seconds and stands for what the i-th adds to the count.
"""

from collections.abc import Iterable
from math import log, log1p

CONFIDENCE = 0.95


def arrivals(reported: int, seconds: int) -> float | None:
    """Return -T ln(1 - k/T), how many there were; None where every second has a report.

    Args:
        reported: k, the seconds with a report.
        seconds: T, all of them.

    Raises:
        ValueError: not 0 <= k <= T with T above 0.
    """
    if not 0 <= reported <= seconds or not seconds:
        raise ValueError(f"{reported} seconds of {seconds} cannot have a report")
    if reported == seconds:
        return None
    return -seconds * log1p(-reported / seconds) if reported else 0.0


def arrivals_limit(seconds: int, confidence: float = CONFIDENCE) -> float:
    """Return the lower limit of the count where every second has a report.

    It is T times the rate at which that has the probability 1 - confidence.
    """
    return -seconds * log1p(-((1 - confidence) ** (1 / seconds)))


def from_latest(reported: int, seconds: int, notional: int, count: int) -> float | None:
    """Return what is behind the latest liquidation of each second: count times mean size.

    Args:
        reported: k, the seconds with a report.
        seconds: T, all of them.
        notional: sum of the reported ones.
        count: how many they are.
    """
    expected = arrivals(reported, seconds)
    if expected is None:
        return None
    return expected * notional / count if count else 0.0


def from_largest(sizes: Iterable[int], seconds: int) -> float | None:
    """Return what is behind the largest liquidation of each second, in the unit of the sizes.

    Args:
        sizes: one per second with a report.
        seconds: T, all of them.
    """
    falling = sorted(sizes, reverse=True)
    if arrivals(len(falling), seconds) is None:
        return None
    return sum(
        size * seconds * log((seconds - place) / (seconds - place - 1))
        for place, size in enumerate(falling)
    )


def clipped(estimate: float, observed: int, upper: int) -> int:
    """Return an estimate as a whole number inside its bounds."""
    return min(max(round(estimate), observed), upper)
