"""Who opened positions in a move and is under water."""

import random
from collections.abc import Sequence

import msgspec
import pytest

from processors.liquidation_levels.under_water import TrappedParams, is_under_water, lost_rows
from processors.operators.trapped import TrappedOperator
from processors.seconds.second import Second
from schemas.footprints import FootprintBar
from schemas.lineage import Status
from schemas.liquidations import LiquidatedSide
from schemas.trapped import TrappedPositions, TrappedRow
from tests.processors.context.builders import at
from tests.processors.liquidation_levels.builders import ROW, Range, bar, end_of, minutes
from tests.processors.seconds.builders import ASSET, UNITS, run, run_with_restarts

LONG, SHORT = LiquidatedSide.LONG, LiquidatedSide.SHORT
ONE = TrappedParams(move_bars=1, move_atr=(1, 2), atr_bars=2, half_life_minutes=10**9)


def operator(params: TrappedParams = ONE) -> TrappedOperator:
    return TrappedOperator(ASSET, UNITS, params)


def told(seconds: Sequence[Second], params: TrappedParams = ONE) -> list[TrappedPositions]:
    records = [output.record for output in run(operator(params), seconds)]
    assert all(isinstance(record, TrappedPositions) for record in records)
    return records  # type: ignore[return-value]


def flat(minute: int, price: int) -> FootprintBar:
    """Return a bar without takers on either side, at one price."""
    return bar(minute, {}, Range(price, price, price))


def rise(minute: int = 1) -> FootprintBar:
    """Return a rise to 102.50: 2 lots sold and 6 bought in the rows from 101.00 and 102.00 on."""
    return bar(minute, {10_100: (2, 2), 10_200: (0, 4)}, Range(10_260, 10_000, 10_250))


def fall(minute: int = 1) -> FootprintBar:
    """Return its mirror image about 100.50."""
    return bar(minute, {9_900: (2, 2), 9_800: (4, 0)}, Range(10_099, 9_839, 9_849))


def trapped_longs(*later: tuple[float | None, FootprintBar | None]) -> Sequence[Second]:
    """Return a rise in which 8 coins are opened, 6 of them bought, and what comes later."""
    return minutes((1000, flat(0, 10_000)), (1008, rise()), *later)


def test_longs_of_a_rise_are_trapped_once_the_price_is_below_their_row() -> None:
    """2 coins at 101, 4 at 102: at 100.50 both, in dollars of now, with their loss."""
    _, opened, now = told(trapped_longs((1008, flat(2, 10_050))))
    assert (opened.move, opened.placed_lots, opened.rows) == (1, 6000, [])
    assert now.rows == [
        TrappedRow(10_100, LONG, 20_100, 200, 2000 / 1_008_000, at(60)),
        TrappedRow(10_200, LONG, 40_200, 800, 4000 / 1_008_000, at(60)),
    ]
    assert (now.kind, now.method) == ("estimate", "trapped/1.1.0")
    assert (now.long_usd_cents, now.short_usd_cents) == (60_300, 0)
    assert (now.price_ticks, now.open_interest_lots) == (10_050, 1_008_000)
    assert (now.move, now.placed_lots, now.null_reasons) == (0, 0, {})


def test_shorts_of_a_fall_are_the_mirror_image() -> None:
    log = minutes((1000, flat(0, 10_099)), (1008, fall()), (1008, flat(2, 10_049)))
    _, opened, now = told(log)
    assert (opened.move, opened.placed_lots, opened.rows) == (-1, 6000, [])
    assert [(row.row_ticks, row.side, row.loss_usd_cents) for row in now.rows] == [
        (9_800, SHORT, 796),  # from 98.50, the middle, to 100.49
        (9_900, SHORT, 198),
    ]


@pytest.mark.parametrize(("price", "rows"), [(10_099, [10_100, 10_200]), (10_100, [10_200]),
                                             (10_199, [10_200]), (10_200, [])])  # fmt: skip
def test_a_row_is_under_water_when_all_of_it_is(price: int, rows: list[int]) -> None:
    now = told(trapped_longs((1008, flat(2, price))))[-1]
    assert [row.row_ticks for row in now.rows] == rows
    assert is_under_water(1, 9_900, ROW, 10_000)
    assert not is_under_water(1, 9_900, ROW, 9_999)


def test_who_comes_back_is_not_trapped_but_may_be_again() -> None:
    *_, back, again = told(
        trapped_longs((1008, flat(2, 10_050)), (1008, flat(3, 10_300)), (1008, flat(4, 10_050)))
    )
    assert back.rows == []
    assert again.long_usd_cents == 60_300


@pytest.mark.parametrize(
    "opening",
    [
        (1000, rise()),  # nothing was opened
        (990, rise()),  # positions were closed
        (None, rise()),  # not known
        (1008, bar(1, {10_000: (1, 2)}, Range(10_400, 10_000, 10_099))),  # no move
        (1008, bar(1, {10_200: (4, 2)}, Range(10_260, 10_000, 10_250))),  # a rise into selling
    ],
)
def test_without_a_rise_of_interest_in_a_move_nobody_is_trapped(
    opening: tuple[float | None, FootprintBar],
) -> None:
    records = told(minutes((1000, flat(0, 10_000)), opening, (1008, flat(2, 9_000))))
    assert [record.placed_lots for record in records[:2]] == [0, 0]
    assert records[-1].rows == []


