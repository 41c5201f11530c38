"""Context: a row a minute, a row a series of it, and views with one concern each."""

from decimal import Decimal
from typing import Any

import pytest

from schemas.topics import CONTEXT
from sinks.clickhouse.client import Store
from tests.sinks.clickhouse.published import (
    Document,
    check,
    documents,
    found,
    of_asset,
    one,
    put,
    times,
    when,
)

EXAMPLES = list(documents(CONTEXT, "CONTEXT"))
RATE = ("rate", "interval_h", "rate_8h", "rate_annual", "settlement_time", "age_us")
MEASURES = ("open_interest", "changes", "quadrants")
EACH = pytest.mark.parametrize("record", EXAMPLES, ids=lambda record: record["asset"])


def moment(record: Document) -> Document:
    return {
        "minute_start": when(record["minute_start_us"]),
        "as_of_time": when(record["as_of_us"]),
        "tick": Decimal(record["tick"]),
        "lot": Decimal(record["lot"]),
    }


def members(store: Store, table: str, record: Document) -> list[Document]:
    sql = f"SELECT * FROM {table} WHERE asset = '{record['asset']}'"
    return found(store, f"{sql} ORDER BY scope, venue, composition")


def told(record: Document) -> list[Document]:
    instruments = sorted(record["instruments"], key=lambda member: str(member["venue"]))
    return [*instruments, *sorted(record["perp"], key=lambda member: str(member["composition"]))]


def rate(kind: str, said: Document | None) -> Document:
    if said is None:
        return {f"{kind}_{name}": None for name in RATE}
    return {
        f"{kind}_rate": Decimal(said["rate_interval"]),
        f"{kind}_settlement_time": when(said["settlement_time_us"]),
        **{f"{kind}_{name}": said[name] for name in ("interval_h", "rate_8h", "rate_annual")},
        f"{kind}_age_us": said["age_us"],
    }


def measures(member: Document) -> Document:
    interest: Document = member["open_interest"] or {}
    changes, quadrants = member["changes"], member["quadrants"]
    lists = ("halved", "polled", "venues")
    return {
        "open_interest_lots": interest.get("lots"),
        "open_interest_usd_cents": interest.get("usd_cents"),
        "open_interest_time": when(interest.get("oldest_time_us")),
        "open_interest_age_us": interest.get("oldest_age_us"),
        **{f"open_interest_{name}": interest.get(name, []) for name in lists},
        "changes_window_seconds": [change[0] for change in changes],
        "changes_start_lots": [change[1] for change in changes],
        "changes_lots": [change[2] for change in changes],
        "changes_share": [change[3] for change in changes],
        "changes_venues": [change[4] for change in changes],
        "quadrants_window_seconds": [quadrant[0] for quadrant in quadrants],
        "quadrants_quadrant": [quadrant[1] for quadrant in quadrants],
        "quadrants_price_change_bp": [quadrant[2] for quadrant in quadrants],
        "quadrants_atr_bp": [quadrant[3] for quadrant in quadrants],
        "quadrants_reference": [quadrant[4] for quadrant in quadrants],
    }


def decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


@EACH
async def test_every_field_of_a_minute_has_its_column(store: Store, record: Document) -> None:
    await put(store, CONTEXT, record)

    row = of_asset(store, "context_log", record)

    expected = {**moment(record), **record["completeness"], **record["book_flow"]}
    elsewhere = ("minute_start_us", "as_of_us", "completeness", "instruments", "perp", "book_flow")
    check(row, record, expected, *elsewhere)


