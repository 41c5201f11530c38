"""Levels: which of them some prices touch."""

from processors.measures.levels import Level, LevelKind, at

ROW = Level(LevelKind.PRIOR_POC, 100, 110, 5, "a")
HIGH = Level(LevelKind.PRIOR_HIGH, 130, 131, 5, "a")


def test_edges_are_half_open() -> None:
    assert at([ROW, HIGH], 90, 100) == []
    assert at([ROW, HIGH], 90, 101) == [ROW]
    assert at([ROW, HIGH], 109, 131) == [ROW, HIGH]
    assert at([ROW, HIGH], 110, 130) == []
