"""Time-weighted imbalance of a bar: 80 % must be known (definitions 5.6)."""

import pytest

from processors.imbalance.history import NANO
from processors.imbalance.means import Means
from schemas.imbalance import TimeWeighted
from schemas.units import US_PER_MINUTE, US_PER_SECOND
from tests.processors.seconds.builders import NOON_SECOND, plainly

NOON = NOON_SECOND * US_PER_SECOND


def minute(known_us: int) -> TimeWeighted:
    """Return the mean of a minute of which so much is known, spread over all its seconds."""
    means = Means(["top"], 60, 80)
    for number in range(60):
        start_us = NOON + number * US_PER_SECOND
        assert means.begin(start_us) == []
        span_us = min(US_PER_SECOND, known_us)
        known_us -= span_us
        means.add(span_us, [NANO // 2])
        means.add(US_PER_SECOND - span_us, [None])
        ended = means.end(start_us + US_PER_SECOND)
        means = Means(["top"], 60, 80, plainly(means.dump()))
    (found,) = ended
    return found


@pytest.mark.parametrize(("known_us", "obi"), [(48_000_000, 0.5), (47_999_999, None)])
def test_eighty_percent_is_enough_and_less_is_null(known_us: int, obi: float | None) -> None:
    assert minute(known_us) == TimeWeighted(NOON, "top", obi, known_us // 1000)


def test_values_weigh_by_their_time() -> None:
    means = Means(["a", "b"], 1, 80)
    means.begin(NOON)
    means.add(250_000, [NANO, None])
    means.add(750_000, [-NANO, NANO // 4])
    assert means.end(NOON + US_PER_SECOND) == [
        TimeWeighted(NOON, "a", -0.5, 1000),
        TimeWeighted(NOON, "b", None, 750),
    ]


def test_a_jump_over_the_end_of_a_bar_ends_it_late_and_gaps_have_no_bars() -> None:
    means = Means(["top"], 60, 80)
    for number in range(50):
        means.begin(NOON + number * US_PER_SECOND)
        means.add(US_PER_SECOND, [NANO])
    assert means.begin(NOON + 5 * US_PER_MINUTE) == [TimeWeighted(NOON, "top", 1.0, 50_000)]
    means.add(US_PER_SECOND, [NANO])
    (short,) = means.begin(NOON + 9 * US_PER_MINUTE)
    assert short == TimeWeighted(NOON + 5 * US_PER_MINUTE, "top", None, 1000)


def test_a_bar_that_was_ended_is_not_ended_again() -> None:
    means = Means(["top"], 1, 80)
    means.begin(NOON)
    assert len(means.end(NOON + US_PER_SECOND)) == 1
    assert means.begin(NOON + US_PER_MINUTE) == []
