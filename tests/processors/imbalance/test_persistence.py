"""How long the size of a level has rested: staircases against all seconds at once."""

from hypothesis import given
from hypothesis import strategies as st

from processors.imbalance.persistence import Persistence, Rested
from processors.measures.book import ASK, BID
from tests.processors.seconds.builders import plainly

SECONDS = st.lists(
    st.tuples(
        st.dictionaries(st.integers(90, 99), st.integers(1, 6), max_size=6),
        st.integers(88, 94) | st.none(),
    ),
    min_size=1,
    max_size=25,
)


def rested(side: Persistence, *levels: tuple[int, int]) -> list[Rested | None]:
    return side.rested(levels, [1.0] * len(levels))


@given(SECONDS, st.integers(0, 24))
def test_the_least_size_over_each_window_is_that_of_all_its_seconds(
    seconds: list[tuple[dict[int, int], int | None]], restart: int
) -> None:
    windows = (1, 3, 7)
    side = Persistence(BID, windows)
    for number, (least, reach) in enumerate(seconds):
        side.end_second(number, least, reach)
        if number == restart:
            side = Persistence(BID, windows, plainly(side.dump()))
    # Each size now is at least the least of its second; one price came in the end.
    levels = [
        (100, 3),
        *((price, size + 1) for price, size in sorted(seconds[-1][0].items())[::-1]),
    ]
    for window, found in zip(windows, rested(side, *levels), strict=True):
        if len(seconds) < window:
            assert found is None
            continue
        inside = seconds[-window:]
        reach = max((one for _, one in inside if one is not None), default=0)
        seen = [(price, size) for price, size in levels if price >= reach]
        lowest = [min(least.get(price, 0) for least, _ in inside) for price, _ in seen]
        total = sum(size for _, size in levels)
        assert found == Rested(sum(lowest), sum(size for _, size in seen), total)


def test_a_size_that_rises_has_only_rested_with_what_it_was() -> None:
    side = Persistence(ASK, (1, 2, 3))
    for number, size in enumerate((2, 5, 9)):
        side.end_second(number, {101: size}, -101)
    assert rested(side, (101, 9)) == [Rested(9, 9, 9), Rested(5, 9, 9), Rested(2, 9, 9)]


def test_a_price_out_of_view_is_not_known_instead_of_gone() -> None:
    """Asks: one book of the first second showed no further than 101."""
    side = Persistence(ASK, (1, 2))
    side.end_second(0, {101: 4}, -101)
    side.end_second(1, {101: 4, 102: 8}, -102)
    assert rested(side, (101, 4), (102, 8)) == [Rested(12, 12, 12), Rested(4, 4, 12)]


def test_a_break_empties_the_windows() -> None:
    side = Persistence(BID, (1, 2))
    side.end_second(0, {99: 4}, 99)
    side.reset()
    assert rested(side, (99, 4)) == [None, None]
    side.end_second(5, {99: 4}, 99)
    assert rested(side, (99, 4)) == [Rested(4, 4, 4), None]


def test_a_staircase_has_no_more_steps_than_the_window_has_seconds() -> None:
    side = Persistence(BID, (3,))
    for number in range(50):
        side.end_second(number, {99: number + 1}, 99)
    (stairs, _, _) = side.dump()
    assert stairs == [(99, [(47, 48), (48, 49), (49, 50)])]
