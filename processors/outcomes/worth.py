"""What all outcomes of one kind were worth after each horizon, beside random times."""

from collections.abc import Sequence

from processors.outcomes.chance import number_of
from processors.outcomes.compare import Comparison, Sample, compare, matched_mean
from processors.outcomes.course import Point
from processors.outcomes.ledger import Result
from schemas.outcomes import HORIZONS_MINUTES, WorthAt

ENOUGH = 300
"""Outcomes from which on a kind is not experimental, if it was compared (definitions 5.13)."""


def worth_of(
    results: Sequence[Result], baseline: Sequence[Result], sign: int, name: str
) -> list[WorthAt]:
    """Return the summary of each horizon.

    Args:
        results: of one kind, seen by its side.
        baseline: the random times, seen by longs.
        sign: of the side, 1 or -1.
        name: of the kind and the day, which the draws depend on.
    """
    return [
        _worth_at(place, minutes, results, baseline, sign, number_of(f"{name}:{minutes}"))
        for place, minutes in enumerate(HORIZONS_MINUTES)
    ]


def _worth_at(
    place: int,
    minutes: int,
    results: Sequence[Result],
    baseline: Sequence[Result],
    sign: int,
    seed: int,
) -> WorthAt:
    own = [(one.entry_us, one.points[place]) for one in results]
    usual = [(one.entry_us, _seen(one.points[place], sign)) for one in baseline]
    gains, others = _known(own, 0), _known(usual, 0)
    values = sorted(value for _, value in gains)
    found = compare(gains, others, seed)
    adverse, favourable = _known(own, 1), _known(own, 2)
    return WorthAt(
        horizon_minutes=minutes,
        n=len(values),
        mean_bp=_mean(gains),
        median_bp=_median(values),
        positive_share=sum(value > 0 for value in values) / len(values) if values else None,
        mean_adverse_bp=_mean(adverse),
        mean_favourable_bp=_mean(favourable),
        baseline_n=len(others),
        matched_n=found.matched,
        baseline_mean_bp=_hundredth(found.baseline),
        baseline_adverse_bp=_hundredth(matched_mean(adverse, _known(usual, 1))),
        difference_bp=_hundredth(found.difference),
        difference_low_bp=_hundredth(found.low),
        difference_high_bp=_hundredth(found.high),
        experimental=len(values) < ENOUGH or found.low is None,
        null_reasons=_reasons(values, adverse, found),
    )


def _seen(point: Point, sign: int) -> Point:
    """Return a point of a random time as a side sees it."""
    if sign > 0:
        return point
    gain = None if point.gain is None else -point.gain
    return Point(gain, point.favourable, point.adverse)


def _known(rows: Sequence[tuple[int, Point]], place: int) -> list[Sample]:
    return [(at, value) for at, point in rows if (value := point[place]) is not None]


def _mean(samples: Sequence[Sample]) -> float | None:
    return sum(value for _, value in samples) / (100 * len(samples)) if samples else None


def _median(ordered: Sequence[int]) -> float | None:
    if not ordered:
        return None
    middle = len(ordered) // 2
    return (ordered[middle] + ordered[~middle]) / 200


def _hundredth(value: float | None) -> float | None:
    return None if value is None else value / 100


def _reasons(values: Sequence[int], adverse: Sequence[Sample], found: Comparison) -> dict[str, str]:
    if not values:
        return {"mean_bp": "no_outcome"}
    reasons = {} if adverse else {"mean_adverse_bp": "gaps_in_all"}
    if found.difference is None:
        reasons["difference_bp"] = "no_random_time_of_these_hours"
    elif found.low is None:
        reasons["difference_low_bp"] = "too_few_days"
    return reasons
