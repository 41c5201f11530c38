"""Books, liquidations and tickers: every field in its column, the views as the record says."""

from decimal import Decimal
from typing import Any

import pytest

from schemas.topics import BOOKS, LIQUIDATIONS, TICKERS
from schemas.units import US_PER_SECOND
from sinks.clickhouse.client import Store
from sinks.clickhouse.sink import ClickHouseSink, SinkSettings
from tests.sinks.clickhouse.published import (
    Document,
    check,
    documents,
    found,
    of_asset,
    one,
    put,
    side,
    when,
)

BOOK_EXAMPLES = list(documents(BOOKS, "BOOK"))
TICKER_EXAMPLES = list(documents(TICKERS, "TICKER"))
LIQUIDATION_EXAMPLES = list(documents(LIQUIDATIONS, "LIQUIDATED"))
NOT_STORED = ("venue_symbol",)
BAND = ("half_width_bp", "bid_lots", "ask_lots", "bid_tick_lots", "ask_tick_lots", "coverage")


def floor(time_us: int) -> int:
    return time_us // US_PER_SECOND * US_PER_SECOND


def header(record: Document) -> Document:
    return {
        "receive_time": when(record["receive_time_us"]),
        "watermark_time": when(record["watermark_us"]),
    }


def decimals(record: Document, *names: str) -> Document:
    return {name: None if record[name] is None else Decimal(record[name]) for name in names}


@pytest.mark.parametrize("record", BOOK_EXAMPLES, ids=lambda record: record["book_state"])
async def test_every_field_of_a_book_has_its_column(store: Store, record: Document) -> None:
    await put(store, BOOKS, record)

    row = of_asset(store, "books_log", record)

    levels = {
        f"{name}_{unit}": [level[at] for level in record[name]]
        for name in ("bids", "asks")
        for at, unit in enumerate(("ticks", "lots"))
    }
    bands = {
        f"bands_{name}": [band[at] for band in record["bands"]] for at, name in enumerate(BAND)
    }
    expected = {
        **header(record),
        **decimals(record, "tick", "lot"),
        **levels,
        **bands,
        "event_time": when(record["event_time_us"] or None),
        "second_start": when(floor(record["event_time_us"] or record["receive_time_us"])),
    }
    elsewhere = (*NOT_STORED, "receive_time_us", "watermark_us", "event_time_us")
    check(row, record, expected, *elsewhere, "bids", "asks", "bands", "tops")


async def test_a_book_is_read_in_prices_and_coins(store: Store) -> None:
    record = {**BOOK_EXAMPLES[0], "asset": "BOOKVIEW"}
    await put(store, BOOKS, record)

    row = of_asset(store, "books", record, final="")

    bid, ask = record["bids"][0], record["asks"][0]
    tick, lot = Decimal(record["tick"]), Decimal(record["lot"])
    assert (row["best_bid"], row["best_ask"]) == (bid[0] * tick, ask[0] * tick)
    assert row["spread"] == (ask[0] - bid[0]) * tick
    assert row["mid"] == (ask[0] + bid[0]) * tick / 2
    assert row["spread_bp"] == pytest.approx(10_000 * float(row["spread"] / row["mid"]))
    assert (row["best_bid_qty"], row["best_ask_qty"]) == (bid[1] * lot, ask[1] * lot)
    assert row["bids_price"] == [price * tick for price, _ in record["bids"]]
    assert row["asks_price"] == [price * tick for price, _ in record["asks"]]
    assert row["bids_qty"] == [qty * lot for _, qty in record["bids"]]
    assert row["asks_qty"] == [qty * lot for _, qty in record["asks"]]


async def test_the_bands_of_a_book_are_rows_with_their_notional(store: Store) -> None:
    record = {**BOOK_EXAMPLES[0], "asset": "BOOKBANDS"}
    await put(store, BOOKS, record)

    rows = found(store, "SELECT * FROM book_bands WHERE asset = 'BOOKBANDS' ORDER BY half_width_bp")

    tick, lot = Decimal(record["tick"]), Decimal(record["lot"])
    told = [
        (
            row["half_width_bp"],
            row["bid_qty"],
            row["ask_qty"],
            row["bid_notional"],
            row["ask_notional"],
            row["bid_covered"] + 2 * row["ask_covered"],
        )
        for row in rows
    ]
    assert told == [
        (width, bid * lot, ask * lot, bid_value * tick * lot, ask_value * tick * lot, covered)
        for width, bid, ask, bid_value, ask_value, covered in record["bands"]
    ]


async def test_a_book_that_is_not_there_has_no_prices(store: Store) -> None:
    record = {**BOOK_EXAMPLES[1], "asset": "NOBOOK"}
    await put(store, BOOKS, record)

    row = of_asset(store, "books", record, final="")

    unknown = ("best_bid", "best_ask", "spread", "spread_bp", "mid", "best_bid_qty", "event_time")
    assert [row[name] for name in unknown] == [None] * len(unknown)
    assert (row["book_valid"], row["book_state"], row["bids_price"]) == (False, "gap", [])
    assert found(store, "SELECT 1 FROM book_bands WHERE asset = 'NOBOOK'") == []


def books_of(asset: str, *offsets_us: int) -> list[Document]:
    first = {**BOOK_EXAMPLES[0], "asset": asset, "event_time_us": 1_795_269_243_000_000}
    return [
        {**first, "event_time_us": first["event_time_us"] + offset, "update_id": number}
        for number, offset in enumerate(offsets_us)
    ]


