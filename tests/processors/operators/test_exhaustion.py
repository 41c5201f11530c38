"""Exhaustion in its three forms (definitions 5.3, 5.8)."""

import random
from dataclasses import replace
from itertools import pairwise

import msgspec
import pytest

from processors.measures.auction import exhaustion
from processors.operators.exhaustion import ExhaustionOperator, ExhaustionParams
from processors.seconds.second import Second
from processors.trades import Trade
from schemas.events import EventSide, FlowEvent
from schemas.footprints import FootprintBar
from schemas.lineage import Status
from schemas.market import Scope
from schemas.units import US_PER_MINUTE
from tests.processors.measures.bars import worked
from tests.processors.operators.footprint_bars import (
    NOON_US,
    PRICE,
    ROW,
    bar,
    completeness,
    end_of,
    events,
)
from tests.processors.seconds.builders import (
    BINANCE,
    BYBIT,
    DOWN,
    UNITS,
    member,
    run,
    run_with_restarts,
    second,
    trade,
)


def found(seconds: list[Second], params: ExhaustionParams | None = None) -> list[FlowEvent]:
    return events(run(ExhaustionOperator(UNITS, params), seconds))


# --- bar form


def test_an_exhaustion_print_is_an_event_of_its_bar() -> None:
    ohlc = (PRICE, PRICE + 500, PRICE, PRICE)
    made = bar(0, ohlc=ohlc, exhaustion_high=True, exhaustion_low=False)
    [event] = found([end_of(0, member(), bars=[made])])
    assert (event.form, event.side) == ("bar", EventSide.BUY)
    assert (event.low_ticks, event.values["row_ticks"]) == (PRICE + 500, ROW)
    assert (event.start_us, event.end_us) == (NOON_US, NOON_US + US_PER_MINUTE)
    low = bar(0, ohlc=ohlc, exhaustion_high=False, exhaustion_low=True)
    assert [one.side for one in found([end_of(0, member(), bars=[low])])] == [EventSide.SELL]


def test_the_worked_bar_is_exhausted_at_its_high_alone() -> None:
    """Golden bar of 5.4: 240 < 410 < 600 and 240 <= 300; at the low 380 < 540, then 120."""
    ends = exhaustion(worked())
    made = bar(
        0,
        ohlc=(64_060, 64_120, 64_040, 64_100),
        row_ticks=20,
        exhaustion_high=ends.high,
        exhaustion_low=ends.low,
    )
    [event] = found([end_of(0, member(), bars=[made])])
    assert (event.side, event.low_ticks, event.values["row_ticks"]) == (EventSide.BUY, 64_120, 20)


def test_partial_bars_never_count_and_the_finest_rows_decide() -> None:
    partial = bar(0, exhaustion_high=True, status=Status.PARTIAL)
    coarse = bar(0, exhaustion_high=True, row_ticks=5 * ROW)
    assert found([end_of(0, member(), bars=[partial])]) == []
    assert found([end_of(0, member(), bars=[coarse, bar(0, exhaustion_high=False)])]) == []


def test_an_aggregate_counts_where_all_were_there() -> None:
    names = ["binance:BTC-USDT-PERP", "bybit:BTC-USDT-PERP"]
    made = bar(0, instrument=None, scope=Scope.PERP, names=names, exhaustion_low=True)
    [event] = found([end_of(0, member(), bars=[made])])
    assert (event.scope, event.venues) == (Scope.PERP, names)
    assert event.id == f"exhaustion:BTC:perp:{event.end_us}:sell:bar"


# --- sequence form

HIGHS, DELTAS, POCS = (1000, 1100, 1200), (100, 70, 50), (800, 700, 600)


