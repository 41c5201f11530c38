"""Who was there, over windows that are filled and windows that roll."""

import pytest

from processors.seconds.presence import MinuteWindow, Presence, Window
from schemas.lineage import Status
from schemas.market import FeedState
from schemas.units import US_PER_SECOND
from tests.processors.seconds.builders import (
    BINANCE,
    BINANCE_SPOT,
    BYBIT,
    DOWN,
    NOON_SECOND,
    member,
    plainly,
    second,
)

BOTH = ["binance:BTC-USDT-PERP", "bybit:BTC-USDT-PERP"]
NOON_US = NOON_SECOND * US_PER_SECOND


def test_a_window_is_complete_where_everybody_was_there_all_the_time() -> None:
    window = Window("trade_stream")
    for number in range(3):
        window.add(second(number, member(BINANCE), member(BYBIT)))
    found = window.record(BOTH)
    assert (found.status, found.venues_complete) == (Status.COMPLETE, BOTH)
    assert found.coverage_ms == dict.fromkeys(BOTH, 3000)


def test_a_window_that_somebody_missed_a_part_of_is_partial_and_says_how_it_ended() -> None:
    window = Window("trade_stream")
    window.add(second(0, member(BINANCE), member(BYBIT, there=(400_000, FeedState.DOWN))))
    window.add(second(1, member(BINANCE), member(BYBIT, there=DOWN)))
    found = Window("trade_stream", plainly(window.dump())).record(BOTH)
    assert (found.status, found.venues_complete, found.venues_partial) == (
        Status.PARTIAL,
        BOTH[:1],
        BOTH[1:],
    )
    assert found.feed_states[BOTH[1]] is FeedState.DOWN
    assert window.record(BOTH[1:]).status is Status.PARTIAL


@pytest.mark.parametrize("skipped", [0, 1])
def test_a_window_that_nobody_was_there_in_is_a_gap(skipped: int) -> None:
    window = Window("trade_stream")
    window.add(second(0, member(BINANCE, there=DOWN)))
    window.skip(skipped)
    assert window.record(BOTH[:1]).status is Status.GAP


def test_only_who_has_the_stream_is_expected() -> None:
    window, presence = Window("liquidation_stream"), Presence("liquidation_stream")
    for one in (window.add, presence.take):
        one(second(0, member(BINANCE), member(BINANCE_SPOT)))
    assert window.record(["binance:BTC-USDT"]).venues_expected == []
    assert presence.expected == BOTH[:1]


def test_a_break_or_a_jump_begins_anew() -> None:
    presence = Presence("trade_stream")
    presence.take(second(0, member(BINANCE), member(BYBIT)))
    presence.take(second(1, member(BINANCE), member(BYBIT, there=(999_999, FeedState.LIVE))))
    presence.take(second(2, member(BINANCE), member(BYBIT)))
    assert presence.complete_since(NOON_US) == BOTH[:1]
    assert presence.complete_since(NOON_US + 2 * US_PER_SECOND) == BOTH
    presence = Presence("trade_stream", plainly(presence.dump()))
    presence.take(second(4, member(BINANCE), member(BYBIT)))
    assert presence.complete_since(NOON_US + 3 * US_PER_SECOND) == []
    assert presence.complete_since(NOON_US + 4 * US_PER_SECOND) == BOTH


def test_who_is_not_listed_any_more_is_not_expected() -> None:
    presence = Presence("trade_stream")
    presence.take(second(0, member(BINANCE), member(BYBIT)))
    presence.take(second(1, member(BINANCE), member(BYBIT, there=(0, FeedState.NOT_LISTED))))
    assert presence.expected == BOTH[:1]


def test_a_minute_begins_anew_with_its_first_second_and_counts_those_that_are_missing() -> None:
    window, found = MinuteWindow("ticker_stream"), []
    for number in (20, 21, *range(25, 60), 60, 61, 190):
        window.take(second(number, member(BINANCE)))
        window = MinuteWindow("ticker_stream", plainly(window.dump()))
        record = window.record(BOTH[:1])
        found.append((number, record.status, record.coverage_ms[BOTH[0]]))
    assert found[0] == (20, Status.PARTIAL, 1000)
    assert found[36] == (59, Status.PARTIAL, 37_000)
    assert found[37:] == [
        (60, Status.COMPLETE, 1000),
        (61, Status.COMPLETE, 2000),
        (190, Status.PARTIAL, 1000),
    ]
