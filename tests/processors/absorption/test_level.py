"""What is known of the levels of an instrument: touches, levels that are gone (definitions 5.7)."""

import random

import pytest

from processors.absorption.level import LevelMemory
from processors.measures.levels import BP, Level, LevelKind
from schemas.units import US_PER_MINUTE, US_PER_SECOND
from tests.processors.known_levels import level
from tests.processors.seconds.builders import plainly

PRICE = 6_000_000
"""3 bp of it are 1,800 ticks, the width of a band 1,200; three of these 3,600."""
LEVEL = level(PRICE)


def memory(*levels: Level) -> LevelMemory:
    made = LevelMemory(row_ticks=100, width_bp=2)
    made.renew(0, levels)
    return made


def walked(path: list[tuple[int, int]], held: LevelMemory | None = None) -> int | float | None:
    """Return the touches after trades at `(second, price)`."""
    held = held or memory(LEVEL)
    for second, price in path:
        held.take(second * US_PER_SECOND, price, price)
    values, _, _ = held.evidence(PRICE)
    return values["level_touches"]


@pytest.mark.parametrize(
    ("path", "touches"),
    [
        ([(1, PRICE)], 1),
        ([(1, PRICE), (100, PRICE + 1_800)], 1),
        ([(1, PRICE), (20, PRICE + 3_700), (40, PRICE)], 2),
        ([(1, PRICE), (20, PRICE - 3_700), (40, PRICE)], 2),
        ([(1, PRICE), (20, PRICE + 3_599), (40, PRICE)], 1),
        ([(1, PRICE), (20, PRICE + 3_700), (30, PRICE)], 1),
        ([(1, PRICE), (20, PRICE + 3_700), (31, PRICE)], 2),
        ([(1, PRICE), (20, PRICE + 3_700), (30, PRICE), (61, PRICE)], 1),
        ([(1, PRICE), (20, PRICE + 3_700), (40, PRICE), (50, PRICE - 4_000), (80, PRICE)], 3),
        ([(1, PRICE + 1_801)], 0),
    ],
)
def test_touches_are_30_s_and_three_widths_apart(path: list[tuple[int, int]], touches: int) -> None:
    assert walked(path) == touches


def test_a_second_that_reaches_over_the_level_touches_it() -> None:
    held = memory(LEVEL)
    held.take(US_PER_SECOND, PRICE - 9_000, PRICE + 9_000)
    held.take(2 * US_PER_SECOND, None, None)
    assert held.evidence(PRICE)[0]["level_touches"] == 1


def test_after_a_break_nobody_knows_how_often() -> None:
    held = memory(LEVEL)
    held.miss()
    values, nulls, names = held.evidence(PRICE + 600)
    assert values == {
        "level_low_ticks": PRICE,
        "level_high_ticks": PRICE + 1,
        "level_distance_bp": BP * 600 / (PRICE + 600),
        "level_touches": None,
    }
    assert nulls == {"level_touches": "gap"}
    assert names == ["level:prior_poc:p"]


def test_without_a_level_near_everything_is_null_with_its_reason() -> None:
    values, nulls, names = memory(LEVEL).evidence(PRICE + 2_000)
    assert set(values.values()) == {None}
    assert nulls == dict.fromkeys(values, "no_level_near")
    assert names == []


def test_a_naked_poc_that_was_just_traded_through_is_a_level_for_a_minute_more() -> None:
    naked = level(PRICE, kind=LevelKind.NAKED_POC)
    held = memory(naked)
    known = []
    for minute in (1, 2):
        assert held.due(minute * US_PER_MINUTE)
        held.renew(minute * US_PER_MINUTE, [])
        assert not held.due(minute * US_PER_MINUTE + US_PER_SECOND)
        known.append(held.evidence(PRICE)[2])
    assert known == [["level:naked_poc:p"], []]


def test_levels_come_back_from_a_snapshot_as_they_were() -> None:
    chance = random.Random(3)
    levels = [level(PRICE + 1_000 * n, source=str(n)) for n in range(-5, 5)]
    held = memory(*levels)
    for second in range(400):
        price = PRICE + chance.randrange(-9_000, 9_000)
        held.take(second * US_PER_SECOND, price, price + 50)
        if second == 200:
            held.miss()
            held.renew(200 * US_PER_SECOND, levels[2:])
        again = LevelMemory(row_ticks=100, width_bp=2)
        again.load(plainly(held.dump()))
        assert again.dump() == held.dump()
        held = again
    found = [held.evidence(one.low_ticks)[0]["level_touches"] for one in levels]
    assert None in found
