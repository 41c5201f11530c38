"""The map of estimated liquidation levels (definitions 5.11; traps 16, 17)."""

import random
from collections.abc import Sequence
from fractions import Fraction

import msgspec
import pytest

from processors.liquidation_levels.brackets import LevelParams
from processors.liquidation_levels.scale import faded
from processors.measures.liquidation_price import liquidation_price
from processors.operators.liquidation_levels import LiquidationLevelsOperator
from processors.seconds.second import Second
from schemas.footprints import FootprintBar
from schemas.lineage import Status
from schemas.liquidation_levels import LevelRow, LiquidationLevels
from schemas.liquidations import LiquidatedSide
from schemas.market import Scope
from tests.processors.context.builders import MINUTE_US, at, ticker
from tests.processors.liquidation_levels.builders import ROW, Range, bar, end_of, minutes
from tests.processors.seconds.builders import (
    ASSET,
    BYBIT,
    DOWN,
    LIVE,
    UNITS,
    member,
    run,
    run_with_restarts,
    second,
)

LONG, SHORT = LiquidatedSide.LONG, LiquidatedSide.SHORT
EVER = 10**9
ONE = LevelParams(
    leverages=(10,), weights=(100,), cautious=(100,), daring=(100,), maintenance_ppm=0,
    half_life_minutes=EVER, least_ppm=0,
)  # fmt: skip
"""Everybody has 10x, nobody needs a margin, nothing fades: levels at 0.9 and 1.1 of the entry."""
AT_100 = {10_000: (1, 3)}
"""A bar in the row from 100.00 on, three quarters of it bought: levels at 90.45 and 110.55."""

UNKNOWN_CHANGE = dict.fromkeys(
    ("change_lots", "open_interest_start_lots"), "no_open_interest_at_both_ends"
)


def operator(params: LevelParams = ONE) -> LiquidationLevelsOperator:
    return LiquidationLevelsOperator(ASSET, UNITS, params)


def told(seconds: Sequence[Second], params: LevelParams = ONE) -> list[LiquidationLevels]:
    records = [output.record for output in run(operator(params), seconds)]
    assert all(isinstance(record, LiquidationLevels) for record in records)
    return records  # type: ignore[return-value]


def opened(*later: tuple[float | None, FootprintBar | None]) -> Sequence[Second]:
    """Return a minute in which 4 coins are opened around 100, and what comes later."""
    return minutes((1000, bar(0, AT_100)), (1004, bar(1, AT_100)), *later)


def since(minute: int) -> int:
    return at(60 * minute)


def test_a_rise_is_split_by_takers_and_put_where_each_is_liquidated() -> None:
    """3 coins of longs at 90.45, 1 coin of shorts at 110.55, in dollars at the row's middle."""
    first, now = told(opened())
    assert (now.kind, now.method) == ("estimate", "liquidation_levels/1.1.0")
    assert now.rows == [
        LevelRow(9_000, LONG, 27_150, 27_150, 27_150, since(1)),
        LevelRow(11_000, SHORT, 11_050, 11_050, 11_050, since(1)),
    ]
    assert (now.long_usd_cents, now.short_usd_cents) == (27_150, 11_050)
    assert (now.open_interest_start_lots, now.change_lots, now.placed_lots) == (10**6, 4000, 4000)
    assert now.null_reasons == {}
    assert first.rows == []
    assert first.change_lots is first.open_interest_start_lots is None
    assert first.null_reasons == UNKNOWN_CHANGE
    assert (now.map_start_us, now.skipped_minutes) == (since(0), 1)


def test_entries_are_spread_over_the_rows_that_traded() -> None:
    traded = {10_000: (0, 1), 10_100: (5, 0), 10_200: (0, 3)}
    (_, now) = told(minutes((1000, bar(0, traded)), (1009, bar(1, traded))))
    assert [(row.row_ticks, row.side, row.est_usd_cents) for row in now.rows] == [
        (9_000, LONG, 9050),
        (9_200, LONG, 3 * 9250),
        (11_100, SHORT, 5 * 11_150),
    ]


