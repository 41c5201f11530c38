"""Every record type goes over the wire as JSON and comes back equal."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import examples
from schemas.alerts import ALERTS_SCHEMA, Alert
from schemas.books import BOOKS_SCHEMA, BookBatch, BookState
from schemas.cvd import WINDOWS, Cumulative, CvdAdjust, CvdSeries, CvdStep
from schemas.footprints import FootprintBar, Row, Stack, ValueArea
from schemas.instruments import Instrument, make_instrument
from schemas.lineage import Completeness, InputRange, Status
from schemas.liquidations import (
    LIQUIDATIONS_SCHEMA,
    LiquidationBatch,
    LiquidationUnit,
    PriceKind,
    SamplingClass,
)
from schemas.market import DataSource, FeedState, Kind, Scope, TradeIds, scope_of
from schemas.ops import DeadLetter, Epoch, QualityEvent, QualityKind, Snapshot
from schemas.tickers import TICKERS_SCHEMA, TickerBatch
from schemas.topics import (
    BARS,
    CASCADES,
    CONTEXT,
    CVD_STRUCTURE,
    EVENTS,
    HEATMAP,
    IMBALANCE,
    LIQUIDATION_FLOW,
    LIQUIDATION_LEVELS,
    OUTCOMES,
    PROFILES,
    SETUPS,
    TOPICS,
    TRAPPED,
    Topic,
)
from schemas.trades import TRADES_SCHEMA, TradeBatch, TradeRow

COMPLETENESS = Completeness(
    status=Status.PARTIAL,
    venues_expected=["bybit:BTC-USDT-PERP", "okx:BTC-USDT-PERP"],
    venues_complete=["bybit:BTC-USDT-PERP"],
    venues_partial=["okx:BTC-USDT-PERP"],
    coverage_ms={"bybit:BTC-USDT-PERP": 60_000, "okx:BTC-USDT-PERP": 41_500},
    feed_states={"bybit:BTC-USDT-PERP": FeedState.LIVE, "okx:BTC-USDT-PERP": FeedState.DOWN},
)
INPUTS = [InputRange("md.norm.trades.v1", 3, 2**40, 2**40 + 17)]


def trade_batch(rows: list[TradeRow]) -> TradeBatch:
    return TradeBatch(
        schema=TRADES_SCHEMA,
        venue="bybit",
        kind=Kind.LINEAR_PERPETUAL,
        symbol="BTC-USDT-PERP",
        venue_symbol="BTCUSDT",
        asset="BTC",
        quote="USDT",
        session="s1",
        sequence=7,
        receive_time_us=1_700_000_000_000_001,
        watermark_us=1_700_000_000_000_000,
        feed_state=FeedState.LIVE,
        tick="0.1",
        lot="0.001",
        stream="publicTrade.BTCUSDT",
        trade_ids=TradeIds.OPAQUE,
        source=DataSource.REST,
        rows=rows,
    )


def footprint(*, empty: bool) -> FootprintBar:
    absent: dict[str, Any] = dict.fromkeys(
        [
            *("open_ticks", "high_ticks", "low_ticks", "close_ticks", "ref_close_ticks", "vwap"),
            *("delta_min_lots", "delta_max_lots", "delta_since_high_lots", "delta_since_low_lots"),
            *("poc_ticks", "unfinished_high", "unfinished_low", "exhaustion_high"),
            *("exhaustion_low", "ratio_high", "ratio_low"),
        ]
    )
    present: dict[str, Any] = {
        **dict.fromkeys(absent, 5),
        **dict.fromkeys(["unfinished_high", "exhaustion_low"], True),
        **dict.fromkeys(["unfinished_low", "exhaustion_high"], False),
        **{"vwap": 65_000.123_456_7, "ratio_high": 0.1, "ratio_low": 3.5},
    }
    return FootprintBar(
        asset="BTC",
        scope=Scope.PERP,
        venue="",
        symbol="",
        interval_seconds=60,
        row_size="1",
        row_ticks=10,
        tick="0.1",
        lot="0.001",
        bar_start_us=1_700_000_000_000_000,
        bar_end_us=1_700_000_060_000_000,
        revision=2**62,
        version=2,
        is_final=True,
        reason="late",
        method="footprint.1",
        params="p",
        inputs=INPUTS,
        log_time_us=1_700_000_061_000_000,
        completeness=COMPLETENESS,
        buy_lots=3,
        sell_lots=4,
        unknown_lots=0,
        excluded_lots={"adl": 2},
        delta_lots=-1,
        trades_buy=1,
        trades_sell=2,
        trades_unknown=0,
        buy_usd_cents=10**15,
        sell_usd_cents=0,
        rows=[] if empty else [Row(650_000, 1, 2, 0, 1, 1, 5, 6, 3, 1, 0)],
        value_areas={} if empty else {"single": ValueArea(val_ticks=1, vah_ticks=9, share=0.7)},
        imbalances_valid=not empty,
        stacks=[] if empty else [Stack(1, 1, 3, 3, 40, 3.0, None)],
        stacks_h=[],
        null_reasons={"vwap": "no_trades"} if empty else {},
        **(absent if empty else present),
    )


def cvd_step() -> CvdStep:
    sums = Cumulative(-5, -(10**14), 25, 10**15)
    return CvdStep(
        asset="BTC",
        step_start_us=1_700_000_000_000_000,
        lot="0.001",
        anchor_us=0,
        revision=9,
        is_final=True,
        method="cvd.1",
        params="p",
        inputs=INPUTS,
        log_time_us=1_700_000_001_500_000,
        series=[
            CvdSeries(
                scope=Scope.VENUE,
                venue="okx",
                symbol="BTC-USDT-PERP",
                composition="",
                status=Status.GAP,
                step=None,
                day=sums,
                anchored=sums,
                rolling=[sums, *[None] * (len(WINDOWS) - 1)],
                venues=["okx:BTC-USDT-PERP"],
                rolling_venues=[1, *[0] * (len(WINDOWS) - 1)],
            )
        ],
        adjustments=[
            CvdAdjust(
                venue="okx",
                symbol="BTC-USDT-PERP",
                bar_start_us=1_699_999_980_000_000,
                delta_lots=1,
                delta_usd_cents=2,
                volume_lots=1,
                volume_usd_cents=2,
                trades=1,
            )
        ],
    )


def instrument() -> Instrument:
    return make_instrument(
        venue="okx",
        kind=Kind.SPOT,
        venue_symbol="BTC-USDT",
        asset="BTC",
        quote="USDT",
        venue_tick="0.1",
        venue_lot="0.00000001",
    )


def quality() -> QualityEvent:
    return QualityEvent(
        kind=QualityKind.GAP,
        venue="binance",
        symbol="BTC-USDT-PERP",
        asset="BTC",
        stream="aggTrade",
        session="s1",
        from_us=1,
        to_us=2,
        count=3,
        detail="4 … 6",
        log_time_us=7,
    )


HEADER: dict[str, Any] = {
    "venue": "binance",
    "kind": Kind.LINEAR_PERPETUAL,
    "symbol": "BTC-USDT-PERP",
    "venue_symbol": "BTCUSDT",
    "asset": "BTC",
    "quote": "USDT",
    "session": "s1",
    "sequence": 7,
    "receive_time_us": 2,
    "watermark_us": 1,
    "feed_state": FeedState.LIVE,
}


def book() -> BookBatch:
    return BookBatch(
        **HEADER,
        schema=BOOKS_SCHEMA,
        tick="0.1",
        lot="0.001",
        stream="btcusdt@depth@100ms",
        event_time_us=1,
        update_id=2**53 + 1,
        book_epoch=1,
        book_valid=True,
        book_state=BookState.LIVE,
        bids=[(1000, 3)],
        asks=[(1001, 2)],
        bands=[(10, 3, 2, 3000, 2002, 3)],
        bid_levels=1,
        ask_levels=1,
        top_stream="btcusdt@bookTicker",
        top_epoch=1,
        tops=[(1, 1000, 3, 1001, 2)],
    )


def liquidations() -> LiquidationBatch:
    return LiquidationBatch(
        **HEADER,
        schema=LIQUIDATIONS_SCHEMA,
        lot="0.001",
        stream="btcusdt@forceOrder",
        price_kind=PriceKind.FILL_AVERAGE,
        unit=LiquidationUnit.ORDER,
        sampling_class=SamplingClass.MAX_PER_SECOND,
        method="forceOrder",
        rows=[(1, "60100.05", 2000, 1, 0, 0)],
    )


def ticker() -> TickerBatch:
    return TickerBatch(
        **HEADER, schema=TICKERS_SCHEMA, stream="btcusdt@markPrice@1s", mark_price="60000.5"
    )


def dead_letter() -> DeadLetter:
    return DeadLetter(
        origin="okx/okx.spot",
        reason="malformed_json",
        detail='"\u2028\x00',
        receive_time_us=1,
        size_bytes=2,
        payload="\ufffd{",
    )


def published(topic: Topic) -> Iterator[msgspec.Struct]:
    """Yield the examples that are in the published documents."""
    for record in examples.load(topic.schema_name).values():
        yield msgspec.json.decode(json.dumps(record), type=topic.record)


EXAMPLES: list[msgspec.Struct] = [
    *(msgspec.convert(alert, Alert) for alert in examples.load(ALERTS_SCHEMA).values()),
    trade_batch([(1, 650_000, 5, 1, "uuid-1", 0), (2, 650_001, 1, -1, 2**60, 16)]),
    trade_batch([]),
    instrument(),
    footprint(empty=False),
    footprint(empty=True),
    cvd_step(),
    quality(),
    book(),
    liquidations(),
    ticker(),
    dead_letter(),
    Snapshot(
        partition=3,
        code_version="0.1.0",
        epoch=3_620_000,
        offsets={"md.norm.trades.v1": 2**40},
        state=msgspec.Raw(b'{"bars":[1,2,{"x":null}]}'),
    ),
    Epoch(epoch=3_620_000, created_us=1_795_036_800_000_000, topics=["md.norm.trades.v1"]),
    *published(BARS),
    *published(PROFILES),
    *published(CVD_STRUCTURE),
    *published(IMBALANCE),
    *published(HEATMAP),
    *published(EVENTS),
    *published(CASCADES),
    *published(LIQUIDATION_FLOW),
    *published(CONTEXT),
    *published(LIQUIDATION_LEVELS),
    *published(TRAPPED),
    *published(SETUPS),
    *published(OUTCOMES),
]


def test_every_topic_has_an_example() -> None:
    assert {type(example) for example in EXAMPLES} == {topic.record for topic in TOPICS.values()}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: type(example).__name__)
def test_a_record_comes_back_equal_and_is_written_the_same_again(example: msgspec.Struct) -> None:
    wire = msgspec.json.encode(example)
    back = msgspec.json.decode(wire, type=type(example))
    assert back == example
    assert msgspec.json.encode(back) == wire


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: type(example).__name__)
def test_a_record_is_plain_json_that_names_its_schema(example: msgspec.Struct) -> None:
    document = json.loads(msgspec.json.encode(example))
    major = next(topic for topic in TOPICS.values() if topic.record is type(example)).name[-3:]
    assert document["schema"].endswith(major)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: type(example).__name__)
def test_a_field_of_a_newer_minor_version_is_ignored(example: msgspec.Struct) -> None:
    wire = msgspec.json.encode(example)[:-1] + b',"new_field":[1]}'
    assert msgspec.json.decode(wire, type=type(example)) == example


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: type(example).__name__)
def test_a_missing_field_is_refused(example: msgspec.Struct) -> None:
    required = next(f for f in msgspec.structs.fields(example) if f.required).name
    document = json.loads(msgspec.json.encode(example))
    del document[required]
    with pytest.raises(msgspec.ValidationError, match=required):
        msgspec.json.decode(json.dumps(document), type=type(example))


def test_rows_travel_as_arrays_of_integers() -> None:
    trades = json.loads(msgspec.json.encode(trade_batch([(1, 2, 3, -1, "id", 0)])))
    assert trades["rows"] == [[1, 2, 3, -1, "id", 0]]
    bar = json.loads(msgspec.json.encode(footprint(empty=False)))
    assert bar["rows"] == [[650_000, 1, 2, 0, 1, 1, 5, 6, 3, 1, 0]]
    assert bar["inputs"] == [["md.norm.trades.v1", 3, 2**40, 2**40 + 17]]


def test_vocabularies_travel_as_words() -> None:
    header = json.loads(msgspec.json.encode(trade_batch([])))
    assert (header["kind"], header["feed_state"]) == ("linear_perpetual", "live")
    assert (header["trade_ids"], header["source"]) == ("opaque", "rest")


@pytest.mark.parametrize(("field", "word"), [("kind", "future"), ("feed_state", "fine")])
def test_a_word_outside_a_vocabulary_is_refused(field: str, word: str) -> None:
    document = {**json.loads(msgspec.json.encode(trade_batch([]))), field: word}
    with pytest.raises(msgspec.ValidationError, match=field):
        msgspec.json.decode(json.dumps(document), type=TradeBatch)


_int64 = st.integers(-(2**63), 2**63 - 1)
_rows = st.tuples(
    _int64, _int64, _int64, st.sampled_from([-1, 0, 1]), _int64 | st.text(), st.integers(0, 31)
)


@settings(deadline=None, derandomize=True)
@given(st.lists(_rows, max_size=5))
def test_rows_of_any_64_bit_integers_come_back_exactly(rows: list[TradeRow]) -> None:
    batch = trade_batch(rows)
    assert msgspec.json.decode(msgspec.json.encode(batch), type=TradeBatch) == batch


@pytest.mark.parametrize(
    ("kind", "scope"),
    [
        (Kind.SPOT, Scope.SPOT),
        (Kind.LINEAR_PERPETUAL, Scope.PERP),
        (Kind.INVERSE_PERPETUAL, Scope.PERP),
    ],
)
def test_spot_and_perpetuals_are_summed_apart(kind: Kind, scope: Scope) -> None:
    assert scope_of(kind) is scope
