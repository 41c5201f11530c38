"""Final one-minute footprint bars as the operators of events see them."""

from dataclasses import replace

import msgspec

from processors.events.bars import key_of
from processors.scopes import ScopeKey
from processors.seconds.second import MemberSecond, Second
from schemas.events import FlowEvent
from schemas.footprints import FootprintBar, Stack
from schemas.lineage import Completeness, InputRange, Status
from schemas.market import FeedState, Scope
from schemas.units import US_PER_MINUTE, US_PER_SECOND
from tests.processors.seconds.builders import BINANCE, NOON_SECOND, second

NOON_US = NOON_SECOND * US_PER_SECOND
PRICE = 6_000_000
"""60,000 in ticks of 0.01."""
ROW = 100


def completeness(names: list[str], status: Status = Status.COMPLETE) -> Completeness:
    there = names if status is Status.COMPLETE else []
    return Completeness(
        status=status,
        venues_expected=names,
        venues_complete=there,
        venues_partial=names if status is Status.PARTIAL else [],
        coverage_ms=dict.fromkeys(names, 60_000),
        feed_states=dict.fromkeys(names, FeedState.LIVE),
    )


def bar(
    minute: int,
    *,
    ohlc: tuple[int, int, int, int] | None = (PRICE, PRICE, PRICE, PRICE),
    delta: int = 0,
    instrument: tuple[str, str] | None = BINANCE,
    scope: Scope = Scope.VENUE,
    names: list[str] | None = None,
    status: Status = Status.COMPLETE,
    row_ticks: int = ROW,
    **fields: object,
) -> FootprintBar:
    """Return the bar of the minute that begins so many minutes after noon."""
    venue, symbol = instrument or ("", "")
    start_us = NOON_US + minute * US_PER_MINUTE
    opened, high, low, close = ohlc or (None, None, None, None)
    made = FootprintBar(
        asset="BTC",
        scope=scope,
        venue=venue,
        symbol=symbol,
        interval_seconds=60,
        row_size="1",
        row_ticks=row_ticks,
        tick="0.01",
        lot="0.001",
        bar_start_us=start_us,
        bar_end_us=start_us + US_PER_MINUTE,
        revision=1,
        version=1,
        is_final=True,
        reason="",
        method="footprint/1.1.0",
        params="",
        inputs=[InputRange("md.norm.trades.v1", 0, 0, 0)],
        log_time_us=start_us + US_PER_MINUTE,
        completeness=completeness(names or [f"{venue}:{symbol}"], status),
        open_ticks=opened,
        high_ticks=high,
        low_ticks=low,
        close_ticks=close,
        ref_close_ticks=PRICE,
        vwap=None,
        buy_lots=max(delta, 0),
        sell_lots=max(-delta, 0),
        unknown_lots=0,
        excluded_lots={},
        delta_lots=delta,
        delta_min_lots=min(delta, 0),
        delta_max_lots=max(delta, 0),
        delta_since_high_lots=0,
        delta_since_low_lots=0,
        trades_buy=1,
        trades_sell=1,
        trades_unknown=0,
        buy_usd_cents=0,
        sell_usd_cents=0,
        rows=[],
        poc_ticks=None,
        value_areas={},
        imbalances_valid=True,
        stacks=[],
        stacks_h=[],
        unfinished_high=None,
        unfinished_low=None,
        exhaustion_high=None,
        exhaustion_low=None,
        ratio_high=None,
        ratio_low=None,
        null_reasons={},
    )
    return msgspec.structs.replace(made, **fields)


def stack(side: int, low: int, high: int) -> Stack:
    """Return a stack from its lowest to its highest row."""
    rows = (high - low) // ROW + 1
    return Stack(side, low, high, rows, 10 * rows, 3.0, None)


def end_of(minute: int, *members: MemberSecond, bars: list[FootprintBar]) -> Second:
    """Return the last second of a minute, with its bars."""
    assert all(key_of(one) for one in bars)
    return replace(second(60 * minute + 59, *members), bars=bars)


def events(outputs: object) -> list[FlowEvent]:
    """Return the records of outputs, each of which must survive its own encoding."""
    assert isinstance(outputs, list)
    records = [output.record for output in outputs]
    for record in records:
        assert isinstance(record, FlowEvent)
        assert msgspec.json.decode(msgspec.json.encode(record), type=FlowEvent) == record
    return records


def states(outputs: object) -> list[str]:
    return [record.state.value for record in events(outputs)]


def key(instrument: tuple[str, str]) -> ScopeKey:
    return ScopeKey(Scope.VENUE, *instrument)
