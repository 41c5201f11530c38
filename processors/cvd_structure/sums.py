"""Accounts added up: candles, classes of size, shares and conviction over several instruments.

Between venues the order of trades within a second is not known well enough (definitions, trap 20),
so the path of a sum goes in steps of a second; that of one instrument is exact.
"""

from collections.abc import Callable, Sequence

from processors.cvd_structure.account import Account
from processors.measures.shares import Share
from schemas.cvd import Cumulative
from schemas.cvd_structure import ConvictionState, CvdCandle, Reset, SizeClass

Cents = Callable[[int], int]


def candle(accounts: Sequence[Account], reset: Reset, cents: Cents, *, exact: bool) -> CvdCandle:
    """Return the candle of the open minute over at least one account.

    Args:
        accounts: of the instruments.
        reset: since which anchor.
        cents: turns ticks times lots into hundredths of the quote.
        exact: whether the path is that of the trades, of a single account.
    """
    lots, notional = (sum([one.levels[reset][i] for one in accounts]) for i in (0, 1))
    path = accounts[0].path if exact else path_of(accounts)
    closes = [sum([one.sums[i] for one in accounts]) for i in (0, 1)]
    return CvdCandle(
        lots,
        lots + path[0],
        lots + path[1],
        lots + closes[0],
        cents(notional),
        cents(notional + path[2]),
        cents(notional + path[3]),
        cents(notional + closes[1]),
    )


def path_of(accounts: Sequence[Account]) -> list[int]:
    """Return highest and lowest of lots, then of notional, after each second, from 0."""
    steps: dict[int, list[int]] = {}
    for account in accounts:
        for second, lots, notional in account.steps:
            into = steps.setdefault(second, [0, 0])
            into[0] += lots
            into[1] += notional
    at, path = [0, 0], [0, 0, 0, 0]
    for second in sorted(steps):
        for i in (0, 1):
            at[i] += steps[second][i]
            path[2 * i] = max(path[2 * i], at[i])
            path[2 * i + 1] = min(path[2 * i + 1], at[i])
    return path


def minute_of(accounts: Sequence[Account], cents: Cents) -> Cumulative:
    """Return the sums of the open minute."""
    delta, delta_notional, volume, volume_notional = (
        sum([one.sums[i] for one in accounts]) for i in range(4)
    )
    return Cumulative(delta, cents(delta_notional), volume, cents(volume_notional))


def sizes_of(rows: Sequence[list[list[int]]], cents: Cents) -> list[SizeClass]:
    """Return the classes of size of several accounts added up."""
    added = []
    for of_class in zip(*rows, strict=True):
        lots, notional, volume, worth, count = (
            sum(column) for column in zip(*of_class, strict=True)
        )
        added.append(SizeClass(lots, cents(notional), volume, cents(worth), count))
    return added


def rolling_of(accounts: Sequence[Account], index: int) -> tuple[int, int]:
    """Return delta and volume in lots over one rolling window."""
    return (
        sum([one.rolling[index][0] for one in accounts]),
        sum([one.rolling[index][1] for one in accounts]),
    )


def conviction(
    spot: tuple[int, int], perp: tuple[int, int], dead_zone: Share
) -> ConvictionState | None:
    """Say how spot and perpetuals stand to each other.

    Args:
        spot: delta and volume of the window.
        perp: the same of perpetuals.
        dead_zone: a share within it, inclusive, is none.
    """
    if not spot[1] or not perp[1]:
        return None
    lean_spot, lean_perp = _lean(spot, dead_zone), _lean(perp, dead_zone)
    if lean_spot and lean_perp:
        same = lean_spot == lean_perp
        return ConvictionState.CONFIRMED if same else ConvictionState.OPPOSED
    if lean_perp:
        return ConvictionState.PERP_ONLY
    return ConvictionState.SPOT_ONLY if lean_spot else ConvictionState.FLAT


def _lean(sums: tuple[int, int], dead_zone: Share) -> int:
    """Return the sign of a share beyond the dead zone, 0 within it."""
    delta, volume = sums
    if abs(delta) * dead_zone[1] <= volume * dead_zone[0]:
        return 0
    return 1 if delta > 0 else -1
