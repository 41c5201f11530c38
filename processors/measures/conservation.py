"""How a bar's sums agree with the venue's own (definitions 5.14).

`exact`: all five are equal. `explained`: the quantity that is missing is that of order classes
which are left out of rows by definition, or the buys that are missing are of unknown side.
`tolerance`: both quantities are off by 0.01 % at most, and there is a cause, which is that the bar
is not covered whole. `broken`: anything else.

Settled here: a difference that left-out classes explain may widen high and low and add trades, as
their prices and numbers are not kept; without such classes high and low must be equal.
"""

from collections.abc import Mapping
from decimal import Decimal
from itertools import combinations

from schemas.reconciliations import Comparison, Conservation, OwnTotals, Totals

TOLERANCE_PARTS = 10_000
"""One part in so many: 0.01 %."""


def compare(theirs: Totals, ours: OwnTotals | None, *, with_trades: bool) -> Comparison:
    """Class one bar.

    Args:
        theirs: the venue's.
        ours: None where there is no bar.
        with_trades: whether both count the same fills: a stream that merges them does not.
    """
    conservation, cause = _judged(theirs, ours, with_trades)
    return Comparison(
        theirs=theirs,
        ours=ours,
        conservation=conservation,
        cause=cause,
        trades_compared=with_trades,
    )


def _judged(theirs: Totals, ours: OwnTotals | None, with_trades: bool) -> tuple[Conservation, str]:
    if ours is None:
        if not theirs.trades and not theirs.total:
            return Conservation.EXACT, "no trades, no bar"
        return Conservation.BROKEN, "there is no bar"
    differing = _differing(theirs, ours, with_trades)
    if not differing:
        return Conservation.EXACT, ""
    explained = _explained(theirs, ours, differing)
    if explained:
        return Conservation.EXPLAINED, explained
    if ours.is_complete:
        return Conservation.BROKEN, f"differs: {', '.join(differing)}"
    if _is_close(theirs, ours) and not {"high", "low"} & set(differing):
        return Conservation.TOLERANCE, "the bar is not covered whole"
    return Conservation.BROKEN, f"not covered whole; differs: {', '.join(differing)}"


def _differing(theirs: Totals, ours: Totals, with_trades: bool) -> list[str]:
    names = ["total", "taker_buy"]
    names += ["high", "low"] if theirs.trades else []
    names += ["trades"] if with_trades else []
    return [name for name in names if getattr(theirs, name) != getattr(ours, name)]


def _explained(theirs: Totals, ours: OwnTotals, differing: list[str]) -> str:
    missing = theirs.total - ours.total
    missing_buys = theirs.taker_buy - ours.taker_buy
    if not missing:
        only_sides = differing == ["taker_buy"] and Decimal(0) < missing_buys <= ours.unknown
        return "buys among trades of unknown side" if only_sides else ""
    classes = _classes_of(missing, ours.excluded)
    if not classes or not Decimal(0) <= missing_buys <= missing + ours.unknown:
        return ""
    return "" if _is_narrower(theirs, ours) else f"left out: {', '.join(classes)}"


def _classes_of(missing: Decimal, excluded: Mapping[str, Decimal]) -> tuple[str, ...]:
    """Return the classes whose quantities add up to what is missing; there are three at most."""
    names = sorted(excluded)
    for count in range(1, len(names) + 1):
        for chosen in combinations(names, count):
            if sum(excluded[name] for name in chosen) == missing:
                return chosen
    return ()


def _is_narrower(theirs: Totals, ours: Totals) -> bool:
    """Say whether theirs leaves out prices that ours has, which no left-out class explains."""
    if theirs.high is None or theirs.low is None or ours.high is None or ours.low is None:
        return False
    return theirs.high < ours.high or theirs.low > ours.low


def _is_close(theirs: Totals, ours: Totals) -> bool:
    limit = theirs.total / TOLERANCE_PARTS
    return (
        abs(theirs.total - ours.total) <= limit and abs(theirs.taker_buy - ours.taker_buy) <= limit
    )
