"""Which values of a ticker count: as often as their venues tell them (definitions 5.12)."""

import pytest

from processors.context.polls import Polls
from processors.context.ticker import TickerMemory
from schemas.market import DataSource
from schemas.tickers import TickerBatch
from tests.processors.context.builders import at, ticker

POLLS = Polls()


def memory(*told: TickerBatch, end: float, there: bool = True) -> TickerMemory:
    """Return what is known at a time, the stream having been there until then at least."""
    known = TickerMemory("0.001")
    for one in told:
        known.take(one, one.receive_time_us, there=True)
    known.take(told[-1], at(end), there=there)
    return known


def polled(number: float, interest: str = "1000") -> TickerBatch:
    return ticker(number, interest, source=DataSource.REST)


@pytest.mark.parametrize(
    ("venue", "end", "there", "counts"),
    [
        ("binance", 10, True, True),
        ("binance", 11, True, False),
        ("okx", 10, True, True),
        ("okx", 11, True, False),
        ("hyperliquid", 11, True, False),
        ("bybit", 3_600, True, True),
        ("bybit", 10, False, True),
        ("bybit", 11, False, False),
        ("another", 120, False, True),
        ("another", 121, True, False),
    ],
)
def test_open_interest_counts_for_two_intervals_or_as_long_as_its_stream(
    venue: str, end: float, there: bool, counts: bool
) -> None:
    known = memory(ticker(0, "1000"), end=end, there=there)
    assert (POLLS.interest(venue, known, at(end)) is not None) == counts


def test_what_a_new_session_has_not_told_again_does_not_stand() -> None:
    known = memory(ticker(0, "1000"), ticker(300, mark="60000"), end=301)
    assert known.interest is not None
    assert POLLS.interest("bybit", known, at(301)) is None
    assert POLLS.mark("bybit", known, at(301)) is not None


@pytest.mark.parametrize(("between", "longest"), [(1, 10), (5, 10), (40, 80), (600, 120)])
def test_what_is_polled_rarely_counts_for_twice_the_time_between_two(
    between: float, longest: float
) -> None:
    told = (polled(0), polled(between), polled(between))
    end = between + longest
    assert POLLS.interest("binance", memory(*told, end=end), at(end)) is not None
    assert POLLS.interest("binance", memory(*told, end=end + 1), at(end + 1)) is None
    streamed = (ticker(0, "1000"), ticker(between, "1000"))
    assert POLLS.interest("okx", memory(*streamed, end=between + 11), at(between + 11)) is None


@pytest.mark.parametrize(
    ("venue", "end", "there", "counts"),
    [
        ("binance", 10, True, True),
        ("binance", 11, True, False),
        ("hyperliquid", 11, True, False),
        ("okx", 120, True, True),
        ("okx", 121, True, False),
        ("okx", 11, False, False),
        ("bybit", 120, True, True),
        ("bybit", 11, False, False),
    ],
)
def test_a_price_that_is_told_when_it_changes_counts_while_its_stream_is_there(
    venue: str, end: float, there: bool, counts: bool
) -> None:
    known = memory(ticker(0, mark="60000", index="60001"), end=end, there=there)
    assert (POLLS.mark(venue, known, at(end)) is not None) == counts
    assert (POLLS.index(venue, known, at(end)) is not None) == counts


def test_the_time_between_two_polls_comes_back_with_a_state() -> None:
    known = memory(polled(0), polled(40), end=41)
    again = TickerMemory("0.001", known.dump())
    again.take(polled(40), at(42), there=True)
    assert again.interest == known.interest
    assert POLLS.interest("binance", again, at(120)) is not None
