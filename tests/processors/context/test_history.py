"""Points in time, in blocks."""

import random

from processors.context.history import History, Point
from schemas.units import US_PER_SECOND
from tests.processors.context.builders import at
from tests.processors.seconds.builders import plainly

KEPT_US = 3600 * US_PER_SECOND


def point(number: int) -> Point:
    return Point(number if number % 3 else None, None, number * 7, -number)


def test_points_are_there_for_as_long_as_they_are_kept_and_not_much_longer() -> None:
    history = History(KEPT_US)
    for number in range(0, 10_000, 10):
        history.put(at(number), {"a": point(number)})
        assert history.at(at(max(0, number - 3600)), "a") == point(max(0, number - 3600))
    assert history.at(at(0), "a") is None
    assert history.at(at(9990), "b") is None
    assert history.at(at(9995), "a") is None
    assert len(history.dump()[0]) <= 7


def test_a_history_continues_from_its_parts_over_jumps() -> None:
    chance = random.Random(5)
    straight, restarted = History(KEPT_US), History(KEPT_US)
    stored: dict[str, bytes] = {}
    number = 0
    for _ in range(600):
        number += chance.choice((10, 10, 10, 10, 10, 2000))
        for one in (straight, restarted):
            one.put(at(number), {"a": point(number), "b": point(number + 1)})
        if chance.random() < 0.2:
            stored |= restarted.take_parts()
            head = plainly(restarted.dump())
            restarted = History(KEPT_US)
            restarted.load(head, dict(stored))
            stored = {name: part for name, part in stored.items() if restarted.keeps(name)}
            assert len(stored) <= 7
        assert restarted.dump() == straight.dump()
        back = at(number - 10 * chance.randrange(400))
        assert restarted.at(back, "a") == straight.at(back, "a")
