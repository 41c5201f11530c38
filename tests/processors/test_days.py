"""Two days of one asset, a minute an hour: no state grows but by what its window says.

The whole week, at a higher rate, is `tests/long/test_week.py`.
"""

from functools import lru_cache

from tests.processors.days import Days, Watched, watched

TWO_DAYS_AND_MORE = {
    "footprint",
    "feeds",
    "seconds",
    "profiles",
    "liquidation_levels",
    "trapped",
    "cascades",
    "cvd_structure",
    "context",
}
SLACK_BYTES = 8_000
"""What is open at one moment and not at another: seconds, ids of five minutes."""


@lru_cache(1)
def both_days() -> Watched:
    (*_, found) = watched(Days(2, busy_minutes=1, quiet_seconds=None))
    return found


def test_on_the_second_day_nothing_grows_whose_window_is_a_day_or_less() -> None:
    first, second = both_days().sizes
    assert sum(first.values()) > 100_000
    grown = {
        name: (first.get(name, 0), size)
        for name, size in second.items()
        if name.partition(",")[0] not in TWO_DAYS_AND_MORE
        and size > 1.2 * first.get(name, 0) + SLACK_BYTES
    }
    assert grown == {}


def test_on_the_second_day_longer_windows_grow_by_one_more_day() -> None:
    first, second = both_days().sizes
    for owner in TWO_DAYS_AND_MORE:
        before, now = (
            sum(size for name, size in day.items() if name.partition(",")[0] == owner)
            for day in (first, second)
        )
        assert now <= 2.2 * before + 2 * SLACK_BYTES, owner


def test_all_of_it_was_restored_from_what_was_kept() -> None:
    """Every midnight: a part that was thought not to be needed would be missed here."""
    made = both_days().made
    assert {topic.split(".")[2] for topic in made if made[topic] > 10} >= {
        "footprints", "cvd", "bars", "profiles", "imbalance", "heatmap", "context", "cascades",
        "liquidations", "cvd_structure", "liquidation_levels", "trapped",
    }  # fmt: skip
