"""Levels: which of them some prices touch."""

from processors.measures.levels import Level, LevelKind, at, distance, nearest

ROW = Level(LevelKind.PRIOR_POC, 100, 110, 5, "a")
HIGH = Level(LevelKind.PRIOR_HIGH, 130, 131, 5, "a")


def test_edges_are_half_open() -> None:
    assert at([ROW, HIGH], 90, 100) == []
    assert at([ROW, HIGH], 90, 101) == [ROW]
    assert at([ROW, HIGH], 109, 131) == [ROW, HIGH]
    assert at([ROW, HIGH], 110, 130) == []


def test_the_distance_is_to_the_nearest_price_of_a_level() -> None:
    assert [distance(ROW, price) for price in (97, 99, 100, 109, 110, 112)] == [3, 1, 0, 0, 1, 3]


def test_the_nearest_level_within_basis_points_of_the_price_is_at_it() -> None:
    """3 bp of 60,000.00 are 18.00, 1,800 ticks; of a level whose last price is 5,999,999."""
    one = Level(LevelKind.PRIOR_VAL, 5_999_900, 6_000_000, 0, "a")
    far = Level(LevelKind.PRIOR_LOW, 6_005_000, 6_005_001, 0, "a")
    assert nearest([one, far], 6_001_799, 3) == one
    assert nearest([one, far], 6_001_801, 3) is None
    assert nearest([one, far], 6_004_000, 3) == far
    assert nearest([far, one], 5_999_950, 3) == one


def test_of_levels_as_near_the_earlier_kind_counts() -> None:
    poc = Level(LevelKind.PRIOR_POC, 100_000, 100_100, 0, "a")
    naked = poc._replace(kind=LevelKind.NAKED_POC)
    assert nearest([naked, poc], 100_050, 3) == poc


def test_composites_and_rows_of_low_volume_hold_nothing() -> None:
    for kind in (LevelKind.COMPOSITE_POC, LevelKind.LOW_VOLUME_NODE):
        assert nearest([Level(kind, 100_000, 100_100, 0, "a")], 100_050, 3) is None
