"""Which days new parts touch, and when a part is known. Pure."""

from datetime import UTC, datetime

import pytest

from schemas.units import US_PER_DAY, US_PER_HOUR
from sinks.parquet.datasets import Dataset, Reach
from sinks.parquet.parts import Part
from sinks.parquet.pending import Pending

DAY = int(datetime(2026, 2, 27, tzinfo=UTC).timestamp()) * 1_000_000


def dataset(name: str = "trades", key: str = "asset, event_time") -> Dataset:
    return Dataset(name, "event_time", key, (("asset", "String"),), by_venue=True, expires=False)


def part(digest: str, first_us: int, last_us: int | None = None) -> Part:
    return Part(digest, first_us, first_us if last_us is None else last_us)


def worked_off(pending: Pending) -> list[tuple[str, int]]:
    days = []
    while (unit := pending.take()) is not None:
        days.append((unit.dataset, unit.day_us))
        pending.done(unit)
    return days


@pytest.mark.parametrize(
    ("key", "reach", "first_us", "last_us", "hours"),
    [
        ("asset, event_time", Reach.HOUR, DAY + 5, DAY + 6, 1),
        ("asset, event_time", Reach.HOUR, DAY + US_PER_HOUR - 1, DAY + US_PER_HOUR, 2),
        ("asset, toDate(event_time), number", Reach.DAY, DAY + 5, DAY + 6, 24),
        ("asset, toDate(event_time), number", Reach.DAY, DAY + 5, DAY + US_PER_DAY, 48),
        ("asset, key", Reach.MONTH, DAY + 5, DAY + 6, 28 * 24),
        ("asset, key", Reach.MONTH, DAY + 5, DAY + 2 * US_PER_DAY, (28 + 31) * 24),
    ],
)
def test_a_part_touches_the_hours_that_revisions_of_its_rows_can_have_left(
    key: str, reach: Reach, first_us: int, last_us: int, hours: int
) -> None:
    of_key = dataset(key=key)

    touched = part("a", first_us, last_us).hours(of_key)

    assert of_key.reach is reach
    assert len(touched) == hours
    assert touched[0] <= first_us
    assert last_us < touched[-1] + US_PER_HOUR


def test_the_newest_day_comes_first_and_each_once() -> None:
    pending = Pending({})

    touched = pending.saw(
        dataset(), [part("a", DAY), part("b", DAY - US_PER_DAY), part("c", DAY + 1)]
    )

    assert touched == 2
    assert worked_off(pending) == [("trades", DAY), ("trades", DAY - US_PER_DAY)]
    assert pending.known == {"trades": {"a", "b", "c"}}


def test_a_part_is_known_when_all_of_its_days_are_done() -> None:
    pending = Pending({})
    wide = [part("a", DAY - US_PER_DAY, DAY)]
    pending.saw(dataset(), wide)
    unit = pending.take()
    assert unit is not None
    pending.done(unit)

    assert pending.known["trades"] == set()
    assert pending.saw(dataset(), wide) == 0, "its other day is still to be compared"
    assert worked_off(pending) == [("trades", DAY - US_PER_DAY)]
    assert pending.known["trades"] == {"a"}


def test_a_part_that_is_known_touches_nothing_and_one_that_is_gone_is_forgotten() -> None:
    pending = Pending({"trades": ["a", "b"]})

    assert pending.saw(dataset(), [part("a", DAY)]) == 0
    assert pending.known == {"trades": {"a"}}
    assert pending.saw(dataset(), [part("b", DAY)]) == 1


def test_what_comes_while_a_day_is_compared_has_it_compared_again() -> None:
    pending = Pending({})
    pending.saw(dataset(), [part("a", DAY)])
    unit = pending.take()
    assert unit is not None

    assert pending.saw(dataset(), [part("a", DAY), part("b", DAY + 2 * US_PER_HOUR)]) == 1
    pending.done(unit)
    assert pending.known["trades"] == {"a"}
    again = pending.take()

    assert again is not None
    assert (again.hours, again.parts) == ({DAY + 2 * US_PER_HOUR}, {"b"})


def test_a_day_that_could_not_be_compared_is_compared_later_with_what_came_since() -> None:
    pending = Pending({})
    pending.saw(dataset(), [part("a", DAY)])
    unit = pending.take()
    assert unit is not None
    pending.saw(dataset(), [part("a", DAY), part("b", DAY + US_PER_HOUR)])

    pending.put_back(unit)

    assert len(pending) == 1
    again = pending.take()
    assert again is not None
    assert (again.hours, again.parts) == ({DAY, DAY + US_PER_HOUR}, {"a", "b"})


def test_a_dataset_that_is_forgotten_is_compared_whole() -> None:
    pending = Pending({"trades": ["a"], "books": ["a"]})

    pending.forget("trades")

    assert pending.saw(dataset(), [part("a", DAY)]) == 1
    assert pending.saw(dataset("books"), [part("a", DAY)]) == 0
