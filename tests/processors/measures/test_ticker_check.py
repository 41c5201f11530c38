"""What a ticker may say (definitions 5.12, 5.14)."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.measures.ticker_check import FUTURE_US, check_ticker
from schemas.tickers import TickerBatch
from tests.processors.context.builders import at, ticker

DAY = 86_400


def good(**fields: object) -> TickerBatch:
    whole = ticker(
        0, "1000", mark="60000.1", index="60000", rate="-0.0001", due=600, settled=("0.0002", -9)
    )
    return msgspec.structs.replace(whole, **fields)


def test_a_possible_record_is_returned_as_it_is() -> None:
    assert check_ticker(good()) == (good(), [])
    one = good()
    assert check_ticker(one).ticker is one


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("open_interest", "-1", "below_zero"),
        ("open_interest", "-0", "below_zero"),
        ("open_interest", "-x", "not_a_decimal"),
        ("open_interest", "1e9", "not_a_decimal"),
        ("open_interest", "nan", "not_a_decimal"),
        ("mark_price", "0", "not_above_zero"),
        ("mark_price", "-3", "not_above_zero"),
        ("index_price", "", "not_a_decimal"),
        ("funding_rate", "1.0001", "beyond_one"),
        ("funding_rate", "-1.0001", "beyond_one"),
        ("funding_rate", "--0.1", "not_a_decimal"),
        ("settled_funding_rate", "2", "beyond_one"),
        ("funding_interval_seconds", 0, "no_interval"),
        ("funding_interval_seconds", 8 * DAY, "no_interval"),
        ("funding_time_us", 0, "time_before_2010"),
        ("funding_time_us", at(8 * DAY), "time_in_the_future"),
    ],
)
def test_a_value_that_cannot_be_is_taken_out_and_the_rest_stays(
    field: str, value: object, reason: str
) -> None:
    found = check_ticker(good(**{field: value}))
    assert found.refused == [(field, reason)]
    assert found.ticker == good(**{field: None})


@pytest.mark.parametrize(
    ("field", "its_time"),
    [
        ("open_interest", "open_interest_time_us"),
        ("mark_price", "mark_time_us"),
        ("index_price", "index_time_us"),
        ("funding_rate", "funding_seen_us"),
        ("settled_funding_rate", "settled_funding_time_us"),
    ],
)
@pytest.mark.parametrize(
    ("time_us", "reason"),
    [
        (1_704_110, "time_before_2010"),  # seconds for microseconds: January 1970
        (4_102_444_800_000_000, "time_in_the_future"),  # 2100
        (None, "no_time"),
    ],
)
def test_a_value_goes_with_a_time_that_cannot_be(
    field: str, its_time: str, time_us: int | None, reason: str
) -> None:
    found = check_ticker(good(**{its_time: time_us}))
    assert found.refused == [(field, reason)]
    assert getattr(found.ticker, field) is None


def test_the_edges_are_possible() -> None:
    edges = good(
        open_interest="0",
        funding_rate="-1",
        settled_funding_rate="1",
        mark_time_us=at(0) + FUTURE_US,
        funding_interval_seconds=7 * DAY,
        funding_time_us=at(7 * DAY),
    )
    assert check_ticker(edges).refused == []
    late = good(mark_time_us=at(0) + FUTURE_US + 1)
    assert check_ticker(late).refused == [("mark_price", "time_in_the_future")]


@given(st.fixed_dictionaries({
    "open_interest": st.none() | st.text(max_size=8) | st.decimals(allow_nan=True).map(str),
    "funding_rate": st.none() | st.text(max_size=8) | st.decimals(allow_nan=True).map(str),
    "mark_time_us": st.none() | st.integers(),
    "funding_time_us": st.none() | st.integers(),
}))  # fmt: skip
def test_whatever_comes_what_is_left_is_possible(fields: dict[str, object]) -> None:
    once = check_ticker(good(**fields))
    assert check_ticker(once.ticker).refused == []
