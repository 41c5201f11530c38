"""Which trades came already: holes, late ones, repeated ones, and ids that make no sense."""

from collectors.session.seen import GRACE_US, MAX_HOLES, MAX_REMEMBERED, GaplessSeen, RecentSeen
from schemas.trades import TradeRow

BASE_US = 1_800_000_000_000_000


def row(trade_id: int | str, after_us: int = 0) -> TradeRow:
    return (BASE_US + after_us, 1, 1, 1, trade_id, 0)


def ids(rows: list[TradeRow]) -> list[int | str]:
    return [one[4] for one in rows]


def take(seen: GaplessSeen, *trade_ids: int) -> list[int | str]:
    rows = [row(trade_id, trade_id) for trade_id in trade_ids]
    return ids(seen.take(rows, None, BASE_US))


def missing(seen: GaplessSeen) -> set[int]:
    found = seen.gaps(BASE_US + GRACE_US)
    return {one for hole in found for one in range(hole.first_id, hole.last_id + 1)}


def test_a_hole_is_reported_once_and_what_fills_it_later_is_new() -> None:
    seen = GaplessSeen()
    assert take(seen, 1, 2, 6) == [1, 2, 6]
    assert not seen.gaps(BASE_US + GRACE_US - 1)
    assert missing(seen) == {3, 4, 5}
    assert missing(seen) == set()
    assert take(seen, 4, 4, 2) == [4]
    assert (seen.out_of_order, seen.duplicates) == (1, 2)


def test_rows_of_merged_fills_spend_the_ids_before_theirs() -> None:
    seen = GaplessSeen()
    assert ids(seen.take([row(3)], (3,), BASE_US)) == [3]
    assert ids(seen.take([row(8), row(9)], (4, 1), BASE_US)) == [8, 9]
    assert missing(seen) == {4}


def test_however_many_holes_there_are_every_missing_id_is_on_record() -> None:
    seen = GaplessSeen()
    odd = list(range(1, 8 * MAX_HOLES, 2))
    for trade_id in odd:
        take(seen, trade_id)
    assert missing(seen) >= set(range(2, odd[-1], 2))


def test_what_came_is_known_and_what_is_fetched_is_new_however_many_holes_there_are() -> None:
    seen = GaplessSeen()
    take(seen, 0, 101)
    assert missing(seen) == set(range(1, 101))
    odd = list(range(103, 103 + 4 * MAX_HOLES, 2))
    assert take(seen, *odd) == odd
    assert take(seen, *odd) == []
    assert take(seen, *range(1, 101)) == list(range(1, 101))
    given_up = {hole.first_id for hole in seen.gaps(BASE_US) if hole.given_up}
    assert min(given_up) == 102
    assert take(seen, 102) == []


def test_a_hole_that_is_over_goes_before_one_that_is_not() -> None:
    seen = GaplessSeen()
    take(seen, 0, 10, 20)
    seen.gaps(BASE_US + GRACE_US)
    seen.settle(1, 9)
    assert take(seen, 5) == [5]
    take(seen, *range(22, 22 + 2 * MAX_HOLES, 2))
    assert take(seen, 4) == []
    assert take(seen, 15) == [15]


def test_an_id_far_ahead_is_a_trade_and_does_not_blind_the_rest() -> None:
    seen = GaplessSeen()
    assert take(seen, 10, 10**12, 11, 12, 15) == [10, 10**12, 11, 12, 15]
    assert missing(seen) == {13, 14}


def test_a_venue_that_counts_anew_loses_no_trade() -> None:
    for start in (1, 10**12):
        seen = GaplessSeen()
        take(seen, *range(1_000, 1_010))
        later = [row(start + number, 10**13 + number) for number in range(200)]
        taken = [one for single in later for one in seen.take([single], None, BASE_US)]
        assert taken == later
        assert ids(seen.take([row(start + 203, 10**13 + 203)], None, BASE_US)) == [start + 203]
        assert missing(seen) == {start + 200, start + 201, start + 202}


def test_ids_without_order_are_known_by_time_and_id_and_forgotten_in_the_end() -> None:
    seen = RecentSeen()
    assert ids(seen.take([row("a"), row("a"), row("a", 1)], None, BASE_US)) == ["a", "a"]
    assert seen.duplicates == 1
    seen.take([row(number, 2) for number in range(MAX_REMEMBERED)], None, BASE_US)
    assert ids(seen.take([row("a")], None, BASE_US)) == ["a"]
    assert seen.out_of_order == 1