def three(
    highs: tuple[int, ...] = HIGHS,
    deltas: tuple[int, ...] = DELTAS,
    pocs: tuple[int, ...] = POCS,
    *,
    sign: int = 1,
    first: int = 0,
) -> list[FootprintBar]:
    """Return bars with a low of `PRICE` and rows of `ROW`, or their mirror image."""
    made = []
    for index, (high, delta, poc) in enumerate(zip(highs, deltas, pocs, strict=True)):
        top, bottom, row = PRICE + high, PRICE, PRICE + poc
        if sign < 0:
            top, bottom, row = PRICE, PRICE - high, PRICE - poc - ROW
        made.append(
            bar(
                first + index,
                ohlc=(bottom, top, bottom, bottom),
                delta=sign * delta,
                poc_ticks=row,
            )
        )
    return made


def sequence(bars: list[FootprintBar]) -> list[FlowEvent]:
    return found([end_of(n, member(), bars=[one]) for n, one in enumerate(bars)])


@pytest.mark.parametrize(("sign", "side"), [(1, EventSide.BUY), (-1, EventSide.SELL)])
def test_three_bars_that_reach_further_with_less_are_a_sequence(sign: int, side: EventSide) -> None:
    [event] = sequence(three(sign=sign))
    assert (event.form, event.side) == ("sequence", side)
    assert (event.values["first_delta_lots"], event.values["last_delta_lots"]) == (
        100 * sign,
        50 * sign,
    )
    first = event.values["first_poc_position"]
    assert first is not None
    assert first == pytest.approx(0.85 if sign > 0 else 0.15)
    assert event.event_time_us == NOON_US + 3 * US_PER_MINUTE
    assert event.start_us == NOON_US
    assert event.evidence == [
        f"bar:venue:binance:BTC-USDT-PERP:{NOON_US + minute * US_PER_MINUTE}" for minute in range(3)
    ]


@pytest.mark.parametrize(
    ("bars", "why"),
    [
        (three(highs=(1000, 1000, 1200)), "highs not strictly rising"),
        (three(deltas=(100, 100, 50)), "deltas not strictly falling"),
        (three(deltas=(100, 70, 51)), "last above half of the first"),
        (three(deltas=(100, 70, 0)), "last not positive"),
        (three(pocs=(800, 900, 600)), "POC position not falling: 0.85, 0.86, 0.54"),
        (three(highs=(1000, 2000, 2200), pocs=(800, 1650, 600)), "POC position 0.85 twice"),
        (three(highs=(0, 1100, 1200)), "a bar with high = low has no POC position"),
        ([*three()[:2], *three(first=1)[2:]], "a bar is missing"),
    ],
)
def test_each_condition_of_a_sequence_is_needed(bars: list[FootprintBar], why: str) -> None:
    assert sequence(bars) == [], why


def test_a_partial_bar_ends_a_sequence() -> None:
    bars = three()
    broken = bar(1, ohlc=(PRICE, PRICE + 1100, PRICE, PRICE), delta=70, status=Status.PARTIAL)
    assert sequence([bars[0], broken, bars[2]]) == []


def test_a_venue_that_comes_in_between_ends_a_sequence_of_the_aggregate() -> None:
    """5.0, constant composition: its delta would be taken for a turn of the others'."""
    few = ["binance:BTC-USDT-PERP", "bybit:BTC-USDT-PERP"]
    perp = {"scope": Scope.PERP, "venue": "", "symbol": ""}
    for names, expected in ((few, 1), ([*few, "okx:BTC-PERP"], 0)):
        bars = [
            msgspec.structs.replace(one, completeness=completeness(who), **perp)
            for one, who in zip(three(), [few, few, names], strict=True)
        ]
        assert len(sequence(bars)) == expected


# --- flow form

ATR = [bar(n, ohlc=(PRICE, PRICE + 400, PRICE, PRICE)) for n in range(-14, 6)]
"""Fourteen bars before the seconds and those of the seconds themselves, with a true range of 400
each: a quarter is 100."""
WARM = 14


