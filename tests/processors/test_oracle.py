"""Random markets of several feeds: every final record against the plain sums over raw trades."""

from collections import defaultdict
from itertools import pairwise

import pytest

from schemas.cvd import WINDOWS, CvdSeries, CvdStep
from schemas.footprints import FootprintBar
from schemas.lineage import Status
from schemas.market import Scope
from schemas.trades import TradeBatch
from tests.processors.builders import (
    ALL,
    BINANCE,
    BINANCE_SPOT,
    BYBIT,
    MINUTE,
    NOON,
    OKX,
    PERPS,
    SECOND,
    Market,
    Runner,
    finals,
    identity,
)
from tests.processors.oracle import (
    Fact,
    check_bar,
    covered,
    covered_us,
    cumulative,
    facts,
    of_bar,
    whole_seconds,
)

MIDNIGHT = NOON + 12 * 60 * MINUTE
CLEAN = Market(seconds=400, rate=1.5)
ROUGH = Market(seconds=430, rate=1.5, late=0.01, repeat=0.05, hole=0.004, drop_batch=0.01)


@pytest.mark.parametrize(
    "market",
    [
        CLEAN,
        CLEAN.but(seed=2, start_us=MIDNIGHT - 4 * MINUTE, rate=1.0),
        CLEAN.but(seed=3, instruments=(BYBIT,), rate=0.05),
        ROUGH.but(seed=4),
        ROUGH.but(seed=5, start_us=MIDNIGHT - 5 * MINUTE, instruments=PERPS),
    ],
    ids=["clean", "midnight", "sparse", "rough", "rough over midnight"],
)
def test_every_final_bar_is_what_its_raw_trades_say(market: Market) -> None:
    batches = market.batches()
    run = Runner().feed(batches)
    trades = facts(batches)
    bars = run.bars()

    assert len(bars) >= 2 * len(market.instruments) * (market.seconds // 60 - 1)
    for bar in bars:
        mine = of_bar(trades, bar)
        in_time = all(t.arrived_us < t.time_us + 50 * SECOND for t in mine)
        known = bar.delta_min_lots is not None or not bar.rows
        assert known or not in_time
        check_bar(bar, trades, path=known)
        _check_conservation(bar)


def _check_conservation(bar: FootprintBar) -> None:
    assert sum(row.buy_lots for row in bar.rows) == bar.buy_lots
    assert sum(row.sell_lots for row in bar.rows) == bar.sell_lots
    assert sum(row.unknown_lots for row in bar.rows) == bar.unknown_lots
    assert bar.buy_lots - bar.sell_lots == bar.delta_lots
    if bar.delta_min_lots is not None and bar.delta_max_lots is not None:
        assert bar.delta_min_lots <= min(0, bar.delta_lots)
        assert bar.delta_max_lots >= max(0, bar.delta_lots)


SUMS = ("buy_lots", "sell_lots", "unknown_lots", "trades_buy", "trades_sell", "trades_unknown")


@pytest.mark.parametrize("market", [CLEAN, ROUGH.but(seed=6)], ids=["clean", "rough"])
def test_venues_add_up_to_the_aggregate_minutes_to_wider_bars_and_rows_to_coarser_rows(
    market: Market,
) -> None:
    bars = Runner().feed(market.batches()).bars()
    by_place = {identity(bar)[2:]: bar for bar in bars}
    compared = [0, 0, 0]
    for bar in bars:
        compared[0] += _check_coarser(bar, by_place)
        compared[1] += _check_wider(bar, by_place)
        compared[2] += _check_aggregate(bar, bars)
    assert min(compared) >= 4


Places = dict[tuple[object, ...], FootprintBar]


def _check_coarser(bar: FootprintBar, by_place: Places) -> bool:
    if bar.row_size != "5":
        return False
    key = (bar.scope, bar.venue, bar.symbol, bar.interval_seconds, "1", bar.bar_start_us)
    folded: dict[int, int] = defaultdict(int)
    for row in by_place[key].rows:
        folded[row.row_ticks - row.row_ticks % bar.row_ticks] += row.buy_lots
    assert [folded[row.row_ticks] for row in bar.rows] == [row.buy_lots for row in bar.rows]
    return True


def _check_wider(bar: FootprintBar, by_place: Places) -> bool:
    if bar.interval_seconds != 300:
        return False
    key = (bar.scope, bar.venue, bar.symbol, 60, bar.row_size)
    steps = range(bar.bar_start_us, bar.bar_end_us, MINUTE)
    parts = [by_place[*key, step] for step in steps if (*key, step) in by_place]
    for name in SUMS:
        assert getattr(bar, name) == sum(getattr(part, name) for part in parts)
    return True


def _check_aggregate(bar: FootprintBar, bars: list[FootprintBar]) -> bool:
    if bar.scope is not Scope.PERP or bar.bar_start_us < NOON:
        return False
    place = identity(bar)[5:]
    members = [
        one
        for one in bars
        if one.scope is Scope.VENUE and one.symbol != "BTC-USDT" and identity(one)[5:] == place
    ]
    assert len(members) == len(PERPS)
    for name in SUMS:
        assert getattr(bar, name) == sum(getattr(one, name) for one in members)
    return True


@pytest.mark.parametrize("market", [CLEAN, ROUGH.but(seed=7, late=0.0)], ids=["clean", "rough"])
def test_coverage_is_the_time_between_neighbouring_batches(market: Market) -> None:
    batches = market.batches()
    pieces = covered(batches)
    bars = Runner().feed(batches).bars(row_size="1")

    for bar in bars:
        window = (bar.bar_start_us, bar.bar_end_us)
        wanted = {
            name: covered_us(pieces[name], *window) // 1000 for name in bar.completeness.coverage_ms
        }
        assert bar.completeness.coverage_ms == wanted
        whole = [ms == bar.interval_seconds * 1000 for ms in wanted.values()]
        if all(whole):
            assert bar.completeness.status is Status.COMPLETE
        else:
            assert bar.completeness.status is (
                Status.PARTIAL if any(wanted.values()) else Status.GAP
            )
    assert {bar.completeness.status for bar in bars} >= {Status.COMPLETE, Status.PARTIAL}


def _check_series(
    series: CvdSeries,
    step: CvdStep,
    trades: list[Fact],
    pieces: dict[str, list[tuple[int, int]]],
    whole: dict[str, set[int]],
) -> None:
    second = step.step_start_us // SECOND
    end_us = (second + 1) * SECOND
    members = {name for name in whole if _belongs(name, series)}
    common = series.composition == "common"

    def behind(first: int) -> set[str]:
        if common:
            return {n for n in members if whole[n].issuperset(range(first, second + 1))}
        seen = {t.member for t in trades if first * SECOND <= t.time_us < end_us}
        return {n for n in members if n in seen or covered_us(pieces[n], first * SECOND, end_us)}

    there = {name for name in members if second in whole[name]}
    traded = {t.member for t in trades if t.time_us // SECOND == second and t.side}
    step_members = there if common else there | (traded & members)
    assert series.venues == sorted(step_members)
    expected = cumulative(trades, step_members, second * SECOND, end_us)
    assert _values(series.step) == expected
    day = second - second % 86_400
    assert _values(series.day) == cumulative(trades, behind(day), day * SECOND, end_us)
    if not common:
        assert _values(series.anchored) == cumulative(trades, behind(0), 0, end_us)
    for window, value, count in zip(WINDOWS, series.rolling, series.rolling_venues, strict=True):
        first = second - window + 1
        names = behind(first)
        assert count == len(names)
        assert _values(value) == cumulative(trades, names, first * SECOND, end_us)


def _belongs(name: str, series: CvdSeries) -> bool:
    if series.scope is Scope.VENUE:
        return name == f"{series.venue}:{series.symbol}"
    return name.endswith("PERP") == (series.scope is Scope.PERP)


def _values(cumulative: object) -> list[int] | None:
    if cumulative is None:
        return None
    return [getattr(cumulative, field) for field in cumulative.__struct_fields__]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "market",
    [
        CLEAN.but(seed=8, seconds=1100, rate=0.3),
        CLEAN.but(seed=9, start_us=MIDNIGHT - 16 * MINUTE, seconds=1900, rate=0.1),
        CLEAN.but(seed=10, seconds=1500, rate=0.3, hole=0.0004, instruments=(BINANCE, BYBIT, OKX)),
    ],
    ids=["clean", "midnight", "rough"],
)
def test_every_cvd_step_is_what_the_raw_trades_say(market: Market) -> None:
    steps = _check_steps(market.batches())
    assert any(
        series.composition == "common" and series.rolling_venues[0]
        for step in steps
        for series in step.series
    )


def test_every_cvd_step_of_a_venue_that_is_away_for_longer_than_a_window() -> None:
    market = CLEAN.but(seed=11, seconds=1500, rate=0.3, instruments=(BINANCE, BYBIT, BINANCE_SPOT))
    away = range(NOON + 200 * SECOND, NOON + 1300 * SECOND)
    steps = _check_steps(
        [
            one
            for one in market.batches()
            if one.venue != "binance" or one.receive_time_us not in away
        ]
    )
    series = [one for step in steps for one in step.series if one.composition != "common"]
    nulls = {(one.scope, one.venue) for one in series if one.rolling[0] is None}
    assert nulls >= {(Scope.VENUE, "binance"), (Scope.SPOT, "")}


def _check_steps(batches: list[TradeBatch]) -> list[CvdStep]:
    trades = [t for t in facts(batches) if t.order_class not in {3, 4, 5}]
    pieces = covered(batches)
    steps = Runner().feed(batches).steps()
    whole = {name: whole_seconds(pieces[name]) for name in pieces}
    checked = [steps[start] for start in sorted(steps)][::97]

    assert [b - a for a, b in pairwise(sorted(steps))] == [SECOND] * (len(steps) - 1)
    for step in checked:
        for series in step.series:
            _check_series(series, step, trades, pieces, whole)
    return checked


def test_cvd_steps_and_adjustments_add_up_to_the_cumulative_value_with_late_trades() -> None:
    steps = Runner().feed(ROUGH.but(seed=11, late=0.03).batches()).steps()
    ordered = [steps[start] for start in sorted(steps)]
    for of in ALL:
        total = adjusted = 0
        for step in ordered:
            for series in step.series:
                if (series.venue, series.symbol) == (of.venue, of.symbol):
                    total += series.step.delta_lots if series.step else 0
                    newest = series.anchored
            for adjust in step.adjustments:
                if (adjust.venue, adjust.symbol) == (of.venue, of.symbol):
                    total += adjust.delta_lots
                    adjusted += 1
        assert adjusted
        assert newest is not None
        assert total == newest.delta_lots


def test_cvd_close_less_open_is_the_delta_of_the_bar() -> None:
    run = Runner().feed(CLEAN.batches())
    bars = run.bars(interval_seconds=60, row_size="1")
    compared = 0
    for bar in bars:
        ends = (bar.bar_start_us - SECOND, bar.bar_end_us - SECOND)
        if all(end in run.steps() for end in ends) and bar.scope is not Scope.VENUE:
            opened, closed = (run.series(end, bar.scope, "all").anchored for end in ends)
            assert opened is not None
            assert closed is not None
            assert closed.delta_lots - opened.delta_lots == bar.delta_lots
            compared += 1
    assert compared >= 10


def test_no_two_records_share_identity_and_revision() -> None:
    run = Runner().feed(ROUGH.but(seed=12, late=0.05).batches())
    seen = set()
    for output in run.outputs:
        if isinstance(output.record, FootprintBar | CvdStep):
            name = (identity(output.record), output.record.revision)
            assert name not in seen
            seen.add(name)
    assert finals(run.outputs)


def test_inputs_of_a_bar_span_the_records_that_its_trades_came_in() -> None:
    batches: list[TradeBatch] = ROUGH.but(seed=13).batches()
    run = Runner().feed(batches)
    offsets: dict[tuple[str, int | str], int] = {}
    for offset, batch in enumerate(batches):
        for row in batch.rows:
            offsets.setdefault((f"{batch.venue}:{batch.symbol}", row[4]), offset)
    compared = 0
    for bar in run.bars(scope=Scope.VENUE):
        name = f"{bar.venue}:{bar.symbol}"
        mine = [
            offsets[name, row[4]]
            for batch in batches
            if f"{batch.venue}:{batch.symbol}" == name
            for row in batch.rows
            if bar.bar_start_us <= row[0] < bar.bar_end_us
        ]
        if mine:
            (inputs,) = bar.inputs
            assert inputs.first_offset == min(mine)
            assert inputs.last_offset >= max(mine)
            compared += 1
    assert compared > 20
