"""From book to book within a second."""

from dataclasses import replace

from processors.imbalance.walk import is_whole, spans, taken, walk_ranks, walk_side
from processors.measures.book import ASK, BID
from schemas.units import US_PER_SECOND
from tests.processors.seconds.builders import NOON_SECOND, book, trade

NOON = NOON_SECOND * US_PER_SECOND
END = NOON + US_PER_SECOND


def test_only_falls_within_the_width_of_the_earlier_touch_count() -> None:
    """5 bp of 10,000 are 5 ticks, the edge included."""
    before = [(10_000, 9), (9_995, 9), (9_994, 9), (9_000, 1)]
    walk = walk_side([(0, before), (7, [(9_995, 4), (9_000, 1)])], BID, 5)
    assert walk.decreases == [(7, 10_000, 9), (7, 9_995, 5)]
    assert walk.least == {9_995: 4, 9_000: 1}


def test_a_price_that_the_next_book_does_not_reach_is_not_a_fall() -> None:
    before, after = [(101, 1), (102, 2), (103, 3)], [(100, 8), (101, 1)]
    walk = walk_side([(0, before), (1, after)], ASK, 1000)
    assert walk.decreases == []
    assert walk.reach == -101


def test_a_side_that_is_empty_now_has_lost_all_of_it() -> None:
    walk = walk_side([(0, [(101, 1), (102, 2)]), (1, [])], ASK, 1000, (10, 100))
    assert walk.decreases == [(1, 1010, 100), (1, 1020, 200)]
    assert (walk.least, walk.reach) == ({}, -102)
    assert walk_side([(0, []), (1, [])], ASK, 1000).reach is None


def test_the_least_size_remembers_a_dip_and_a_price_that_came_is_not_there() -> None:
    sides = [[(99, 5)], [(99, 2), (98, 7)], [(99, 8), (98, 7)]]
    walk = walk_side(list(enumerate(sides)), BID, 5)
    assert walk.least == {99: 2}


def test_a_valid_book_stands_until_the_next_one() -> None:
    first, gap = book(0, [(99, 1)], [(101, 1)], at_us=300_000), book(0, [], [], at_us=600_000)
    broken = replace(gap, valid=False)
    standing = book(-1, [(98, 1)], [(101, 1)])
    assert spans(standing, [first, broken], NOON, END) == [(300_000, standing), (300_000, first)]
    assert spans(None, [first], NOON, END) == [(700_000, first)]
    assert spans(standing, [], NOON, END) == [(US_PER_SECOND, standing)]


def test_whole_is_one_book_from_the_beginning_to_the_end() -> None:
    one, other = book(0, [(99, 1)], [(101, 1)]), book(0, [(99, 1)], [(101, 1)], epoch=1)
    assert is_whole(one, [])
    assert is_whole(one, [one, one])
    assert not is_whole(None, [one])
    assert not is_whole(one, [other])
    assert not is_whole(one, [book(0, [], [], valid=False)])
    assert not is_whole(one, [replace(one, tick_factor=10)])
    assert not is_whole(one, [replace(one, lot_factor=10)])


def test_rank_flow_is_on_the_assets_grid_and_normalised_by_the_mean_depth() -> None:
    was = replace(book(0, [(99, 4)], [(101, 6)]), lot_factor=100)
    now = replace(book(0, [(99, 8), (98, 1)], [(101, 6)]), lot_factor=100)
    flow = walk_ranks([was, now], 2)
    assert flow.lots == [400, 100]
    assert flow.mean_depth_lots == [600, 25]
    assert flow.normalise(0, flow.lots[0]) == 400 / 600
    assert walk_ranks([was], 2).normalise(1, 0) is None


def test_trades_are_sorted_by_what_they_hit_and_unknown_sides_hit_nothing() -> None:
    trades = [
        trade(0, 99, 1, -1),
        trade(0, 99, 2, -1, at_us=5),
        trade(0, 101, 4),
        trade(0, 9, 9, 0),
    ]
    assert taken(trades) == ({99: [[NOON, 1], [NOON + 5, 2]]}, {101: [[NOON, 4]]})
