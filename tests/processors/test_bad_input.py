"""Values that cannot be, one by one, in an engine with all operators on.

A batch with one is refused by name, counted as a dead letter or a quality record, and leaves the
state as it was; a ticker loses the field alone, which its context names.
"""

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec
import pytest

from processors.engine import Engine
from schemas.context import MarketContext
from schemas.market import TradeIds
from schemas.ops import DeadLetter, QualityEvent, QualityKind
from schemas.tickers import TICKERS_SCHEMA, TickerBatch
from schemas.trades import TRADES_SCHEMA, BatchHeader, TradeBatch
from tests.processors.builders import NOON, SECOND, SELL
from tests.processors.seconds.market import (
    BINANCE,
    Market,
    book_batch,
    header,
    in_turn,
    liquidation_batch,
)
from tests.processors.test_toolkit import PARAMS, TOPIC, Run

NOW = NOON + 40 * SECOND
YEAR_1970, YEAR_2100 = 5, 4_102_444_800 * SECOND
SAID = header(BINANCE, 0, 50_000, NOW)
BIDS, ASKS = [(5_999_999, 3)], [(6_000_001, 4)]


def liquidation(time_us: int = NOW - 5, price: str = "60000", lots: Any = 7, side: Any = 1) -> Any:
    return liquidation_batch(SAID, [(time_us, price, lots, side, 0, 0)])


def changed(batch: BatchHeader, **fields: object) -> BatchHeader:
    return msgspec.structs.replace(batch, **fields)


def trade(price: int = 6_000_000, lots: int = 5, side: int = SELL) -> TradeBatch:
    return TradeBatch(
        schema=TRADES_SCHEMA, tick="0.01", lot="0.001", stream="trades",
        trade_ids=TradeIds.SEQUENTIAL, rows=[(NOW - 5, price, lots, side, 10**9, 0)], **SAID,
    )  # fmt: skip


BOOK = book_batch(SAID, NOW, BIDS, ASKS)
REFUSED: Sequence[tuple[str, str, BatchHeader, str]] = (
    ("a crossed book", "books", book_batch(SAID, NOW, ASKS, BIDS), "crossed book"),
    ("a locked book", "books", book_batch(SAID, NOW, BIDS, BIDS), "crossed book"),
    ("a book of 1970", "books", book_batch(SAID, YEAR_1970, BIDS, ASKS), "time 5 in a batch"),
    ("a book of 2100", "books", book_batch(SAID, YEAR_2100, BIDS, ASKS), f"time {YEAR_2100}"),
    ("best prices of 2100", "books", changed(BOOK, tops=[(YEAR_2100, 1, 1, 2, 1)]), "time 4102"),
    ("a price of zero", "books", book_batch(SAID, NOW, [(0, 1)], ASKS), "not above zero"),
    ("a size below zero", "books", book_batch(SAID, NOW, [(1, -1)], ASKS), "not above zero"),
    ("bids out of order", "books", book_batch(SAID, NOW, [(1, 1), (2, 1)], ASKS), "out of order"),
    ("a band below zero", "books", changed(BOOK, bands=[(10, -1, 1, 1, 1, 3)]), "band below zero"),
    ("a book off the grid", "books", changed(BOOK, tick="0.003"), "0.003"),
    ("a liquidation of 1970", "liquidations", liquidation(YEAR_1970), "time 5 in a batch"),
    ("a liquidation of 2100", "liquidations", liquidation(YEAR_2100), f"time {YEAR_2100}"),
    ("one of nothing", "liquidations", liquidation(lots=0), "liquidation of 0 lots"),
    ("one of less", "liquidations", liquidation(lots=-7), "liquidation of -7 lots"),
    ("one at no price", "liquidations", liquidation(price="0"), "at 0"),
    ("one at a price below", "liquidations", liquidation(price="-60000"), "-60000"),
    ("one at no number", "liquidations", liquidation(price="NaN"), "NaN"),
    ("one of a trillion", "liquidations", liquidation(price="999999999999999"), "9999999"),
    ("one of no side", "liquidations", liquidation(side=0), "0"),
    ("an asset with a slash", "liquidations", changed(liquidation(), asset="B/T"), "slash"),
    ("trades off the grid", "trades", changed(trade(), tick="0.007"), "0.007"),
    ("trades beyond all bounds", "trades", trade(price=2**60), "beyond all bounds"),
)
UNREADABLE: Sequence[tuple[str, str, BatchHeader]] = (
    ("a trade at zero", "trades", trade(price=0)),
    ("a trade below zero", "trades", trade(price=-1)),
    ("a trade of nothing", "trades", trade(lots=0)),
    ("a trade of less", "trades", trade(lots=-5)),
    ("a trade of no side", "trades", trade(side=7)),
    ("a time that is text", "liquidations", liquidation(time_us="noon")),  # type: ignore[arg-type]
)


@lru_cache(1)
def before() -> tuple[bytes, dict[str, bytes]]:
    """Return the state after a minute of all topics."""
    return Run().feed(in_turn(Market(60).logs())).engine.snapshot()


def restored() -> Run:
    run = Run()
    run.engine = Engine(PARAMS, 1)
    run.engine.restore(*before())
    run.parts = dict(before()[1])
    return run


def assets(run: Run) -> object:
    return json.loads(run.engine.snapshot()[0])["assets"]


