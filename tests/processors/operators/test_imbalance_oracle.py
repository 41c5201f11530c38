"""The imbalance operator against a brute force oracle, and against itself restarted."""

from typing import NamedTuple

import msgspec
import pytest

from processors.imbalance.params import BookParams
from processors.operator import Output
from processors.operators.imbalance import ImbalanceOperator
from schemas.imbalance import ImbalanceStep, InstrumentImbalance, Persistent
from schemas.units import US_PER_SECOND
from tests.processors.imbalance.market import seconds
from tests.processors.imbalance.oracle import Oracle
from tests.processors.seconds.builders import ASSET, UNITS, run, run_with_restarts

PARAMS = BookParams(
    persistence_seconds=(1, 2, 5),
    pull_width_bp=25,
    pull_seconds=4,
    refill_seconds=3,
    tracked_levels=3,
    score_seconds=70,
    score_min_samples=10,
    bar_seconds=5,
    flow_seconds=20,
    ranks=4,
)
SEEDS = range(3)


class Case(NamedTuple):
    """One instrument at one second, and how to check it."""

    number: int
    record: InstrumentImbalance
    oracle: Oracle


def make() -> ImbalanceOperator:
    return ImbalanceOperator(ASSET, UNITS, PARAMS)


def steps(outputs: list[Output]) -> list[ImbalanceStep]:
    return [one.record for one in outputs if isinstance(one.record, ImbalanceStep)]


def cases(seed: int, count: int = 100) -> list[Case]:
    data = seconds(seed, count)
    found = steps(run(make(), data))
    assert len(found) == count
    oracles = {name: Oracle(data, name, PARAMS) for name in data[0].members}
    return [
        Case(index, record, oracles[f"{record.venue}:{record.symbol}"])
        for index, step in enumerate(found)
        for record in step.instruments
    ]


def approx(value: float | None) -> object:
    return None if value is None else pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_persistent_imbalance_is_what_all_books_of_the_window_say(seed: int) -> None:
    known = 0
    for case in cases(seed):
        for index, window in enumerate(PARAMS.persistence_seconds):
            sides = case.oracle.weighted_sides(case.number, window)
            if not case.record.persistent:
                assert sides is None
                continue
            found = case.record.persistent[index]
            if sides is None:
                assert found == Persistent(window, None, None, None, None, None)
                continue
            (bid, bid_now, bid_all), (ask, ask_now, ask_all) = sides
            known += 1
            rested = bid_now and ask_now and bid + ask
            assert found.obi == approx((bid - ask) / (bid + ask) if rested else None)
            assert found.bid_fleeting == approx(1 - bid / bid_now if bid_now else None)
            assert found.ask_fleeting == approx(1 - ask / ask_now if ask_now else None)
            assert (found.bid_known, found.ask_known) == (
                approx(bid_now / bid_all),
                approx(ask_now / ask_all),
            )
    assert known > 100


@pytest.mark.parametrize("seed", SEEDS)
def test_pull_ratio_is_what_all_decreases_and_trades_of_the_run_say(seed: int) -> None:
    removed = traded = 0
    for case in cases(seed):
        sums = case.oracle.pulls(case.number)
        found = [case.record.bid_pull, case.record.ask_pull]
        if sums is None or case.record.best_bid_ticks is None:
            assert found == [None, None]
            continue
        assert [one and (one.removed_lots, one.traded_lots) for one in found] == sums
        removed += sums[0][0]
        traded += sums[0][1]
    assert 0 < traded < removed


@pytest.mark.parametrize("seed", SEEDS)
def test_refill_is_what_traded_at_the_best_price_over_the_most_it_showed(seed: int) -> None:
    known = traded = 0
    for case in cases(seed):
        record = case.record
        sides = (
            (record.best_bid_ticks, record.bid_refill),
            (record.best_ask_ticks, record.ask_refill),
        )
        for sign, (price, found) in zip((1, -1), sides, strict=True):
            expected = price and case.oracle.refill(case.number, price, sign)
            assert (found and (found.executed_lots, found.shown_lots)) == expected
            if found is not None:
                assert found.ratio == found.executed_lots / found.shown_lots
                known += 1
                traded += found.executed_lots
    assert known > 100
    assert traded


@pytest.mark.parametrize("seed", SEEDS)
def test_flow_by_rank_is_the_sum_over_successive_books_of_whole_seconds(seed: int) -> None:
    known = 0
    for case in cases(seed):
        expected = case.oracle.ranks(case.number)
        assert case.record.mlofi_lots == expected
        known += expected is not None
    assert known > 100


@pytest.mark.parametrize("seed", SEEDS)
def test_order_flow_is_the_sum_over_changes_that_follow_one_another(seed: int) -> None:
    valid = invalid = 0
    for case in cases(seed):
        terms = case.oracle.best(case.number)
        assert case.record.ofi_valid is (terms is not None)
        if terms is None:
            assert case.record.ofi_lots is None
            invalid += 1
        else:
            assert case.record.ofi_lots == sum(terms)
            assert case.record.ofi_100ms_lots is not None
            assert sum(case.record.ofi_100ms_lots) == sum(terms)
            valid += 1
    assert valid > invalid > 0


@pytest.mark.parametrize("seed", SEEDS)
def test_time_weighted_imbalance_is_the_integral_over_the_time_it_is_known(seed: int) -> None:
    known = 0
    for case in cases(seed):
        for mean in case.record.time_weighted:
            if mean.measure != "top_3":
                continue
            value, known_us = case.oracle.mean(mean.bar_start_us)
            assert mean.valid_ms == known_us // 1000
            enough = known_us * 10 >= 8 * PARAMS.bar_seconds * US_PER_SECOND
            assert (mean.obi is not None) is enough
            if enough:
                assert value is not None
                assert mean.obi == pytest.approx(float(value), abs=2e-9)
            known += enough
    assert known > 10


@pytest.mark.parametrize("seed", [1, 2])
def test_restarts_change_nothing(seed: int) -> None:
    """Long enough for minutes that go out as parts and leave the windows again."""
    data = seconds(seed, 300, calm=0.998)
    assert encoded(run_with_restarts(make, data, seed)) == encoded(run(make(), data))


def test_what_was_before_a_jump_does_not_come_back() -> None:
    data = [*seconds(1, 40, calm=1.0), *seconds(2, 3, calm=1.0, first=7200)]
    outputs = steps(run(make(), data))
    for record in outputs[40].instruments:
        assert record.null_reasons["persistent_1"] == "window_not_filled"
        assert record.null_reasons["z_top_3"] == "too_few_values"
        assert record.flow_seconds == 1
        assert not record.ofi_valid


def encoded(outputs: list[Output]) -> list[bytes]:
    return [msgspec.json.encode(one.record) for one in outputs]
