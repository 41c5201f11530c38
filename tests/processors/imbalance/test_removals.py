"""What was pulled and what was traded: tolerance, tape used once, settling (definitions 5.6)."""

import pytest

from processors.imbalance.removals import Decrease, Removals, Taken
from tests.processors.seconds.builders import plainly

TOLERANCE = 100_000
END = 1_000_000


def one_second(decreases: list[Decrease], taken: Taken) -> tuple[int, int]:
    """Return the sums of a window of two seconds, of which the second has nothing new."""
    side = Removals(2, TOLERANCE)
    side.end_second(END, decreases, taken)
    assert side.sums() is None
    side.end_second(2 * END, [], {})
    sums = side.sums()
    assert sums is not None
    return sums


@pytest.mark.parametrize(
    ("trade_us", "traded"),
    [(400_000, 3), (600_000, 3), (399_999, 0), (600_001, 0), (500_000, 3)],
)
def test_a_trade_within_the_tolerance_explains_and_both_ends_belong_to_it(
    trade_us: int, traded: int
) -> None:
    assert one_second([(500_000, 99, 10)], {99: [[trade_us, 3]]}) == (10, traded)


def test_removed_by_trade_is_the_smaller_of_decrease_and_volume() -> None:
    assert one_second([(500_000, 99, 2)], {99: [[500_000, 30]]}) == (2, 2)


def test_a_trade_at_another_price_explains_nothing() -> None:
    assert one_second([(500_000, 99, 2)], {98: [[500_000, 30]]}) == (2, 0)


def test_a_lot_that_traded_explains_one_decrease_only_the_earliest() -> None:
    decreases: list[Decrease] = [(500_000, 99, 4), (560_000, 99, 4)]
    assert one_second(decreases, {99: [[530_000, 5]]}) == (8, 5)


def test_a_decrease_at_the_end_of_a_second_waits_for_the_trade_that_explains_it() -> None:
    side = Removals(1, TOLERANCE)
    side.end_second(END, [(END - TOLERANCE - 1, 99, 1), (END - TOLERANCE, 99, 6)], {})
    assert side.sums() == (1, 0)
    side = Removals(1, TOLERANCE, plainly(side.dump()))
    side.end_second(2 * END, [], {99: [[END, 4]]})
    assert side.sums() == (6, 4)


def test_a_trade_of_the_second_before_explains_what_waited_for_it() -> None:
    side = Removals(1, TOLERANCE)
    side.end_second(END, [(END - 10, 99, 6)], {99: [[END - 110_000, 9], [END - 50_000, 2]]})
    side = Removals(1, TOLERANCE, plainly(side.dump()))
    side.end_second(2 * END, [], {})
    assert side.sums() == (6, 2)


def test_trades_of_two_seconds_at_one_price_are_all_there_for_what_falls_later() -> None:
    """The first is too old by then, the second is not, and nothing fell when it came."""
    side = Removals(1, TOLERANCE)
    side.end_second(END, [], {99: [[END - 1, 1]]})
    side.end_second(2 * END, [], {99: [[2 * END - 1, 4]]})
    side.end_second(3 * END, [(2 * END + 50_000, 99, 9)], {99: [[2 * END + 7, 2]]})
    assert side.sums() == (9, 6)


def test_the_window_rolls() -> None:
    side = Removals(2, TOLERANCE)
    for number, lots in enumerate((1, 2, 4)):
        at_us = number * END + 500_000
        side.end_second((number + 1) * END, [(at_us, 99, lots)], {99: [[at_us, 1]]})
    assert side.sums() == (6, 2)
    side.reset()
    assert side.sums() is None


def test_the_trades_that_are_given_are_not_changed() -> None:
    taken: Taken = {99: [[500_000, 3]]}
    one_second([(500_000, 99, 10)], taken)
    assert taken == {99: [[500_000, 3]]}