@pytest.mark.parametrize(
    ("topic", "batch", "why"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_what_cannot_be_is_refused_by_name_and_changes_no_state(
    topic: str, batch: BatchHeader, why: str
) -> None:
    was = assets(restored())
    run = restored().feed([(topic, batch)])
    (letter,) = run.letters()
    assert letter.reason == "unusable_batch"
    assert why in letter.detail
    assert letter.origin.startswith(TOPIC[topic])
    assert len(run.outputs) == 1
    assert assets(run) == was


@pytest.mark.parametrize(
    ("topic", "batch"), [row[1:] for row in UNREADABLE], ids=[row[0] for row in UNREADABLE]
)
def test_what_no_row_can_be_is_refused_by_the_decoder_and_changes_no_state(
    topic: str, batch: BatchHeader
) -> None:
    was = assets(restored())
    run = restored().feed([(topic, batch)])
    (letter,) = run.letters()
    assert letter.reason == "unreadable_record"
    assert "rows" in letter.detail
    assert assets(run) == was


def test_the_same_batches_with_possible_values_are_taken() -> None:
    """Otherwise the tests above would hold for an engine that takes nothing."""
    for topic, batch in (("books", BOOK), ("liquidations", liquidation()), ("trades", trade())):
        run = restored().feed([(topic, batch)])
        assert run.letters() == []
        assert assets(run) != assets(restored())


@pytest.mark.parametrize("time_us", [YEAR_1970, YEAR_2100], ids=["1970", "2100"])
def test_a_trade_of_1970_or_2100_is_refused_on_record(time_us: int) -> None:
    (row,) = trade().rows
    batch = changed(trade(), rows=[(time_us, *row[1:])])
    quiet = changed(trade(), rows=[])
    run = restored().feed([("trades", batch)])
    found = [one.record for one in run.outputs if isinstance(one.record, QualityEvent)]
    (event,) = [one for one in found if one.kind is QualityKind.TOO_LATE]
    assert (event.from_us, event.count) == (time_us, 1)
    assert str(NOW) not in event.detail
    assert assets(run) == assets(restored().feed([("trades", quiet)]))


@pytest.mark.parametrize("topic", ["books", "liquidations"])
def test_what_is_said_of_an_unknown_asset_makes_none(topic: str) -> None:
    """Its grids are not known before its first trade; its parser knows no such instrument."""
    batch = BOOK if topic == "books" else liquidation()
    strange = changed(batch, asset="NOPE", symbol="NOPE-USDT-PERP")
    run = restored().feed([(topic, strange)])
    assert run.outputs == []
    assert assets(run) == assets(restored())


TICKERS: Sequence[tuple[str, dict[str, Any], dict[str, str]]] = (
    (
        "open interest below zero",
        {"open_interest": "-5", "open_interest_time_us": NOW},
        {"open_interest": "below_zero"},
    ),
    (
        "open interest that is no number",
        {"open_interest": "1e3", "open_interest_time_us": NOW},
        {"open_interest": "not_a_decimal"},
    ),
    (
        "funding of a thousand million",
        {"funding_rate": "1000000000", "funding_seen_us": NOW},
        {"funding_rate": "beyond_one"},
    ),
    (
        "funding of minus a thousand million",
        {"funding_rate": "-1000000000", "funding_seen_us": NOW},
        {"funding_rate": "beyond_one"},
    ),
    (
        "times of 1970",
        {"open_interest": "5", "open_interest_time_us": YEAR_1970},
        {"open_interest": "time_before_2010"},
    ),
    (
        "times of 2100",
        {"index_price": "60000", "index_time_us": YEAR_2100},
        {"index_price": "time_in_the_future"},
    ),
    (
        "a price of zero",
        {"mark_price": "0", "mark_time_us": NOW},
        {"mark_price": "not_above_zero"},
    ),
)


@pytest.mark.parametrize(
    ("fields", "why"), [row[1:] for row in TICKERS], ids=[row[0] for row in TICKERS]
)
def test_a_ticker_loses_what_cannot_be_and_its_context_says_why(
    fields: dict[str, Any], why: dict[str, str]
) -> None:
    said = SAID | {"receive_time_us": NOW + SECOND // 2, "watermark_us": NOW}
    absurd = TickerBatch(schema=TICKERS_SCHEMA, stream="ticker", **fields, **said)
    records = in_turn(Market(100).logs())
    middle = next(i for i, one in enumerate(records) if one[1].receive_time_us > NOW + SECOND)
    run = Run().feed(records[:middle]).feed([("tickers", absurd)]).feed(records[middle:])
    named = [
        instrument.refused
        for output in run.outputs
        if isinstance(output.record, MarketContext)
        for instrument in output.record.instruments
        if instrument.refused
    ]
    assert run.letters() == []
    assert set(why) <= {field for one in named for field in one}
    reasons = {reason for one in named for field, reason in one.items() if field in why}
    assert reasons >= set(why.values())


def test_dead_letters_are_counted_one_by_one() -> None:
    run = restored().feed([(topic, batch) for _, topic, batch, _ in REFUSED])
    letters = run.letters()
    assert len(letters) == len(REFUSED)
    assert len({letter.origin for letter in letters}) == len(REFUSED)
    assert all(isinstance(letter, DeadLetter) for letter in letters)
