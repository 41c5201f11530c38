"""Random times, matching by hour of day, and the block bootstrap (definitions 5.10)."""

import random
from collections.abc import Sequence
from itertools import islice

import pytest

from processors.outcomes.chance import draws, is_random_time
from processors.outcomes.compare import REPLICATES, Sample, compare, matched_mean
from processors.outcomes.course import NOTHING, Point
from processors.outcomes.ledger import US_PER_WEEK, Ledger, Result
from processors.outcomes.worth import worth_of
from schemas.outcomes import HORIZONS_MINUTES
from schemas.units import US_PER_DAY
from tests.processors.seconds.builders import plainly

HOUR_US = US_PER_DAY // 24


def at(day: int, hour: int, value: int) -> Sample:
    return (day * US_PER_DAY + hour * HOUR_US + 7, value)


def test_draws_are_splitmix64() -> None:
    """The sequence that its authors' code gives for the seed 1234567."""
    assert list(islice(draws(1234567, 2**64), 5)) == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    few = list(islice(draws(1, 3), 3000))
    assert set(few) == {0, 1, 2}
    assert all(900 < few.count(one) < 1100 for one in range(3))


def test_random_times_are_one_minute_in_thirty_and_differ_between_assets() -> None:
    of_btc = [minute for minute in range(60_000) if is_random_time("BTC", minute, 30)]
    of_eth = [minute for minute in range(60_000) if is_random_time("ETH", minute, 30)]
    assert 1_850 < len(of_btc) < 2_150
    assert len(set(of_btc) & set(of_eth)) < 120
    by_hour = [sum(minute // 60 % 24 == hour for minute in of_btc) for hour in range(24)]
    assert min(by_hour) > 50


def test_the_baseline_has_hours_as_often_as_the_events() -> None:
    """Hour 3: 10 and 30, mean 20; hour 9: mean 100. Events: three at 3, one at 9, one at 15."""
    usual = [at(0, 3, 10), at(1, 3, 30), at(0, 9, 100), at(2, 20, 7)]
    events = [at(5, 3, 50), at(6, 3, 60), at(7, 3, 70), at(8, 9, 20), at(8, 15, 999)]
    found = compare(events, usual, seed=1)
    assert found.matched == 4
    assert found.baseline == (3 * 20 + 100) / 4
    assert found.difference == (50 + 60 + 70 + 20) / 4 - 40
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.difference <= found.high
    assert matched_mean(events, usual) == 40


def test_nothing_in_common_compares_nothing() -> None:
    assert compare([at(0, 1, 5)], [at(0, 2, 5)], 1) == (0, None, None, None, None)
    assert compare([], [], 1) == (0, None, None, None, None)
    one_day = compare([at(0, 1, 5), at(0, 1, 6)], [at(0, 1, 5), at(1, 1, 5)], 1)
    assert one_day == (2, 5.0, 0.5, None, None)
    assert matched_mean([at(0, 1, 5)], [at(0, 2, 5)]) is None


def brute_force(
    events: Sequence[Sample],
    usual: Sequence[Sample],
    first: list[list[int]],
    second: list[list[int]],
) -> tuple[float, float]:
    """Return the interval from lists of samples, drawn by the days that are given."""

    def hour(sample: Sample) -> int:
        return sample[0] // HOUR_US % 24

    def of_day(samples: Sequence[Sample]) -> list[list[Sample]]:
        days = sorted({one[0] // US_PER_DAY for one in samples})
        return [[one for one in samples if one[0] // US_PER_DAY == day] for day in days]

    hours = {hour(one) for one in usual}
    events = [one for one in events if hour(one) in hours]
    differences = []
    for ours, theirs in zip(first, second, strict=True):
        own = [one for day in ours for one in of_day(events)[day]]
        drawn = [one for day in theirs for one in of_day(usual)[day]]
        rest = 0.0
        for one in own:
            same = [other[1] for other in drawn if hour(other) == hour(one)]
            same = same or [other[1] for other in usual if hour(other) == hour(one)]
            rest += one[1] - sum(same) / len(same)
        differences.append(rest / len(own))
    differences.sort()
    return differences[4], differences[-5]


@pytest.mark.parametrize("seed", [1, 2])
def test_the_interval_is_that_of_brute_force(seed: int) -> None:
    chance = random.Random(seed)
    events = sorted(
        at(chance.randrange(9), chance.randrange(0, 24, 3), chance.randrange(-500, 900))
        for _ in range(40)
    )
    usual = sorted(
        at(chance.randrange(7), chance.randrange(0, 21, 3), chance.randrange(-500, 500))
        for _ in range(60)
    )
    kept = [one for one in events if one[0] // HOUR_US % 24 != 21]
    counts = (len({t // US_PER_DAY for t, _ in kept}), len({t // US_PER_DAY for t, _ in usual}))
    sequences = (draws(seed, counts[0]), draws(~seed, counts[1]))
    first, second = (
        [list(islice(sequence, count)) for _ in range(REPLICATES)]
        for sequence, count in zip(sequences, counts, strict=True)
    )
    found = compare(events, usual, seed)
    low, high = brute_force(events, usual, first, second)
    assert found.low == pytest.approx(low)
    assert found.high == pytest.approx(high)
    assert low < high


def test_the_interval_holds_what_is_true_about_as_often_as_it_says() -> None:
    """Days that move together: 95 % of the intervals have the true difference, 30, in them."""
    chance = random.Random(5)
    inside = 0
    for seed in range(120):
        events, usual = [], []
        for day in range(25):
            shared = chance.gauss(30, 100)
            events += [at(day, h, round(shared + chance.gauss(0, 50))) for h in (1, 9, 17)]
            other = chance.gauss(0, 100)
            usual += [at(day, h, round(other + chance.gauss(0, 50))) for h in (1, 9, 17)]
        found = compare(events, usual, seed)
        assert found.low is not None
        assert found.high is not None
        inside += found.low <= 30 <= found.high
    assert 105 <= inside <= 119


def result(day: int, hour: int, gain: int, adverse: int = 100, favourable: int = 200) -> Result:
    return Result(at(day, hour, 0)[0], (Point(gain, adverse, favourable),) * 6)


def test_a_summary_by_hand() -> None:
    results = [result(day, 3, gain) for day, gain in enumerate((300, -100, 500, 100))]
    usual = [result(day, 3, 20 * day, adverse=50, favourable=70) for day in range(3)]
    worth = worth_of(results, usual, 1, "x")
    assert [one.horizon_minutes for one in worth] == list(HORIZONS_MINUTES)
    one = worth[0]
    assert (one.n, one.mean_bp, one.median_bp, one.positive_share) == (4, 2.0, 2.0, 0.75)
    assert (one.mean_adverse_bp, one.mean_favourable_bp) == (1.0, 2.0)
    assert (one.baseline_n, one.matched_n) == (3, 4)
    assert (one.baseline_mean_bp, one.baseline_adverse_bp) == (0.2, 0.5)
    assert one.difference_bp == pytest.approx(1.8)
    assert one.experimental
    assert one.null_reasons == {}
    short = worth_of(results, usual, -1, "x")[0]
    assert (short.baseline_mean_bp, short.baseline_adverse_bp) == (-0.2, 0.7)
    assert short.mean_bp == 2.0  # events are seen by their own side already


def test_300_with_an_interval_are_no_experiment() -> None:
    usual = [result(day, 3, 20 * day) for day in range(3)]
    for count, days, experimental in ((299, 9, True), (300, 9, False), (300, 1, True)):
        results = [result(place % days, 3, place) for place in range(count)]
        worth = worth_of(results, usual, 1, "x")
        assert {one.experimental for one in worth} == {experimental}
    assert worth[0].null_reasons == {"difference_low_bp": "too_few_days"}


def test_what_is_null_says_why() -> None:
    nothing = Result(0, (NOTHING,) * 6)
    assert worth_of([nothing], [], 1, "x")[0].null_reasons == {"mean_bp": "no_outcome"}
    gap = Result(0, (Point(5, None, None),) * 6)
    reasons = worth_of([gap], [], 1, "x")[0].null_reasons
    assert reasons == {
        "mean_adverse_bp": "gaps_in_all",
        "difference_bp": "no_random_time_of_these_hours",
    }


def test_a_ledger_comes_back_with_its_parts_at_any_time() -> None:
    chance = random.Random(2)
    held, stored = Ledger(30), dict[str, bytes]()
    entry_us, all_of_them = 0, []
    for _ in range(400):
        entry_us += chance.randrange(US_PER_WEEK // 12)
        one = Result(entry_us, (Point(chance.randrange(99), None, 5),) * 6)
        held.add(one)
        all_of_them.append(one)
        if chance.random() < 0.3:
            stored |= held.take_parts()
            again = Ledger(30)
            again.load(plainly(held.dump()), stored)
            stored = {name: part for name, part in stored.items() if again.keeps(name)}
            held = again
        assert held.results == all_of_them[-30:]
        assert len(stored) < 12
