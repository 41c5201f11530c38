"""The worked bar of definitions 5.4 and the strategies that make others."""

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

from hypothesis import strategies as st

from processors.measures.imbalance import ImbalanceParams, marks
from processors.measures.rows import Ladder, dense
from schemas.footprints import Mark

WORKED: dict[int, tuple[int, int]] = {
    64_040: (380, 60),
    64_060: (540, 95),
    64_080: (120, 600),
    64_100: (30, 410),
    64_120: (18, 240),
}
"""Sell, buy by price; a price tick is 1 and a lot is 1 here."""

MIRROR = {128_160 - price: (buy, sell) for price, (sell, buy) in WORKED.items()}


def keyed(trades: Mapping[int, tuple[int, int]]) -> dict[int, list[int]]:
    """Make full keyed rows: sell, buy, unknown, counts, notionals; one trade a side and row."""
    return {
        price: [sell, buy, 0, int(sell > 0), int(buy > 0), price * sell, price * buy]
        for price, (sell, buy) in trades.items()
    }


def worked(step: int = 20) -> Ladder:
    """Return the worked bar as rows of its own size."""
    return dense(keyed(WORKED), step)


def mirror(ladder: Ladder) -> Ladder:
    """Turn a bar upside down about price 0: sells become buys, the low becomes the high."""
    return Ladder(
        low=-ladder.row(ladder.size - 1),
        step=ladder.step,
        sell=ladder.buy[::-1],
        buy=ladder.sell[::-1],
        unknown=ladder.unknown[::-1],
    )


def rounded(price: int, step: int, *, half_even: bool) -> int:
    """Return the row that rounding to nearest would choose (wrong on purpose)."""
    mode = ROUND_HALF_EVEN if half_even else ROUND_HALF_UP
    return int((Decimal(price) / step).quantize(Decimal(1), rounding=mode)) * step


def marked(ladder: Ladder, params: ImbalanceParams, bit: Mark) -> set[int]:
    """Return the rows that carry a mark."""
    found = marks(ladder, params)
    return {ladder.row(index) for index, bits in enumerate(found) if bits & bit}


def imbalances(ladder: Ladder, **changes: object) -> tuple[set[int], set[int]]:
    """Return the rows of the diagonal buy and sell imbalances under changed parameters."""
    params = ImbalanceParams(**changes)  # type: ignore[arg-type]
    return (
        marked(ladder, params, Mark.BUY_IMBALANCE),
        marked(ladder, params, Mark.SELL_IMBALANCE),
    )


@st.composite
def ladders(draw: st.DrawFn, most: int = 40) -> Ladder:
    """Draw a bar whose extreme rows traded and whose inner rows may be empty."""
    lots = st.one_of(st.just(0), st.integers(1, 12), st.integers(1, 10**9))
    rows = draw(st.lists(st.tuples(lots, lots, lots), min_size=1, max_size=most))
    for edge in (0, -1):
        if not any(rows[edge]):
            rows[edge] = (1, 0, 0)
    sell, buy, unknown = (list(column) for column in zip(*rows, strict=True))
    step = draw(st.integers(1, 500))
    return Ladder(draw(st.integers(0, 10**6)) * step, step, sell, buy, unknown)