@pytest.mark.parametrize("flush_rows", [1, 2, 3, 100])
async def test_of_the_books_of_a_second_the_last_is_stored_however_they_are_cut(
    store: Store, flush_rows: int
) -> None:
    asset = f"LAST{flush_rows}"
    books = books_of(asset, 0, 100_000, 999_999, 1_000_000, 1_500_000, 2_000_000)
    bus = await put(store, BOOKS, *books)
    bus.offsets.clear()
    await ClickHouseSink(bus, store, settings=SinkSettings(flush_rows=flush_rows)).drain()

    rows = found(store, f"SELECT update_id FROM books WHERE asset = '{asset}' ORDER BY update_id")

    assert [row["update_id"] for row in rows] == [2, 4, 5]


async def test_only_the_last_book_of_a_second_is_sent_to_the_store(store: Store) -> None:
    await put(store, BOOKS, *books_of("THIN", *range(0, 1_000_000, 100_000)))

    assert one(store, "SELECT count() AS n FROM books_log WHERE asset = 'THIN'") == {"n": 1}


async def test_books_are_forgotten_a_week_after_they_were_stored_however_old_they_are(
    store: Store,
) -> None:
    old = {**BOOK_EXAMPLES[0], "asset": "OLD", "event_time_us": 1_500_000_000_000_000}
    await put(store, BOOKS, old)
    store.command("OPTIMIZE TABLE books_log FINAL")

    assert one(store, "SELECT count() AS n FROM books WHERE asset = 'OLD'") == {"n": 1}
    kept = "SELECT create_table_query AS sql FROM system.tables WHERE name = 'books_log'"
    assert "TTL stored_time + toIntervalDay(7)" in one(store, kept)["sql"]


@pytest.mark.parametrize("record", LIQUIDATION_EXAMPLES, ids=lambda record: record["asset"])
async def test_every_field_of_a_liquidation_has_its_column(store: Store, record: Document) -> None:
    await put(store, LIQUIDATIONS, record)

    rows = found(
        store,
        "SELECT * FROM liquidations_log FINAL WHERE asset = {asset:String}"
        " ORDER BY event_time, occurrence",
        asset=record["asset"],
    )

    assert len(rows) == len(record["rows"])
    for row, (time_us, price, lots, closed, occurrence, flags) in zip(
        rows, record["rows"], strict=True
    ):
        expected = {
            **header(record),
            **decimals(record, "lot"),
            "event_time": when(time_us),
            "price": Decimal(price),
            "qty_lots": lots,
            "liquidated_side": side(closed),
            "occurrence": occurrence,
            "is_backlog": bool(flags & 1),
            "is_order_price": bool(flags & 2),
        }
        check(row, record, expected, *NOT_STORED, "receive_time_us", "watermark_us", "rows")


async def test_a_liquidation_is_read_in_prices_coins_and_quote(store: Store) -> None:
    rows = [[1_795_269_262_348_000, "64310.000000000001", 22, -1, 0, 0]]
    record = {**LIQUIDATION_EXAMPLES[0], "asset": "TOLD", "lot": "0.001", "rows": rows}
    await put(store, LIQUIDATIONS, record)

    row = of_asset(store, "liquidations", record, final="")

    assert (row["price"], row["qty"]) == (Decimal("64310.000000000001"), Decimal("0.022"))
    assert row["notional"] == Decimal("1414.82")
    assert (row["liquidated_side"], row["sampling_class"]) == ("short", record["sampling_class"])


async def test_the_first_receipt_of_a_liquidation_stays(store: Store) -> None:
    record = {**LIQUIDATION_EXAMPLES[0], "asset": "RECEIVED"}
    again = {**record, "session": "another", "receive_time_us": record["receive_time_us"] + 5}
    bus = await put(store, LIQUIDATIONS, record, again)
    bus.offsets.clear()
    await ClickHouseSink(bus, store, settings=SinkSettings(flush_rows=1)).drain()

    rows = found(store, "SELECT session FROM liquidations WHERE asset = 'RECEIVED'")

    assert [row["session"] for row in rows] == [record["session"]] * len(record["rows"])


@pytest.mark.parametrize("record", TICKER_EXAMPLES, ids=lambda record: record["asset"])
async def test_every_field_of_a_ticker_has_its_column(store: Store, record: Document) -> None:
    await put(store, TICKERS, record)

    exact = ("mark_price", "index_price", "funding_rate", "settled_funding_rate", "open_interest")
    moments = ("mark", "index", "funding", "settled_funding", "open_interest")
    expected: dict[str, Any] = {
        **header(record),
        **decimals(record, *exact),
        **{f"{name}_time": when(record[f"{name}_time_us"]) for name in moments},
        "funding_seen_time": when(record["funding_seen_us"]),
        "second_start": when(floor(record["receive_time_us"])),
    }
    elsewhere = [f"{name}_time_us" for name in moments]
    elsewhere += ["funding_seen_us", "receive_time_us", "watermark_us", *NOT_STORED]
    for row in (
        of_asset(store, "tickers_log", record),
        of_asset(store, "tickers", record, final=""),
    ):
        check(row, record, expected, *elsewhere)


async def test_of_the_tickers_of_a_second_the_last_is_stored(store: Store) -> None:
    first = {**TICKER_EXAMPLES[0], "asset": "TICKS", "receive_time_us": 1_795_269_255_000_000}
    later = {**first, "receive_time_us": 1_795_269_255_999_999, "mark_price": "2"}
    await put(store, TICKERS, first, later)

    row = one(store, "SELECT mark_price FROM tickers WHERE asset = 'TICKS'")

    assert row["mark_price"] == 2
