"""Order flow over record borders, seconds and resyncs (definitions 5.6: never across a resync)."""

from dataclasses import replace

from processors.imbalance.best import BestFlow, BestPrices
from processors.seconds.second import BookView
from schemas.books import TopChange
from schemas.units import US_PER_SECOND
from tests.processors.seconds.builders import NOON_SECOND, book, plainly

NOON = NOON_SECOND * US_PER_SECOND


def change(at_us: int, bid: int, bid_lots: int, ask: int, ask_lots: int) -> TopChange:
    return (NOON + at_us, bid, bid_lots, ask, ask_lots)


FIRST = change(0, 100, 5, 101, 4)


def view(*tops: TopChange, epoch: int = 0) -> BookView:
    return book(0, [(100, 5)], [(101, 4)], tops=tops, epoch=epoch)


def started() -> BestPrices:
    prices = BestPrices()
    assert prices.end_second(NOON - US_PER_SECOND, [view(FIRST)]) is None
    return prices


def lots(found: BestFlow | None) -> int | None:
    return found.lots if found else None


def test_the_worked_check_over_records_and_seconds() -> None:
    """5.16: +2, -7 in one second's two records, -2 in the next."""
    prices = started()
    views = [view(change(150_000, 100, 7, 101, 4)), view(change(990_000, 99, 3, 101, 4))]
    found = prices.end_second(NOON, views)
    assert found is not None
    assert found.parts == [0, 2, 0, 0, 0, 0, 0, 0, 0, -7]
    prices = BestPrices(plainly(prices.dump()))
    later = prices.end_second(NOON + US_PER_SECOND, [view(change(1_000_000, 99, 3, 100, 2))])
    assert (found.lots, lots(later)) == (-5, -2)


def test_a_second_without_a_change_is_a_true_zero() -> None:
    assert lots(started().end_second(NOON, [view()])) == 0
    assert lots(started().end_second(NOON, [])) == 0


def test_before_the_first_best_price_nothing_is_known() -> None:
    """5.6: null, not zero; all prices may have moved."""
    assert BestPrices().end_second(NOON, [view()]) is None
    assert BestPrices().end_second(NOON, []) is None


def test_best_prices_of_a_book_are_unknown_from_its_loss_until_they_are_told_again() -> None:
    prices = started()
    gap = replace(view(), valid=False, tops_of_book=True)
    assert prices.end_second(NOON, [view(change(1, 100, 9, 101, 4)), gap]) is None
    assert prices.end_second(NOON, []) is None
    again = view(change(2, 90, 9, 91, 4), epoch=1)
    assert prices.end_second(NOON, [gap, again]) is None
    assert lots(prices.end_second(NOON, [view(change(3, 90, 10, 91, 4), epoch=1)])) == 1


def test_best_prices_of_a_stream_of_their_own_outlast_the_book() -> None:
    gap = replace(view(change(1, 100, 9, 101, 4)), valid=False)
    assert lots(started().end_second(NOON, [gap])) == 4


def test_no_difference_is_taken_across_a_resync() -> None:
    prices = started()
    assert prices.end_second(NOON, [view(change(1, 100, 9, 101, 4), epoch=1)]) is None
    assert lots(prices.end_second(NOON, [view(change(2, 100, 11, 101, 4), epoch=1)])) == 2


def test_a_resync_within_the_second_leaves_it_null_however_much_followed() -> None:
    prices = started()
    views = [
        view(change(1, 100, 9, 101, 4)),
        view(change(2, 50, 9, 51, 4), change(3, 50, 10, 51, 4), epoch=1),
    ]
    assert prices.end_second(NOON, views) is None
    assert lots(prices.end_second(NOON, [view(change(9, 50, 12, 51, 4), epoch=1)])) == 2


def test_a_resync_of_the_book_alone_does_not_break_the_best_prices() -> None:
    """They come from a stream of their own, with an epoch of its own."""
    prices = started()
    other = replace(view(change(1, 100, 9, 101, 4)), epoch=("s2", 7))
    assert lots(prices.end_second(NOON, [other])) == 4


def test_after_a_reset_the_first_change_has_none_before_it() -> None:
    prices = started()
    prices.reset()
    assert prices.end_second(NOON, [view(change(1, 100, 9, 101, 4))]) is None


def test_a_change_from_before_the_second_counts_in_its_first_part() -> None:
    found = started().end_second(NOON + US_PER_SECOND, [view(change(999_990, 100, 6, 101, 4))])
    assert found is not None
    assert (found.lots, found.parts[0]) == (1, 1)


def test_sizes_shown_hold_what_stood_at_the_beginning_and_are_on_the_assets_grid() -> None:
    prices = BestPrices()
    wide = {"tick_factor": 10, "lot_factor": 1000}
    prices.end_second(NOON, [replace(view(FIRST), **wide)])  # type: ignore[arg-type]
    tops = [change(1, 100, 2, 101, 9), change(2, 99, 8, 101, 1)]
    found = prices.end_second(NOON, [replace(view(*tops), **wide)])  # type: ignore[arg-type]
    assert found is not None
    assert found.bids == {1000: 5000, 990: 8000}
    assert found.asks == {1010: 9000}
    # bid 5 to 2: -3, ask 4 to 9: -5; then the bid goes: -2, the ask to 1: +8
    assert found.lots == (-3 - 5 - 2 + 8) * 1000
