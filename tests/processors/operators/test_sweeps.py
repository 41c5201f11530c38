"""Large prints (definitions 5.12, trap 23)."""

import random

import pytest

from processors.operators.sweeps import SweepsOperator, SweepsParams
from processors.seconds.second import Second
from schemas.events import EventKind, EventSide, FlowEvent
from schemas.lineage import Status
from schemas.market import FeedState
from tests.processors.operators.footprint_bars import PRICE, events
from tests.processors.seconds.builders import (
    BINANCE,
    BYBIT,
    UNITS,
    member,
    run,
    run_with_restarts,
    second,
    trade,
)

COIN = 1000
"""Lots; at 60,000 a coin, 1,667 lots are 100,020 USD."""
FEW = SweepsParams(min_samples=10)


def small(number: int, count: int = 100) -> Second:
    """Return a second of so many sweeps of 60 USD."""
    return second(
        number,
        member(trades=[trade(number, PRICE, 1, at_us=1000 * n, rank=2 * n) for n in range(count)]),
    )


def one(number: int, qty: int, side: int = 1) -> Second:
    return second(number, member(trades=[trade(number, PRICE, qty, side)]))


def prints(seconds: list[Second], params: SweepsParams = FEW) -> list[FlowEvent]:
    return events(run(SweepsOperator(UNITS, params), seconds))


@pytest.mark.parametrize(
    ("qty", "forms"),
    [
        (1667, ["usd_100000"]),
        (1666, ["usd_50000"]),  # 99,960 USD
        (834, ["usd_50000"]),
        (833, []),  # 49,980 USD
    ],
)
def test_classes_begin_at_100000_and_50000_dollars(qty: int, forms: list[str]) -> None:
    assert [found.form for found in prints([small(0), one(1, qty)])] == forms


def test_exactly_100000_dollars_are_enough() -> None:
    """2,000 lots at 50 USD a lot."""
    [found] = prints([small(0), second(1, member(trades=[trade(1, 5_000_000, 2000)]))])
    assert (found.form, found.values["usd_cents"]) == ("usd_100000", 10_000_000)


def test_a_print_in_many_fills_is_one_with_its_levels() -> None:
    """No single fill reaches a class: the sweep does."""
    fills = [trade(1, PRICE - n * 100, 700, -1, at_us=500, rank=n + 3) for n in range(3)]
    [found] = prints([small(0), second(1, member(trades=fills))])
    assert found.kind is EventKind.LARGE_PRINT
    assert found.side is EventSide.SELL
    assert found.values["fills"] == found.values["levels"] == 3
    assert found.values["qty_lots"] == 2100
    assert found.values["vwap_ticks"] == PRICE - 100
    assert found.values["usd_cents"] == 700 * (3 * PRICE - 300) // 1000
    assert (found.low_ticks, found.high_ticks) == (PRICE - 200, PRICE + 1)
    assert (found.values["first_price_ticks"], found.values["last_price_ticks"]) == (
        PRICE,
        PRICE - 200,
    )
    assert found.evidence == ["trades:binance:BTC-USDT-PERP:3-5"]
    assert found.id == f"large_print:BTC:binance:BTC-USDT-PERP:{fills[0][0]}:sell:3"


def test_before_there_are_enough_sweeps_nothing_is_large() -> None:
    assert prints([small(0, 9), one(1, 5000)]) == []
    assert len(prints([small(0, 10), one(1, 5000)])) == 1


def test_large_is_also_rare_for_its_instrument() -> None:
    """Of 1,000 sweeps one may be larger: two larger ones and it is not at P99.9."""
    params = SweepsParams(min_samples=1000)
    busy = [small(0, 996)]
    assert prints([*busy, one(1, 9000), one(2, 9000), one(3, 9000), one(4, 9000)], params) == []
    seconds = [small(0, 1000), one(1, 9000), one(2, 5000), one(3, 4000)]
    found = prints(seconds, params)
    assert [event.values["qty_lots"] for event in found] == [9000, 5000]
    assert found[0].values["percentile_usd_cents"] is None
    assert found[0].null_reasons == {"percentile_usd_cents": "below_smallest_class"}
    assert found[1].values["samples"] == 1001


def test_a_print_says_what_it_had_to_reach_within_a_bucket() -> None:
    """P90 of ten small ones and two of 540,000 USD is 540,000 USD."""
    params = SweepsParams(min_samples=10, percentile=(9, 10))
    [_, _, third] = prints([small(0, 10), one(1, 9000), one(2, 9000), one(3, 9000)], params)
    threshold = third.values["percentile_usd_cents"]
    assert threshold is not None
    assert 54_000_000 * 127 / 128 <= threshold <= 54_000_000


def test_the_percentile_is_of_the_last_24_hours() -> None:
    day = 86_400
    seconds = [small(0, 500), *(one(1 + n, 9000) for n in range(4))]
    assert len(prints([*seconds, small(day - 700, 100), one(day - 699, 2000)])) == 4
    assert len(prints([*seconds, small(day + 700, 100), one(day + 701, 2000)])) == 5
    assert len(prints([*seconds, one(day + 701, 9500)])) == 4  # nothing is left to compare with


def test_instruments_have_percentiles_of_their_own_and_unknown_sides_are_said() -> None:
    other = member(BYBIT, trades=[trade(1, PRICE, 9000, instrument=BYBIT)])
    [found] = prints([small(0), second(1, member(trades=[trade(1, PRICE, 9000, 0)]), other)])
    assert (found.venue, found.side) == ("binance", EventSide.UNKNOWN)


def test_a_print_of_a_second_with_a_gap_is_partial() -> None:
    there = (400_000, FeedState.DOWN)
    gap = second(1, member(trades=[trade(1, PRICE, 9000)], there=there))
    assert prints([small(0), gap])[0].status is Status.PARTIAL


def test_restarts_change_nothing() -> None:
    chance = random.Random(2)
    seconds = [
        second(
            97 * number,
            *(
                member(
                    instrument,
                    trades=[
                        trade(
                            97 * number,
                            PRICE,
                            1 + int(10 ** chance.uniform(0, 4)),
                            instrument=instrument,
                            at_us=2000 * n,
                            rank=3 * n,
                        )
                        for n in range(chance.randrange(4))
                    ],
                )
                for instrument in (BINANCE, BYBIT)
            ),
        )
        for number in range(1500)
    ]
    params = SweepsParams(min_samples=10, percentile=(9, 10))
    expected = run(SweepsOperator(UNITS, params), seconds)
    assert len(expected) > 50
    assert run_with_restarts(lambda: SweepsOperator(UNITS, params), seconds) == expected


@pytest.mark.parametrize(
    "wrong", [{"classes_usd": (1, 2)}, {"classes_usd": ()}, {"min_samples": 0}]
)
def test_parameters_that_mean_nothing_are_refused(wrong: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match=r"classes_usd|min_samples"):
        SweepsParams(**wrong)  # type: ignore[arg-type]