def test_a_fall_of_interest_closes_the_same_share_and_time_fades() -> None:
    *_, halved = told(trapped_longs((504, flat(2, 10_050))))
    assert halved.long_usd_cents == 30_150
    day = msgspec.structs.replace(ONE, half_life_minutes=1440)
    log = [*trapped_longs(), end_of(1 + 1440, 1008, flat(1 + 1440, 10_050))]
    faded = told(log, day)[-1]
    assert faded.long_usd_cents == pytest.approx(30_150, abs=1)
    assert faded.skipped_minutes == 1441
    assert faded.open_interest_lots is None
    assert [row.share for row in faded.rows] == [None, None]
    week = [*trapped_longs(), end_of(1 + 8 * 1440, 1008, flat(1 + 8 * 1440, 10_050))]
    assert told(week)[-1].rows == []


def test_what_has_lost_a_fifth_is_gone() -> None:
    """Of longs at 101 and 102, 80.80 is a fifth below the first, 81.60 below the second."""
    for low, left in ((8_161, [10_100, 10_200]), (8_160, [10_100]), (8_080, [])):
        crash = bar(2, {}, Range(10_050, low, 10_050))
        now = told(trapped_longs((1008, crash)))[-1]
        assert [row.row_ticks for row in now.rows] == left
    for price in (7_999, 8_000, 8_001):
        longs, shorts = lost_rows(price, price, ROW, 2_000)
        assert price <= longs * 0.8 < price + 0.8
        assert price - 1.2 < (shorts + ROW - 1) * 1.2 <= price


def test_without_a_price_nobody_is_said_to_be_trapped_or_not() -> None:
    none, gap, quiet = told(
        trapped_longs(
            (1008, None),
            (1008, bar(3, {}, status=Status.GAP, ref_close_ticks=10_050)),
            (1008, bar(4, {}, ref_close_ticks=10_050)),
        )
    )[2:]
    for record in (none, gap):
        assert (record.price_ticks, record.rows) == (None, [])
        assert record.long_usd_cents is record.short_usd_cents is None
        assert record.null_reasons["price_ticks"] == "no_price"
        assert record.move is None
    assert (quiet.price_ticks, quiet.long_usd_cents) == (10_050, 60_300)
    assert quiet.null_reasons == {"move": "too_few_bars_in_a_row"}


def test_the_largest_rows_are_published_and_the_totals_are_of_all() -> None:
    one = msgspec.structs.replace(ONE, most_rows=1)
    now = told(trapped_longs((1008, flat(2, 10_050))), one)[-1]
    assert [row.row_ticks for row in now.rows] == [10_200]
    assert now.long_usd_cents == 60_300


def random_log(seed: int) -> list[Second]:
    chance = random.Random(seed)
    log, price, drift, interest = [], 10_000, 0, 1000.0
    for minute in range(900):
        if minute % 20 == 0:
            drift = chance.choice((-60, 0, 60))
        before = price
        price = max(3_000, price + drift + chance.randrange(-60, 61))
        interest = round(max(100.0, interest + chance.uniform(-5, 6)), 3)
        low, high = min(before, price), max(before, price)
        rows = range(low - low % ROW, high + 1, ROW)
        traded = {row: (chance.randrange(5), chance.randrange(5)) for row in rows}
        if chance.random() < 0.03:
            continue
        known = None if chance.random() < 0.03 else interest
        made = [] if chance.random() < 0.03 else [bar(minute, traded, Range(high, low, price))]
        log.append(end_of(minute, known, *made))
    return log


@pytest.mark.parametrize("seed", [1, 2])
def test_rows_are_under_water_sorted_and_never_more_than_was_placed(seed: int) -> None:
    placed, seen = 0, 0
    for record in told(random_log(seed), TrappedParams()):
        placed += record.placed_lots
        keys = [(-row.side, row.row_ticks) for row in record.rows]
        assert keys == sorted(set(keys))
        if record.price_ticks is None:
            continue
        for row in record.rows:
            lane = 0 if row.side is LONG else 1
            assert is_under_water(lane, row.row_ticks, ROW, record.price_ticks)
        assert record.long_usd_cents is not None
        assert record.short_usd_cents is not None
        total = record.long_usd_cents + record.short_usd_cents
        assert total * 1000 <= (placed + 1) * record.price_ticks
        seen += bool(record.rows)
    assert seen > 300


def test_a_restart_changes_nothing() -> None:
    log = random_log(3)
    whole = run(operator(TrappedParams()), log)
    for seed in (1, 2):
        assert run_with_restarts(lambda: operator(TrappedParams()), log, seed) == whole
    assert {output.topic for output in whole} == {"md.flow.trapped.v1"}


@pytest.mark.parametrize(
    "fields",
    [{"move_bars": 0}, {"atr_bars": 1}, {"move_atr": (1, 0)}, {"lost_bp": 10_000}, {"lost_bp": 0}],
)
def test_parameters_that_cannot_be_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        msgspec.structs.replace(TrappedParams(), **fields)
