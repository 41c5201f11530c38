"""Returns and excursions after each horizon (definitions 5.10), by hand and by brute force."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.outcomes.course import Course, Kind, Minute, Point, dump_courses, load_courses
from schemas.lineage import Status
from schemas.outcomes import HORIZONS_MINUTES, OutcomeOf
from schemas.units import US_PER_MINUTE
from tests.processors.seconds.builders import plainly

START_US = 1_000 * US_PER_MINUTE


def course(sign: int = 1) -> Course:
    kind = Kind(OutcomeOf.DELTA_DIVERGENCE, 60, sign)
    return Course(id="a", kind=kind, name="x:y", event_us=START_US - 5)


def followed(minutes: list[Minute | None], sign: int = 1) -> Course:
    """Return a course whose entry is the first minute."""
    made = course(sign)
    for place, minute in enumerate(minutes):
        made.take(START_US + place * US_PER_MINUTE, minute, missed=False)
    return made


def flat(count: int, price: int = 10_000) -> list[Minute | None]:
    return [Minute(price, price, price)] * count


def test_a_path_by_hand() -> None:
    """Entry 10,000: one basis point is one tick.

    It rises to 10,010 in the first minute, falls to 9,980 in the third and closes at 10,020 after
    five; then it stays, but for 10,050 in the fourteenth.
    """
    path = flat(1)
    path += [
        Minute(10_010, 9_995, 10_005),
        Minute(10_005, 9_990, 9_990),
        Minute(9_990, 9_980, 9_985),
    ]
    path += [Minute(10_000, 9_985, 10_000), Minute(10_020, 10_000, 10_020)]
    path += [*flat(8, 10020), Minute(10050, 10020, 10020), *flat(45, 10020)]
    made = followed(path)
    assert made.points == [
        Point(500, 500, 1_000),
        Point(2_000, 2_000, 2_000),
        Point(2_000, 2_000, 5_000),
    ]
    made = followed(path, -1)
    assert made.points == [
        Point(-500, 1_000, 500),
        Point(-2_000, 2_000, 2_000),
        Point(-2_000, 5_000, 2_000),
    ]
    told = made.told()
    assert (told.entry_ticks, told.entry_time_us) == (10_000, START_US)
    assert (told.event_time_us, told.event_id) == (START_US - 5, "a")
    one = told.at[0]
    assert (one.horizon_minutes, one.return_bp, one.adverse_bp, one.favourable_bp, one.reason) == (
        *(1, -5.0, 10.0, 5.0),
        "",
    )
    assert made.status is Status.COMPLETE


def test_hundredths_of_a_basis_point_are_rounded_half_to_even() -> None:
    for close, wanted in ((400_005, 12), (400_007, 18), (400_003, 8), (399_995, -12)):
        made = followed([Minute(400_000, 400_000, 400_000), Minute(close, close, close)])
        assert made.points[0].gain == wanted


def test_the_last_horizon_is_a_day_and_then_it_is_over() -> None:
    made = followed(flat(1440))
    assert (len(made.points), made.over) == (5, False)
    assert made.take(START_US + 1440 * US_PER_MINUTE, Minute(1, 1, 10_001), missed=False)
    assert made.over
    assert made.points[-1].gain == 100


def test_a_minute_that_is_missing_leaves_excursions_unknown_from_then_on() -> None:
    path = [*flat(3), None, *flat(12)]
    made = followed(path)
    assert made.points == [Point(0, 0, 0), Point(0, None, None), Point(0, None, None)]
    assert [one.reason for one in made.told().at] == ["", "gap", "gap"]
    assert made.status is Status.PARTIAL


def test_a_horizon_without_its_minute_has_no_return() -> None:
    made = followed([*flat(5), None, *flat(11)])
    assert made.points == [Point(0, 0, 0), Point(None, None, None), Point(0, None, None)]
    assert [one.reason for one in made.told().at] == ["", "price_missing", "gap"]


def test_a_hole_in_time_leaves_out_the_horizons_in_it() -> None:
    made = followed(flat(3))
    assert made.take(START_US + 15 * US_PER_MINUTE, Minute(1, 1, 10_100), missed=True)
    assert made.points == [Point(0, 0, 0), Point(None, None, None), Point(10_000, None, None)]


def test_without_an_entry_nothing_is_known() -> None:
    made = course()
    assert made.take(START_US, None, missed=False)
    assert made.over
    assert made.told().entry_ticks is None
    assert {one.reason for one in made.told().at} == {"price_missing"}
    assert made.status is Status.GAP


def test_one_that_is_given_up_says_so() -> None:
    made = followed(flat(3))
    made.drop()
    assert made.over
    assert [one.reason for one in made.told().at] == ["", *["too_many_open"] * 5]


minute = st.none() | st.tuples(
    st.integers(9_000, 11_000), st.integers(0, 500), st.integers(0, 500)
).map(lambda one: Minute(one[0] + one[1], one[0] - one[2], one[0]))


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.lists(minute, min_size=2, max_size=70), st.sampled_from([1, -1]))
def test_courses_are_those_of_brute_force(path: list[Minute | None], sign: int) -> None:
    """Oracle: slices of the whole path and exact fractions."""
    made = followed(path, sign)
    [made] = load_courses(plainly(dump_courses([made])))
    if path[0] is None:
        assert made.entry is None
        return
    entry = path[0].close
    for horizon, point in zip(HORIZONS_MINUTES, made.points, strict=False):
        since = path[1 : horizon + 1]
        known = [one for one in since if one is not None]
        last = since[-1]
        gain = None if last is None else round(sign * Fraction(last.close - entry, entry) * 10**6)
        assert point.gain == gain
        if len(known) < len(since):
            assert point[1:] == (None, None)
            continue
        moves = [sign * Fraction(p - entry, entry) for one in known for p in (one.high, one.low)]
        assert point.adverse == round(-min(Fraction(0), *moves) * 10**6)
        assert point.favourable == round(max(Fraction(0), *moves) * 10**6)
    assert len(made.points) == sum(horizon < len(path) for horizon in HORIZONS_MINUTES)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_price_turned_upside_down_gives_the_other_side_the_same(sign: int) -> None:
    path = [Minute(10_000 + n % 7 + 3, 10_000 + n % 7 - 5, 10_000 + n % 7) for n in range(20)]
    entry = path[0].close
    turned = [Minute(*(2 * entry - one[place] for place in (1, 0, 2))) for one in path]
    assert followed(list(path), sign).points == followed(list(turned), -sign).points
