"""A week of one asset through every operator: state and memory stay flat from the third day on.

    python -m pytest -q -s -m long tests/long/test_week.py

Two perpetuals and a spot market in all topics, six busy minutes an hour, with disconnects, late and
repeated trades and liquidations; snapshots are taken and thinned out as in production, and every
midnight the engine is restored from them. It takes some ten minutes of one core.
"""

from functools import lru_cache

import pytest

from tests.processors.days import Days, Watched, watched

pytestmark = pytest.mark.long

WEEK = Days(7, busy_minutes=6)
FULL = 2
"""Windows of a day or two are full after so many days; those below are not yet."""

LONGER = {
    "profiles": 30,
    "liquidation_levels": 35,
    "trapped": 7,
    "cascades": 7,
    "cvd_structure": 30,
    "context": 30,
    "outcomes": 21,
}
"""Owners of windows of so many days: they grow by a day's worth each day until then."""

MOST_GROWTH = 1.15
SLACK_BYTES = 8_000
MOST_BLOCK_GROWTH = 1.15


@lru_cache(1)
def week() -> Watched:
    for found in watched(WEEK):
        print(found.table(), flush=True)  # noqa: T201  # what this run is for
    print(found.made)  # noqa: T201
    return found


def test_state_of_windows_up_to_two_days_is_flat() -> None:
    sizes = week().sizes
    grown = {
        name: (before, now)
        for name, now in sizes[-1].items()
        if name.partition(",")[0] not in LONGER
        for before in [sizes[FULL].get(name, 0)]
        if now > before * MOST_GROWTH + SLACK_BYTES
    }
    assert len(sizes) == WEEK.days
    assert grown == {}


@pytest.mark.parametrize("name", sorted(LONGER))
def test_state_of_longer_windows_grows_by_no_more_than_a_day_a_day(name: str) -> None:
    totals = [day.get(name, 0) + day.get(f"{name}, parts", 0) for day in week().sizes]
    a_day = totals[FULL] / (FULL + 1)
    assert totals[-1] <= WEEK.days * a_day * MOST_GROWTH + SLACK_BYTES


def test_memory_is_flat() -> None:
    blocks = week().blocks
    assert blocks[-1] <= blocks[FULL] * MOST_BLOCK_GROWTH