def test_trades_of_unknown_side_have_no_share() -> None:
    quiet = bar(1, AT_100, unknown_lots=10**6)
    (_, now) = told(minutes((1000, bar(0, AT_100)), (1004, quiet)))
    assert (now.long_usd_cents, now.short_usd_cents) == (27_150, 11_050)


def test_each_bracket_counts_its_weight_and_extremes_make_low_and_high() -> None:
    params = msgspec.structs.replace(LevelParams(), half_life_minutes=EVER)
    (_, now) = told(minutes((1000, bar(0, AT_100)), (1004, bar(1, AT_100))), params)
    found = {(row.side, row.row_ticks): row for row in now.rows}
    for side, coins in ((LONG, 3), (SHORT, 1)):
        for index, leverage in enumerate(params.leverages):
            price = int(liquidation_price(10_050, side, leverage, 5000)) // ROW * ROW
            weights = [w[index] for w in (params.weights, params.cautious, params.daring)]
            usd = [coins * weight * (price + 50) // 100 for weight in weights]
            row = found[side, price]
            assert row.est_usd_cents == pytest.approx(usd[0], abs=1)
            assert row.low_usd_cents == pytest.approx(min(usd), abs=1)
            assert row.high_usd_cents == pytest.approx(max(usd), abs=1)
    assert len(found) == 10


def test_a_fall_closes_the_same_share_of_everything() -> None:
    (*_, now) = told(opened((502, None)))
    assert [row.est_usd_cents for row in now.rows] == [13_575, 5525]
    assert now.null_reasons == {"bar": "no_bar_of_the_minute"}
    (*_, gone) = told(opened((0, bar(2, AT_100))))
    assert gone.rows == []
    (*_, anew) = told(opened((0, bar(2, AT_100)), (4, bar(3, AT_100))))
    assert [row.since_us for row in anew.rows] == [since(3)] * 2
    assert anew.long_usd_cents == 27_150


def test_open_interest_that_falls_with_the_price_in_dollars_alone_changes_nothing() -> None:
    """Trap 17."""
    (_, before, now) = told(opened((1004, bar(2, {9_900: (2, 1)}))))
    assert (now.change_lots, now.rows) == (0, before.rows)


@pytest.mark.parametrize(
    ("low", "high", "left"),
    [
        (9_001, 11_098, [LONG, SHORT]),
        (9_000, 11_098, [SHORT]),
        (9_001, 11_099, [LONG]),
        (8_000, 12_000, []),
    ],
)
def test_what_the_price_trades_through_to_its_far_edge_is_gone(
    low: int, high: int, left: list[LiquidatedSide]
) -> None:
    through = bar(2, {9_500: (1, 1)}, Range(high, low, 9_500))
    (*_, now) = told(opened((1004, through)))
    assert [row.side for row in now.rows] == left


def test_new_levels_that_the_close_is_through_are_left_out() -> None:
    """What was opened at the top of a bar that fell ten percent is gone by its close."""
    fell = {9_100: (0, 1), 10_100: (0, 1)}
    falling = bar(1, fell, Range(10_199, 9_000, 9_000))
    (_, now) = told(minutes((1000, bar(0, AT_100)), (1002, falling)))
    assert [(row.row_ticks, row.side) for row in now.rows] == [(8_200, LONG)]


def test_the_range_of_a_bar_takes_before_its_own_positions_come() -> None:
    wide = bar(2, {10_000: (0, 4)}, Range(10_099, 8_000, 10_050))
    (*_, now) = told(opened((1008, wide)))
    assert [(row.row_ticks, row.since_us) for row in now.rows] == [
        (9_000, since(2)),
        (11_000, since(1)),
    ]


def test_after_a_half_life_half_is_left_and_after_35_days_nothing() -> None:
    params = msgspec.structs.replace(ONE, half_life_minutes=7 * 1440)
    log = [*opened(), end_of(1 + 7 * 1440, 1004)]
    (_, before, now) = told(log, params)
    assert now.long_usd_cents == pytest.approx(before.long_usd_cents / 2, abs=1)
    assert now.skipped_minutes == 7 * 1440 + 1
    assert now.change_lots is None
    (*_, gone) = told([*log, end_of(2 + 36 * 1440, 1004)], params)
    assert gone.rows == []


def test_a_minute_that_cannot_be_judged_leaves_the_map_and_says_why() -> None:
    log = [
        *opened(),
        end_of(2, 1010, bar(2, {}, status=Status.GAP)),
        end_of(3, 1020, bar(3, AT_100, null_reasons={"rows": "more_rows_than_are_published"})),
        end_of(4, 1030, bar(4, {})),
        end_of(7, 1040, bar(7, AT_100)),
    ]
    _, before, *now = told(log)
    assert [record.null_reasons for record in now] == [
        {"bar": "gap"},
        {"bar": "more_rows_than_are_published"},
        {"placed_lots": "no_trades_with_a_side"},
        UNKNOWN_CHANGE,
    ]
    assert [record.rows for record in now] == [before.rows] * 4
    assert [record.placed_lots for record in now] == [0] * 4
    assert [record.skipped_minutes for record in now] == [2, 3, 3, 6]


def test_a_venue_that_dies_is_no_change_and_not_zero() -> None:
    log = []
    for minute in range(6):
        number = 60 * minute + 59
        mine = member(ticker=ticker(number, str(1000 + minute)))
        newest = ticker(min(number, 119), "5000", instrument=BYBIT)
        other = member(BYBIT, ticker=newest, there=DOWN if minute > 1 else LIVE)
        log.append(second(number, mine, other, bars=[bar(minute, AT_100)]))
    found = told(log)
    assert [record.change_lots for record in found] == [None, 1000, 1000, 1000, 1000, 1000]
    assert found[1].venues == ["binance:BTC-USDT-PERP", "bybit:BTC-USDT-PERP"]
    assert found[2].venues == ["binance:BTC-USDT-PERP"]
    assert found[2].open_interest_start_lots == 1_001_000
    assert found[2].completeness.status is Status.PARTIAL


@pytest.mark.parametrize("status", list(Status))
def test_a_map_of_a_minute_whose_trades_are_not_complete_is_partial(status: Status) -> None:
    """The tickers were there all the time."""
    whole = [second(n, member()) for n in range(120, 179)]
    made = bar(2, {} if status is Status.GAP else AT_100, status=status)
    for bars in ([made], []):
        now = told([*opened(), *whole, end_of(2, 1010, *bars)])[-1]
        complete = status is Status.COMPLETE and bars
        assert now.completeness.status is (Status.COMPLETE if complete else Status.PARTIAL)
        assert now.completeness.venues_complete == ["binance:BTC-USDT-PERP"]


def test_the_bar_is_that_of_all_perpetuals_with_the_finest_rows() -> None:
    others = [
        bar(1, {20_000: (9, 9)}, scope=Scope.SPOT),
        bar(1, {20_000: (9, 9)}, scope=Scope.VENUE),
        bar(1, {20_000: (9, 9)}, interval_seconds=300),
        bar(1, {20_000: (9, 9)}, row_ticks=500),
        bar(0, {20_000: (9, 9)}),
    ]
    log = [end_of(0, 1000), end_of(1, 1004, *others, bar(1, AT_100))]
    assert [row.row_ticks for row in told(log)[-1].rows] == [9_000, 11_000]
    assert told([end_of(0, 1000), end_of(1, 1004, *others)])[-1].rows == []


def test_only_the_largest_rows_are_published_and_the_totals_are_of_all() -> None:
    traded = {10_000 + ROW * step: (0, 1 + step) for step in range(20)}
    log = minutes((1000, bar(0, traded)), (1210, bar(1, traded)))
    everything = told(log)[-1]
    few = told(log, msgspec.structs.replace(ONE, most_rows=3))[-1]
    large = told(log, msgspec.structs.replace(ONE, least_ppm=60_000))[-1]
    total = everything.long_usd_cents
    assert few.long_usd_cents == large.long_usd_cents == total
    by_size = sorted(everything.rows, key=lambda row: row.est_usd_cents)
    assert few.rows == sorted(by_size[-3:], key=lambda row: row.row_ticks)
    assert large.rows == [r for r in everything.rows if r.est_usd_cents * 100 >= 6 * total]
    assert 0 < len(large.rows) < len(everything.rows)


def random_log(seed: int, count: int = 700) -> list[Second]:
    chance = random.Random(seed)
    log, price, interest = [], 10_000, 1000.0
    for minute in range(count):
        price = max(5_000, price + chance.randrange(-150, 151))
        interest = round(max(100.0, interest + chance.uniform(-5, 6)), 3)
        edge = price - price % ROW
        traded = {
            edge + ROW * step: (chance.randrange(5), chance.randrange(5)) for step in range(3)
        }
        prices = Range(edge + 3 * ROW - 1, edge, price)
        if chance.random() < 0.03:
            continue
        known = None if chance.random() < 0.03 else interest
        made = [] if chance.random() < 0.03 else [bar(minute, traded, prices)]
        log.append(end_of(minute, known, *made))
    return log


def test_the_map_is_that_of_an_oracle_of_fractions() -> None:
    params = msgspec.structs.replace(LevelParams(), half_life_minutes=200, least_ppm=0)
    held: dict[tuple[int, LiquidatedSide, int], Fraction] = {}
    last_us = 0
    log = random_log(5, 200)
    for record, one in zip(told(log, params), log, strict=True):
        passed = (record.minute_start_us - last_us) // MINUTE_US if last_us else 1
        last_us = record.minute_start_us
        fade = Fraction(*faded(passed, 200))
        move = record.change_lots
        if move is not None and move < 0:
            assert record.open_interest_start_lots
            fade *= 1 + Fraction(move, record.open_interest_start_lots)
        held = {key: lots * fade for key, lots in held.items()}
        for made in one.bars:
            assert made.low_ticks is not None
            assert made.high_ticks is not None
            assert made.close_ticks is not None
            held = {
                key: lots for key, lots in held.items()
                if (key[2] < made.low_ticks if key[1] is LONG
                    else key[2] + ROW - 1 > made.high_ticks)
            }  # fmt: skip
            if move is not None and move > 0:
                place(held, made, move, params)
        for side, total in ((LONG, record.long_usd_cents), (SHORT, record.short_usd_cents)):
            exact = sum(
                (
                    lots * params.weights[lane] * (2 * row + ROW) / 200_000
                    for (lane, own, row), lots in held.items()
                    if own is side
                ),
                Fraction(0),
            )
            assert abs(exact - total) <= len(record.rows)
    assert len(record.rows) > 50


def place(
    held: dict[tuple[int, LiquidatedSide, int], Fraction],
    made: FootprintBar,
    change: int,
    params: LevelParams,
) -> None:
    total = made.buy_lots + made.sell_lots
    for row in made.rows:
        for side, lots in ((LONG, row.buy_lots), (SHORT, row.sell_lots)):
            for lane, leverage in enumerate(params.leverages):
                price = liquidation_price(
                    Fraction(2 * row.row_ticks + ROW, 2), side, leverage, params.margin_ppm
                )
                level = int(price // ROW) * ROW
                assert made.close_ticks is not None
                close = made.close_ticks
                if level < close if side is LONG else level + ROW - 1 > close:
                    key = (lane, side, level)
                    held[key] = held.get(key, Fraction(0)) + Fraction(change * lots, total)


def test_a_restart_changes_nothing() -> None:
    log = random_log(9)
    whole = run(operator(LevelParams()), log)
    for seed in (1, 2):
        assert run_with_restarts(lambda: operator(LevelParams()), log, seed) == whole
    assert {output.topic for output in whole} == {"md.flow.liquidation_levels.v1"}
    assert [output.timestamp_us for output in whole] == [one.end_us - MINUTE_US for one in log]


@pytest.mark.parametrize(
    "fields",
    [
        {"weights": (20, 30, 25, 15, 11)},
        {"daring": (50, 50)},
        {"cautious": (110, -10, 0, 0, 0)},
        {"leverages": (1, 10, 20, 50, 100)},
        {"leverages": (5, 10, 20, 50, 200)},
        {"fee_ppm": -1},
        {"most_rows": 0},
    ],
)
def test_parameters_that_cannot_be_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"expected|liquidated"):
        msgspec.structs.replace(LevelParams(), **fields)
