"""Returns of events beside those of random times, matched by hour of day (definitions 5.10).

The baseline of events is the mean of the random times of each hour, weighted by how many events are
in it. Events in an hour without random times are left out of the comparison, and counted. The
interval is that of a bootstrap of blocks: UTC days of events and, apart from them, days of random
times are drawn with replacement, as many as there are. So neither events of one day nor random
times whose horizons overlap count as independent, and the baseline's own error is in it, too. In a
draw without random times of an hour, those of all days stand for it.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple

from processors.outcomes.chance import draws
from schemas.units import US_PER_DAY, US_PER_HOUR

HOURS = 24
LEAST_DAYS = 2
REPLICATES = 200

Sample = tuple[int, int]
"""`(entry_us, hundredths of a basis point)`."""


class Sums(NamedTuple):
    """How many values there are by hour, and their sums."""

    counts: list[int]
    sums: list[int]


class Comparison(NamedTuple):
    """Hundredths of basis points; None where nothing can be compared, or blocks are too few."""

    matched: int
    baseline: float | None
    difference: float | None
    low: float | None
    high: float | None


def compare(events: Sequence[Sample], baseline: Sequence[Sample], seed: int) -> Comparison:
    """Compare events with random times.

    Args:
        events: their returns.
        baseline: the returns of random times, seen by the same side.
        seed: of the draws.
    """
    whole = _sums(baseline)
    matched = [one for one in events if whole.counts[_hour(one)]]
    if not matched:
        return Comparison(0, None, None, None, None)
    of_events = _sums(matched)
    mean = sum(of_events.sums) / len(matched)
    usual = _weighted(of_events.counts, whole, whole)
    low, high = _interval(matched, baseline, whole, seed)
    return Comparison(len(matched), usual, mean - usual, low, high)


def matched_mean(events: Sequence[Sample], baseline: Sequence[Sample]) -> float | None:
    """Return the mean of random times over the hours of events, None where none has any."""
    whole = _sums(baseline)
    counts = _sums([one for one in events if whole.counts[_hour(one)]]).counts
    return _weighted(counts, whole, whole) if any(counts) else None


def _interval(
    events: Sequence[Sample], baseline: Sequence[Sample], whole: Sums, seed: int
) -> tuple[float | None, float | None]:
    days, usual_days = _days(events), _days(baseline)
    if min(len(days), len(usual_days)) < LEAST_DAYS:
        return None, None
    ours, theirs = draws(seed, len(days)), draws(~seed, len(usual_days))
    found = []
    for _ in range(REPLICATES):
        own = _added(days, islice(ours, len(days)))
        usual = _added(usual_days, islice(theirs, len(usual_days)))
        found.append(sum(own.sums) / sum(own.counts) - _weighted(own.counts, usual, whole))
    found.sort()
    tail = REPLICATES // 40
    return found[tail - 1], found[-tail]


def _weighted(weights: Sequence[int], usual: Sums, whole: Sums) -> float:
    """Return the mean of hours by weight; an hour without any in `usual` is that of `whole`."""
    total = 0.0
    for hour, weight in enumerate(weights):
        if weight:
            of = usual if usual.counts[hour] else whole
            total += weight * of.sums[hour] / of.counts[hour]
    return total / sum(weights)


def _hour(sample: Sample) -> int:
    return sample[0] % US_PER_DAY // US_PER_HOUR


def _sums(samples: Sequence[Sample]) -> Sums:
    found = Sums([0] * HOURS, [0] * HOURS)
    for sample in samples:
        found.counts[_hour(sample)] += 1
        found.sums[_hour(sample)] += sample[1]
    return found


def _days(samples: Sequence[Sample]) -> list[list[tuple[int, int, int]]]:
    """Return for each day `(hour, count, sum)` of the hours that it has."""
    by_day: dict[int, list[Sample]] = {}
    for sample in samples:
        by_day.setdefault(sample[0] // US_PER_DAY, []).append(sample)
    days = []
    for day in sorted(by_day):
        counts, sums = _sums(by_day[day])
        days.append([(hour, counts[hour], sums[hour]) for hour in range(HOURS) if counts[hour]])
    return days


def _added(days: Sequence[Sequence[tuple[int, int, int]]], drawn: Iterable[int]) -> Sums:
    """Return the sums over the days that were drawn."""
    found = Sums([0] * HOURS, [0] * HOURS)
    for place in drawn:
        for hour, count, total in days[place]:
            found.counts[hour] += count
            found.sums[hour] += total
    return found