@EACH
async def test_every_field_of_a_series_has_its_column(store: Store, record: Document) -> None:
    await put(store, CONTEXT, record)

    rows = members(store, "context_members_log FINAL", record)

    for row, member in zip(rows, told(record), strict=True):
        alone = "venue" in member
        expected: dict[str, Any] = {
            **moment(record),
            **measures(member),
            "scope": "venue" if alone else "perp",
            "is_final": record["is_final"],
            "revision": record["revision"],
        }
        if alone:
            expected |= rate("predicted", member["predicted"]) | rate("settled", member["settled"])
            expected |= {n: decimal(member[n]) for n in ("mark_price", "index_price")}
        else:
            nothing = ("mark_price", "index_price", "basis_bp", "obi", "best_bid_ticks")
            expected |= rate("predicted", None) | rate("settled", None) | dict.fromkeys(nothing)
        check(row, member, expected, *MEASURES, "predicted", "settled")


@EACH
async def test_open_interest_is_read_in_coins_and_dollars(store: Store, record: Document) -> None:
    await put(store, CONTEXT, record)

    rows = members(store, "open_interest", record)

    lot = record["lot"]
    for row, member in zip(rows, told(record), strict=True):
        interest = member["open_interest"] or {}
        assert row["qty"] == times(interest.get("lots"), lot)
        assert row["usd"] == times(interest.get("usd_cents"), "0.01")
        assert row["oldest_age_us"] == interest.get("oldest_age_us")
        assert row["windows_seconds"] == [change[0] for change in member["changes"]]
        assert row["start_qty"] == [times(change[1], lot) for change in member["changes"]]
        assert row["change_qty"] == [times(change[2], lot) for change in member["changes"]]
        assert row["change"] == [change[3] for change in member["changes"]]


@EACH
async def test_funding_is_read_with_mark_and_basis(store: Store, record: Document) -> None:
    await put(store, CONTEXT, record)

    rows = members(store, "funding", record)

    for row, member in zip(rows, told(record), strict=True):
        predicted, settled = member.get("predicted"), member.get("settled")
        expected = {**rate("predicted", predicted), **rate("settled", settled)}
        expected["mark_price"] = decimal(member.get("mark_price"))
        expected["index_price"] = decimal(member.get("index_price"))
        expected["best_bid"] = times(member.get("best_bid_ticks"), record["tick"])
        expected["best_ask"] = times(member.get("best_ask_ticks"), record["tick"])
        for name in ("basis_bp", "obi", "funding_rate_8h"):
            expected[name] = member.get(name)
        assert {name: row[name] for name in expected} == expected


async def test_quadrants_are_rows_by_window(store: Store) -> None:
    record = {**EXAMPLES[0], "asset": "QUADRANTS"}
    await put(store, CONTEXT, record)

    sql = """
        SELECT venue, composition, window_seconds, quadrant, price_change_bp, atr_bp, reference
        FROM quadrants WHERE asset = 'QUADRANTS' ORDER BY scope, venue, composition, window_seconds
    """

    assert [list(row.values()) for row in found(store, sql)] == [
        [member.get("venue", ""), member.get("composition", ""), *quadrant]
        for member in told(record)
        for quadrant in member["quadrants"]
    ]


@EACH
async def test_book_flow_is_read_in_coins(store: Store, record: Document) -> None:
    await put(store, CONTEXT, record)

    row, flow = of_asset(store, "context", record, final=""), record["book_flow"]

    assert (row["quadrant"], row["obi"]) == (flow["quadrant"], flow["obi"])
    assert row["cvd"] == times(flow["cvd_lots"], record["lot"])
    assert row["cvd_p95"] == times(flow["cvd_p95_lots"], record["lot"])
    assert row["status"] == record["completeness"]["status"]


async def test_the_final_record_of_a_minute_replaces_those_before(store: Store) -> None:
    final, standing = ({**record, "asset": "REPLACED"} for record in EXAMPLES)
    await put(store, CONTEXT, standing, final)
    await put(store, CONTEXT, standing)

    row = one(store, "SELECT is_final, as_of_time FROM context WHERE asset = 'REPLACED'")

    assert row == {"is_final": True, "as_of_time": when(final["as_of_us"])}
    binance = "SELECT is_final FROM funding WHERE asset = 'REPLACED' AND venue = 'binance'"
    assert one(store, binance) == {"is_final": True}
