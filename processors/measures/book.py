"""Measures of one order book as it stands (definitions 5.6).

Pure functions over levels `(price, lots)`, best first: integers in; floats come out only where a
measure is a ratio or a weighted sum. Every band compares integers.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from math import exp
from operator import itemgetter
from typing import Literal, NamedTuple

from schemas.books import ASK_COVERED, BID_COVERED, BookLevel

BP = 10_000
"""Basis points in one."""

Levels = Sequence[BookLevel]
Reference = Literal["mid", "best"]

BID, ASK = 1, -1
"""The sign that makes a better price the greater one."""

_LOTS = itemgetter(1)


def obi(bid: float, ask: float) -> float | None:
    """Return (bid - ask) / (bid + ask); None where both are 0, which is no balance."""
    total = bid + ask
    return (bid - ask) / total if total else None


def one_sided(bid: int, ask: int) -> bool:
    """Say whether exactly one side is empty, so that an imbalance of +1 or -1 says no more."""
    return (not bid) != (not ask)


def mid_2(bids: Levels, asks: Levels) -> int | None:
    """Return twice the mid in ticks, None where a side is empty."""
    return bids[0][0] + asks[0][0] if bids and asks else None


def weighted_mid(bids: Levels, asks: Levels) -> float | None:
    """Return (ask lots * bid + bid lots * ask) / (ask lots + bid lots) at the touch, in ticks.

    It is not the micro-price: no martingale, and it jumps when levels change (definitions 8).
    """
    if not bids or not asks:
        return None
    (bid, bid_lots), (ask, ask_lots) = bids[0], asks[0]
    return (ask_lots * bid + bid_lots * ask) / (ask_lots + bid_lots)


class Top(NamedTuple):
    """Sums over the best `levels` of each side, of which so many are there."""

    levels: int
    bid: int
    ask: int
    bid_used: int
    ask_used: int


def top(bids: Levels, asks: Levels, counts: Sequence[int]) -> list[Top]:
    """Sum the best N levels of each side, for every N of `counts`."""
    bid_sums = list(accumulate(map(_LOTS, bids), initial=0))
    ask_sums = list(accumulate(map(_LOTS, asks), initial=0))
    found = []
    for count in counts:
        bid_used, ask_used = min(count, len(bids)), min(count, len(asks))
        found.append(Top(count, bid_sums[bid_used], ask_sums[ask_used], bid_used, ask_used))
    return found


class Band(NamedTuple):
    """Sums inside a band, laid out as `schemas.books.BookBand`."""

    half_width_bp: int
    bid: int
    ask: int
    bid_tick_lots: int
    ask_tick_lots: int
    coverage: int

    def obi(self, allow_truncated: bool = False) -> float | None:
        """Return the imbalance; None where the band is not covered on both sides."""
        covered = self.coverage == BID_COVERED | ASK_COVERED
        return obi(self.bid, self.ask) if covered or allow_truncated else None


def bands(
    bids: Levels, asks: Levels, widths_bp: Sequence[int], reference: Reference = "mid"
) -> list[Band]:
    """Sum what lies in bands around a book's mid, edges included; none where it has no mid.

    A side is covered where its deepest level lies beyond the edge or on the last tick inside it, as
    the collector says it of the bands that it sums. That a book may end before the edge, levels
    alone do not say.

    Args:
        bids: best first.
        asks: best first.
        widths_bp: half widths in basis points.
        reference: `best` measures each side from its own best price instead (another measure,
            with another sign now and then, so it has another name wherever it is published).
    """
    middle = mid_2(bids, asks)
    if middle is None:
        return []
    origin = (middle, middle) if reference == "mid" else (2 * bids[0][0], 2 * asks[0][0])
    sides = ((bids, BID, origin[0]), (asks, ASK, origin[1]))
    columns = [_inside(levels, sign, twice, widths_bp) for levels, sign, twice in sides]
    found = []
    for width, bid, ask in zip(widths_bp, *columns, strict=True):
        coverage = BID_COVERED * bid[2] | ASK_COVERED * ask[2]
        found.append(Band(width, bid[0], ask[0], bid[1], ask[1], coverage))
    return found


def edge(twice: int, sign: int, width_bp: int) -> int:
    """Return the worst price, times the side's sign, that is within a width of a price.

    Args:
        twice: twice that price in ticks.
        sign: `BID` or `ASK`; keys are prices times sign.
        width_bp: how far away from it, towards worse prices.
    """
    return -((width_bp * twice - sign * twice * BP) // (2 * BP))


def _inside(
    levels: Levels, sign: int, twice: int, widths_bp: Sequence[int]
) -> list[tuple[int, int, bool]]:
    """Return lots, ticks times lots, and whether the side is covered, for each width."""
    worseness = [-sign * price for price, _ in levels]
    lots = list(accumulate(map(_LOTS, levels), initial=0))
    products = list(accumulate((price * qty for price, qty in levels), initial=0))
    found = []
    for width in widths_bp:
        limit = -edge(twice, sign, width)
        inside = bisect_right(worseness, limit)
        found.append((lots[inside], products[inside], worseness[-1] >= limit))
    return found


def weights(levels: Levels, middle: int, decay_bp: int) -> list[float]:
    """Return exp(-d / decay) of each level, d its distance from mid in basis points.

    Args:
        levels: of one side.
        middle: twice the mid in ticks.
        decay_bp: the distance at which a weight is 1/e.
    """
    per_tick = 2 * BP / (middle * decay_bp)
    half = middle / 2
    return [exp(-abs(price - half) * per_tick) for price, _ in levels]


def weighted_sum(levels: Levels, weight: Sequence[float]) -> float:
    """Return the sum of weight times lots."""
    return sum([each * lots for each, (_, lots) in zip(weight, levels, strict=True)])


def weighted_obi(bids: Levels, asks: Levels, decay_bp: int = 10) -> float | None:
    """Return the imbalance of sizes weighted with exp(-d / decay); None without a mid."""
    middle = mid_2(bids, asks)
    if middle is None:
        return None
    return obi(
        weighted_sum(bids, weights(bids, middle, decay_bp)),
        weighted_sum(asks, weights(asks, middle, decay_bp)),
    )
