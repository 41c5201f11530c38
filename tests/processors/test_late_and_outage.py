"""Every row of definitions 5.14 through an engine with all operators on.

Operators over trades correct what was final; those over seconds look forward only. Setups, and with
them the note of what would have been, are not made here.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from operator import itemgetter

import msgspec
import pytest

from processors.asset import EngineParams
from processors.operators.footprint import FootprintParams
from schemas.bars import BarRule, TradeBar
from schemas.cvd import CvdAdjust
from schemas.cvd_structure import CvdStructure, CvdStructureSeries
from schemas.footprints import FootprintBar, Mark
from schemas.lineage import DerivedHeader, Status
from schemas.market import DataSource, FeedState, Scope
from schemas.ops import DeadLetter, QualityEvent, QualityKind
from schemas.profiles import ProfileWindow, VolumeProfile
from schemas.tickers import TICKERS_SCHEMA, TickerBatch
from schemas.topics import BOOKS, LIQUIDATIONS, TICKERS, TRADES
from schemas.trades import BatchHeader, TradeBatch, TradeRow
from tests.processors.builders import (
    BINANCE,
    BUY,
    BYBIT,
    MINUTE,
    NOON,
    OKX,
    SECOND,
    SELL,
    UNITS,
    Instrument,
    Runner,
    Stream,
    merged,
)
from tests.processors.seconds.market import BINANCE as PERPETUAL
from tests.processors.seconds.market import book_batch, header, liquidation_batch

TOOLKIT = EngineParams(
    toolkit=True,
    footprint=FootprintParams(wide_seconds=(300,), row_factors=(1, 5)),
    units={"BTC": UNITS},
)
PRICE = 600_000
REST_SECONDS = 45


def worked(*logs: Iterable[TradeBatch]) -> Runner:
    """Work trades off, beside quiet books, liquidations and tickers of one instrument."""
    trades = merged(*logs)
    run = Runner(TOOLKIT)
    first_us, last_us = trades[0].receive_time_us, trades[-1].receive_time_us
    records: list[tuple[int, str, BatchHeader]] = [
        (batch.receive_time_us, TRADES.name, batch) for batch in trades
    ]
    for number, at_us in enumerate(range(first_us, last_us + 1, SECOND)):
        said = header(PERPETUAL, 0, number, at_us - SECOND // 2)
        book = book_batch(said, at_us - SECOND // 2, [(PRICE * 10 - 1, 5)], [(PRICE * 10 + 1, 5)])
        ticker = TickerBatch(schema=TICKERS_SCHEMA, stream="ticker", **said)
        records.append((at_us, BOOKS.name, book))
        records.append((at_us, LIQUIDATIONS.name, liquidation_batch(said, [])))
        records.append((at_us, TICKERS.name, ticker))
    for _, topic, batch in sorted(records, key=itemgetter(0)):
        offset = run.engine.next_offset(topic)
        run.outputs += run.engine.process(topic, 0, offset, msgspec.json.encode(batch))
    return run


def derived(run: Runner, until_us: int = 2**62) -> list[bytes]:
    """Return what operators over seconds said of windows that end by then, inputs aside."""
    return [
        msgspec.json.encode(msgspec.structs.replace(one.record, inputs=[]))
        for one in run.outputs
        if isinstance(one.record, DerivedHeader) and one.timestamp_us <= until_us
    ]


def quality(run: Runner, kind: QualityKind) -> list[QualityEvent]:
    found = [one.record for one in run.outputs if isinstance(one.record, QualityEvent)]
    return [one for one in found if one.kind is kind]


def adjusts(run: Runner) -> list[CvdAdjust]:
    steps = run.steps()
    return [one for start in sorted(steps) for one in steps[start].adjustments]


def session_of(run: Runner, scope: Scope = Scope.PERP) -> VolumeProfile:
    """Return the newest profile of the day."""
    return [
        one.record
        for one in run.outputs
        if isinstance(one.record, VolumeProfile)
        and (one.record.scope, one.record.window) == (scope, ProfileWindow.SESSION)
    ][-1]


def structure(run: Runner, start_us: int, scope: Scope, what: str) -> CvdStructureSeries:
    """Return one series of a minute, named by venue or composition."""
    (minute,) = [
        one.record
        for one in run.outputs
        if isinstance(one.record, CvdStructure) and one.record.bar_start_us == start_us
    ]
    (found,) = [
        one
        for one in minute.series
        if one.scope is scope and what in {one.venue, one.composition} - {""}
    ]
    return found


def traded(profile: VolumeProfile) -> int:
    return sum(row.sell_lots + row.buy_lots + row.unknown_lots for row in profile.rows)


def one_late(seconds: float | None) -> tuple[Runner, int]:
    """Let a sale of the first minute's last second come late, or not at all."""
    stream = Stream(BINANCE)
    time_us = NOON + 59 * SECOND + SECOND // 2
    arrival_us = time_us + int((2 if seconds is None else seconds) * SECOND)
    rows = [] if seconds is None else [stream.row(time_us, PRICE + 5, 3, SELL)]
    log = stream.quiet(NOON - SECOND, NOON + 10 * SECOND)
    log.append(stream.batch(NOON + 11 * SECOND, [stream.row(NOON + 10 * SECOND, PRICE, 4, BUY)]))
    log += stream.quiet(NOON + 12 * SECOND, arrival_us - SECOND // 2)
    log.append(stream.batch(arrival_us, rows))
    log += stream.quiet(arrival_us + SECOND, arrival_us + (60 + REST_SECONDS) * SECOND)
    return worked(log), time_us


def test_row_1_a_trade_1_5_seconds_late_is_in_everything() -> None:
    """Row "trade arrives 1.5 s late": still provisional bar, included."""
    run, _ = one_late(1.5)
    bar = run.bar(bar_start_us=NOON, scope=Scope.PERP)

    assert (bar.version, bar.sell_lots, bar.buy_lots) == (1, 3, 4)
    assert adjusts(run) == []
    assert traded(session_of(run)) == 7
    minute = structure(run, NOON, Scope.PERP, "all").minute
    assert minute is not None
    assert (minute.delta_lots, minute.volume_lots) == (1, 7)


def test_row_2_a_trade_10_seconds_late_corrects_bar_and_cvd_and_rewrites_no_state() -> None:
    """Row "arrives 10 s late": version 2, cvd_adjust; past states are not rewritten."""
    run, _ = one_late(10)
    bar = run.bar(bar_start_us=NOON, scope=Scope.PERP)
    ((adjust),) = adjusts(run)

    assert (bar.version, bar.reason, bar.sell_lots) == (2, "late", 3)
    assert (adjust.bar_start_us, adjust.delta_lots, adjust.trades) == (NOON, -3, 1)
    assert traded(session_of(run)) == 4
    without, _ = one_late(None)
    until_us = NOON + 100 * SECOND
    assert len(derived(run, until_us)) > 100
    assert derived(run, until_us)[:100] == derived(without, until_us)[:100]


def test_row_3_a_trade_25_hours_late_is_refused_on_record() -> None:
    """Row "arrives 25 h late": into the quality topic, for a rebuild; nothing else changes."""
    old_us = NOON - 25 * 60 * MINUTE

    def run(rows: Sequence[TradeRow]) -> Runner:
        stream = Stream(BINANCE)
        log = stream.quiet(NOON, NOON + 5 * SECOND)
        log.append(stream.batch(NOON + 6 * SECOND, rows))
        return worked([*log, *stream.quiet(NOON + 7 * SECOND, NOON + 110 * SECOND)])

    late = run([(old_us, PRICE, 4, BUY, 1, 0)])
    (event,) = quality(late, QualityKind.TOO_LATE)
    assert (event.from_us, event.to_us, event.count) == (old_us, old_us, 1)
    assert derived(late) == derived(run([]))
    assert not any(bar.buy_lots for bar in late.bars())


@pytest.mark.parametrize("of", [BINANCE, BYBIT], ids=["sequential", "opaque"])
def test_row_4_duplicates_after_a_reconnect_are_dropped_and_counted(of: Instrument) -> None:
    """Row "duplicate after reconnect": dropped, counted."""

    def run(again: bool) -> Runner:
        stream = Stream(of)
        log = stream.quiet(NOON - SECOND, NOON + 5 * SECOND)
        rows = [stream.row(NOON + 5 * SECOND + i, PRICE, 4, BUY) for i in range(3)]
        log.append(stream.batch(NOON + 6 * SECOND, rows))
        stream.reconnect()
        more = [stream.row(NOON + 6 * SECOND + 9, PRICE, 1, BUY)]
        log.append(stream.batch(NOON + 7 * SECOND, [*rows, *more] if again else more))
        return worked([*log, *stream.quiet(NOON + 8 * SECOND, NOON + 110 * SECOND)])

    twice = run(again=True)
    (event,) = quality(twice, QualityKind.DUPLICATE)
    assert event.count == 3
    assert twice.bar(bar_start_us=NOON, scope=Scope.PERP).buy_lots == 13
    assert derived(twice) == derived(run(again=False))


def outage(repaired: bool) -> Runner:
    """Take a venue down for 40 s over two bars; trades of that time may be fetched later."""
    down, other = Stream(BINANCE), Stream(OKX)
    log = down.quiet(NOON - SECOND, NOON + 40 * SECOND)
    mark_us = log[-1].watermark_us
    log.append(down.batch(NOON + 41 * SECOND, state=FeedState.DOWN, watermark_us=mark_us))
    down.reconnect()
    log += down.quiet(NOON + 80 * SECOND, NOON + 140 * SECOND)
    missed = [
        down.row(NOON + 50 * SECOND, PRICE, 7, BUY),
        down.row(NOON + 70 * SECOND, PRICE, 2, SELL),
    ]
    fetched = down.batch(NOON + 141 * SECOND, missed if repaired else [], source=DataSource.REST)
    log += [fetched, *down.quiet(NOON + 142 * SECOND, NOON + 250 * SECOND)]
    there = other.quiet(NOON - SECOND, NOON + 250 * SECOND)
    at = [n for n, batch in enumerate(there) if batch.receive_time_us == NOON + 55 * SECOND]
    row = other.row(NOON + 54 * SECOND, PRICE // 5, 1, BUY)
    there[at[0]] = msgspec.structs.replace(there[at[0]], rows=[row])
    return worked(log, there)


@pytest.mark.parametrize("repaired", [True, False])
def test_row_5_and_6_an_outage_over_two_bars(repaired: bool) -> None:
    """Rows "venue down 40 s across two bars" and "no repair possible".

    The venue's own bars are partial and not gaps, because it was there for a part of each; what was
    fetched is in version 2 and does not make them complete. `reason` is `late` for it, too.
    """
    run = outage(repaired)
    starts = (NOON, NOON + MINUTE)
    own = [run.bar(bar_start_us=start, venue="binance") for start in starts]
    both = [run.bar(bar_start_us=start, scope=Scope.PERP) for start in starts]

    assert [bar.completeness.status for bar in own + both] == [Status.PARTIAL] * 4
    assert [bar.version for bar in own + both] == [2 if repaired else 1] * 4
    assert [bar.delta_lots for bar in own] == ([7, -2] if repaired else [0, 0])
    assert [bar.delta_lots for bar in both] == ([7 + 10, -2] if repaired else [10, 0])
    assert [one.delta_lots for one in adjusts(run)] == ([7, -2] if repaired else [])
    assert run.bar(bar_start_us=NOON + 2 * MINUTE, venue="binance").completeness.status is (
        Status.COMPLETE
    )


def test_row_5_common_is_not_affected_by_the_outage_nor_by_its_repair() -> None:
    """Row "venue down 40 s across two bars": `agg_common` unaffected."""
    repaired, lost = outage(repaired=True), outage(repaired=False)
    for run in (repaired, lost):
        for start_us in (NOON, NOON + MINUTE):
            common = structure(run, start_us, Scope.PERP, "common")
            assert common.minute == structure(run, start_us, Scope.VENUE, "okx").minute
        step = run.series(NOON + 60 * SECOND, Scope.PERP, "common")
        assert step.venues == [OKX.name]
    assert structure(repaired, NOON, Scope.PERP, "all").completeness.status is Status.PARTIAL
    assert derived(repaired) == derived(lost)


def test_row_5_the_gap_is_on_record_with_its_bounds() -> None:
    """Row "venue down 40 s": from the last watermark to the first one after it."""
    (gap,) = quality(outage(repaired=False), QualityKind.GAP)
    first_us = NOON + 40 * SECOND - SECOND // 2
    assert (gap.from_us, gap.to_us) == (first_us, first_us + 40 * SECOND)


@pytest.mark.parametrize(
    "row", [(NOON, 0, 4, BUY, 1, 0), (NOON, PRICE, 0, BUY, 1, 0)], ids=["price", "quantity"]
)
def test_row_7_a_price_or_quantity_of_zero_is_set_aside(row: TradeRow) -> None:
    """Row "venue sends zero price/quantity": set aside by name, as a dead letter."""

    def run(batch: TradeBatch | None) -> Runner:
        stream = Stream(OKX)
        log = stream.quiet(NOON - SECOND, NOON + 20 * SECOND)
        log += [] if batch is None else [batch]
        return worked([*log, *stream.quiet(NOON + 21 * SECOND, NOON + 110 * SECOND)])

    zero = run(Stream(OKX, sequence=22).batch(NOON + 20 * SECOND, [row]))
    (letter,) = [one.record for one in zero.outputs if isinstance(one.record, DeadLetter)]
    assert letter.reason == "unreadable_record"
    assert "rows" in letter.detail
    assert derived(zero) == derived(run(None))


def test_row_8_a_trade_ahead_of_our_clock_keeps_its_time_and_moves_no_watermark() -> None:
    """Row "clock ahead > 500 ms": time kept, flagged, watermark not advanced by it."""
    ahead, other = Stream(BYBIT), Stream(OKX)
    at_us = NOON + 59 * SECOND
    log = ahead.quiet(NOON - SECOND, at_us)
    row = ahead.row(at_us + 2 * SECOND, PRICE, 4, BUY)
    log.append(ahead.batch(at_us + SECOND, [row], clock_skew_us=SECOND))
    seen = [*log, *ahead.quiet(at_us + 2 * SECOND, at_us + 3 * SECOND)]
    there = other.quiet(NOON - SECOND, NOON + 170 * SECOND)
    early = worked(seen, [one for one in there if one.receive_time_us <= at_us + 3 * SECOND])
    assert early.bars(bar_start_us=NOON) == []

    later = ahead.quiet(at_us + 4 * SECOND, NOON + 170 * SECOND)
    run = worked(seen, later, there)
    assert run.bar(bar_start_us=NOON, scope=Scope.PERP).buy_lots == 0
    assert run.bar(bar_start_us=NOON + MINUTE, scope=Scope.PERP).buy_lots == 4
    assert traded(session_of(run)) == 4


def test_row_9_no_trades_on_a_quiet_feed_are_complete_zeros() -> None:
    """Row "no trades, feed quiet": zero bar, complete."""
    stream = Stream(BINANCE)
    run = worked(stream.quiet(NOON - SECOND, NOON + 170 * SECOND))
    bar = run.bar(bar_start_us=NOON, scope=Scope.PERP)
    series = structure(run, NOON + MINUTE, Scope.PERP, "all")

    assert (bar.completeness.status, bar.buy_lots, bar.open_ticks) == (Status.COMPLETE, 0, None)
    assert series.completeness.status is Status.COMPLETE
    assert series.minute is not None
    assert set(msgspec.to_builtins(series.minute)) == {0}
    assert not [one for one in run.outputs if isinstance(one.record, TradeBar)]


def test_row_10_one_side_only() -> None:
    """Row "one side only trades": delta is all of the volume, no ratio, zero flags."""
    stream = Stream(BINANCE)
    log = stream.quiet(NOON - SECOND, NOON + SECOND)
    rows = [stream.row(NOON + SECOND + i, PRICE + 10 * i, 4, SELL) for i in range(3)]
    log.append(stream.batch(NOON + 2 * SECOND, rows))
    run = worked([*log, *stream.quiet(NOON + 3 * SECOND, NOON + 110 * SECOND)])
    bar = run.bar(bar_start_us=NOON, scope=Scope.VENUE)

    assert bar.delta_lots == -bar.sell_lots == -12
    assert [row.marks for row in bar.rows] == [Mark.ZERO_SELL, Mark.ZERO_SELL, 0]
    assert (bar.stacks, bar.stacks_h, bar.ratio_high) == ([], [], None)
    minute = structure(run, NOON, Scope.VENUE, "binance").minute
    assert minute is not None
    assert minute.delta_lots == -minute.volume_lots


def test_row_11_the_first_bar_after_listing() -> None:
    """Row "first bar after listing": cumulative values begin at 0, percentiles are null."""
    stream = Stream(BINANCE)
    start_us = NOON + 20 * SECOND
    log = [stream.batch(start_us, [stream.row(start_us - SECOND // 4, PRICE, 3, SELL)])]
    run = worked([*log, *stream.quiet(start_us + SECOND, NOON + 230 * SECOND)])
    steps = run.steps()
    first = run.series(min(steps), Scope.PERP, "all").anchored
    series = structure(run, NOON + MINUTE, Scope.PERP, "all")

    assert first is not None
    assert first.delta_lots == -3
    assert min(steps) == steps[min(steps)].anchor_us
    assert run.bar(bar_start_us=NOON, scope=Scope.PERP).null_reasons["ref_close"]
    assert series.normalised is None
    assert series.null_reasons["normalised"]


def test_row_12_another_tick_or_contract_size_changes_no_sum() -> None:
    """Row "contract size or tick change".

    A batch says its own tick and lot and is brought to the asset's grid, so a bar may go on over
    the change and is exact; a grid that is none of the asset's is refused by name.
    """
    old, new = Stream(OKX), Stream(OKX, session="s1")
    log = old.quiet(NOON - SECOND, NOON + 20 * SECOND)
    log.append(old.batch(NOON + 21 * SECOND, [old.row(NOON + 20 * SECOND, 120_000, 5, BUY)]))
    finer = [(NOON + 30 * SECOND, 600_001, 3, SELL, 2, 0)]
    log.append(new.batch(NOON + 31 * SECOND, finer, tick="0.1", lot="0.001"))
    log += [
        msgspec.structs.replace(one, tick="0.1", lot="0.001")
        for one in new.quiet(NOON + 32 * SECOND, NOON + 110 * SECOND)
    ]
    off = new.batch(NOON + 111 * SECOND, [(NOON + 110 * SECOND, 1, 1, BUY, 3, 0)], tick="0.007")
    run = worked([*log, off])
    bar = run.bar(bar_start_us=NOON, scope=Scope.PERP)

    assert (bar.buy_lots, bar.sell_lots) == (50, 3)
    assert (bar.open_ticks, bar.close_ticks) == (6_000_000, 6_000_010)
    assert traded(session_of(run)) == 53
    (letter,) = [one.record for one in run.outputs if isinstance(one.record, DeadLetter)]
    assert letter.reason == "unusable_batch"
    assert "0.007" in letter.detail


def test_row_13_a_negative_entry_is_refused_until_a_venue_sends_one() -> None:
    """Row "venue bust/correction": none of the venues tells of any; a negative row is no trade."""
    stream = Stream(BINANCE)
    log = stream.quiet(NOON - SECOND, NOON + SECOND)
    log.append(stream.batch(NOON + 2 * SECOND, [stream.row(NOON + SECOND, PRICE, 4, BUY)]))
    log.append(stream.batch(NOON + 3 * SECOND, [(NOON + SECOND, PRICE, -4, BUY, 2, 0)]))
    run = worked([*log, *stream.quiet(NOON + 4 * SECOND, NOON + 110 * SECOND)])
    (letter,) = [one.record for one in run.outputs if isinstance(one.record, DeadLetter)]

    assert letter.reason == "unreadable_record"
    assert run.bar(bar_start_us=NOON, scope=Scope.PERP).buy_lots == 4
    assert traded(session_of(run)) == 4


def test_conservation_identities_hold_on_every_final_record_with_late_trades() -> None:
    """5.14, conservation: rows = bar, five minutes = one of five, venues = aggregate.

    CVD close less open is the bar's delta once the adjustments of its minutes are added.
    """
    run = outage(repaired=True)
    bars = {(b.scope, b.venue, b.interval_seconds, b.row_size, b.bar_start_us): b
            for b in run.bars()}  # fmt: skip
    minutes = sorted({start for *_, interval, _, start in bars if interval == 60})
    assert len(minutes) >= 3
    for bar in bars.values():
        assert sum(row.buy_lots for row in bar.rows) == bar.buy_lots
        assert bar.buy_lots - bar.sell_lots == bar.delta_lots
    for start_us in minutes[:3]:
        own = [bars[Scope.VENUE, venue, 60, "1", start_us] for venue in ("binance", "okx")]
        assert sum(bar.delta_lots for bar in own) == (
            bars[Scope.PERP, "", 60, "1", start_us].delta_lots
        )
    ends = [NOON - SECOND, *(start + 59 * SECOND for start in minutes[:2])]
    for start_us, (before, after) in zip(minutes, pairwise(ends), strict=False):
        levels = [run.series(at, Scope.PERP, "all").anchored for at in (before, after)]
        late = sum(one.delta_lots for one in adjusts(run) if one.bar_start_us == start_us)
        close = levels[1].delta_lots if levels[1] else 0
        opened = levels[0].delta_lots if levels[0] else 0
        assert close - opened + late == bars[Scope.PERP, "", 60, "1", start_us].delta_lots


def test_bars_of_trades_conserve_the_volume_of_what_came_in_time() -> None:
    """5.14, conservation: the bars that trades close hold what the profile of the day holds."""
    run, _ = one_late(10)
    newest = {
        one.record.index: one.record
        for one in run.outputs
        if isinstance(one.record, TradeBar)
        and (one.record.scope, one.record.rule) == (Scope.PERP, BarRule.VOLUME)
    }
    volume = sum(bar.buy_lots + bar.sell_lots + bar.unknown_lots for bar in newest.values())
    assert volume == traded(session_of(run)) == 4
    assert isinstance(run.records(FootprintBar)[0], FootprintBar)