def flow(
    told: dict[int, tuple[int, int]], length: int = 160, *, side: int = 1, skip: int | None = None
) -> list[Second]:
    """Return bars for ATR, then seconds of trades of one side `(qty, price)`, else one lot."""
    seconds = [end_of(n - WARM, member(), bars=[ATR[n]]) for n in range(WARM)]
    for number in range(length):
        qty, price = told.get(number, (1, PRICE))
        price = PRICE + side * (price - PRICE)
        trades: list[Trade] = [trade(number, price, qty, side)] if qty else []
        bars = [ATR[WARM + number // 60]] if number % 60 == 59 else []
        seconds.append(second(number, member(trades=trades), bars=bars))
    if skip is not None:
        del seconds[WARM + skip]
    return seconds


PEAK = dict.fromkeys(range(100, 110), (10, PRICE))
"""Ten seconds at ten lots: the peak is 100 lots in ten seconds."""


@pytest.mark.parametrize(("side", "word"), [(1, EventSide.BUY), (-1, EventSide.SELL)])
def test_a_rate_that_fell_to_30_percent_near_the_extreme_is_exhausted(
    side: int, word: EventSide
) -> None:
    seconds = flow(PEAK, side=side)
    assert found(seconds[: WARM + 127]) == []
    [event] = found(seconds)
    assert (event.form, event.side, event.low_ticks) == ("flow", word, PRICE)
    assert event.values["peak_usd_cents"] == 100 * PRICE // 1000
    assert event.values["atr_ticks"] == 400
    assert event.values["distance_ticks"] == 0
    assert event.event_time_us == NOON_US + 128_000_000  # the last bar's second came before


def test_the_rate_may_be_30_percent_of_the_peak_and_no_more() -> None:
    late = dict.fromkeys(range(131, 141), (10, PRICE))
    steady = dict.fromkeys(range(131), (10, PRICE))
    exact = dict.fromkeys(range(141, 170), (3, PRICE))
    above = exact | dict.fromkeys(range(150, 170, 10), (4, PRICE)) | {141: (4, PRICE)}
    [event] = found(flow(steady | late | exact, 151))
    assert event.event_time_us == NOON_US + 151_000_000
    assert event.values["rate_usd_cents"] == 30 * PRICE // 1000
    assert found(flow(steady | late | above, 151)) == []


@pytest.mark.parametrize(("off", "expected"), [(100, 1), (101, 0)])
def test_the_price_stays_within_a_quarter_of_atr(off: int, expected: int) -> None:
    peak = dict.fromkeys(range(100, 110), (10, PRICE + off))
    assert len(found(flow(peak, 131))) == expected


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(("off", "expected"), [(100, 1), (101, 0)])
def test_every_trade_of_a_second_has_to_be_within_it(off: int, expected: int, side: int) -> None:
    """One of the last ten seconds trades at the extreme and off it."""
    seconds = flow(PEAK, 128, side=side)
    prices = (PRICE, PRICE - side * off, PRICE)
    trades = [trade(125, price, 1, side, at_us=n) for n, price in enumerate(prices)]
    seconds[WARM + 125] = second(125, member(trades=trades))
    assert len(found(seconds)) == expected


def test_without_atr_or_129_seconds_in_a_row_nothing_is_known() -> None:
    seconds = flow(PEAK, 131)
    assert len(found(seconds)) == 1
    assert len(found(seconds[2:])) == 1  # two minutes have been added to twelve
    assert found(seconds[3:]) == []
    partial = [bar(-9, status=Status.PARTIAL)]
    assert found([*seconds[:5], end_of(-9, member(), bars=partial), *seconds[6:]]) == []
    assert found(flow(PEAK, 131, skip=50)) == []
    down = [
        second(50, member(there=DOWN)) if s.start_us == NOON_US + 50_000_000 else s for s in seconds
    ]
    assert found(down) == []


def test_the_next_one_comes_two_minutes_later_at_the_earliest() -> None:
    again = PEAK | dict.fromkeys(range(150, 160), (5, PRICE))
    times = [one.event_time_us for one in found(flow(again, 320))]
    assert len(times) >= 2
    assert all(two - one >= 120_000_000 for one, two in pairwise(times))


def test_seconds_without_trades_keep_the_last_price() -> None:
    quiet = PEAK | dict.fromkeys(range(110, 140), (0, PRICE))
    [event] = found(flow(quiet, 131))
    assert event.values["rate_usd_cents"] == 0


def test_true_range_reaches_to_the_close_before() -> None:
    """A gap between bars in a row is range; after a break there is no bar before."""
    first = bar(-2, ohlc=(PRICE, PRICE + 10, PRICE, PRICE))
    last = bar(-1, ohlc=(PRICE + 500, PRICE + 510, PRICE + 500, PRICE + 505))
    begun = [end_of(-2, member(), bars=[first]), end_of(-1, member(), bars=[last])]
    [event] = found([*begun, *flow(PEAK, 131)[WARM:]], ExhaustionParams(atr_bars=4))
    assert event.values["atr_ticks"] == (10 + 510 + 505 + 400) / 4


def test_a_minute_without_trades_has_the_range_0_and_breaks_nothing() -> None:
    """Definitions 5.0: no trades while the feed is quiet are a real zero bar."""
    seconds = flow(PEAK, 131)
    seconds[5] = end_of(-9, member(), bars=[bar(-9, ohlc=None)])
    [event] = found(seconds)
    assert event.values["atr_ticks"] == 13 * 400 / 14


def test_the_minute_that_closes_with_a_second_is_in_its_atr() -> None:
    """The last peak leaves the ten seconds with the one that ends a minute."""
    told = dict.fromkeys(range(160, 170), (10, PRICE))
    [event] = found(flow(told | dict.fromkeys(range(170, 180), (0, PRICE)), 180))
    assert event.event_time_us == NOON_US + 177_000_000
    wide = bar(2, ohlc=(PRICE, PRICE + 14 * 400, PRICE, PRICE))
    far = dict.fromkeys(range(160, 170), (10, PRICE + 150)) | dict.fromkeys(
        range(170, 180), (0, PRICE)
    )
    seconds = flow(far | {170: (1, PRICE)}, 180)
    assert found(seconds) == []
    seconds[-1] = replace(seconds[-1], bars=[wide])
    [event] = found(seconds)
    assert event.values["atr_ticks"] == (13 * 400 + 14 * 400) / 14


def noisy(seed: int) -> list[Second]:
    chance = random.Random(seed)
    price, seconds = PRICE, []
    for number in range(2400):
        price += chance.choice([-20, 0, 20])
        loud = number // 60 % 3 == 0
        members = []
        for instrument in (BINANCE, BYBIT):
            there = DOWN if chance.random() < 0.0008 else (1_000_000, member().trade_stream.state)  # type: ignore[union-attr]
            trades = [
                trade(
                    number,
                    price,
                    chance.randrange(1, 50 if loud else 5),
                    chance.choice([1, -1]),
                    instrument=instrument,
                )
                for _ in range(chance.randrange(3))
            ]
            members.append(member(instrument, trades=trades if there != DOWN else [], there=there))
        made = second(number, *members)
        if number % 60 == 59:
            minute = number // 60
            dry = bar(
                minute,
                ohlc=(price, price + 300, price - 300, price),
                exhaustion_high=chance.random() < 0.1,
                exhaustion_low=False,
                instrument=BYBIT,
            )
            made.bars = [three(first=minute - minute % 3)[minute % 3], dry]
        seconds.append(made)
    return seconds


def test_restarts_change_nothing() -> None:
    seconds = noisy(9)
    params = ExhaustionParams(atr_bars=5)
    expected = run(ExhaustionOperator(UNITS, params), seconds)
    assert {one.form for one in events(expected)} == {"bar", "sequence", "flow"}
    assert run_with_restarts(lambda: ExhaustionOperator(UNITS, params), seconds) == expected


@pytest.mark.parametrize("wrong", [{"bars": 1}, {"rate_share": (3, 2)}, {"peak_seconds": 5}])
def test_parameters_that_mean_nothing_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must"):
        ExhaustionParams(**wrong)  # type: ignore[arg-type]
