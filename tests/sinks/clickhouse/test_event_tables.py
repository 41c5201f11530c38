"""Flow events and cascades: every field in its column, every state kept, the newest on top."""

from decimal import Decimal
from typing import Any

import pytest

from schemas.topics import CASCADES, EVENTS
from sinks.clickhouse.client import Store
from sinks.clickhouse.sink import ClickHouseSink, SinkSettings
from tests.sinks.clickhouse.published import (
    CENT,
    Document,
    check,
    documents,
    found,
    of_asset,
    one,
    put,
    side,
    times,
    when,
)

EVENT_EXAMPLES = list(documents(EVENTS, "EVENT"))
CASCADE_EXAMPLES = list(documents(CASCADES, "CASCADE"))
EVENT_TIMES = {"start_time": "start_us", "end_time": "end_us", "event_time": "event_time_us"}
CASCADE_TIMES = {
    "state_time": "time_us",
    "start_time": "start_us",
    "measured_from_time": "measured_from_us",
    "extreme_time": "extreme_us",
    "peak_time": "peak_us",
    "outcome_time": "outcome_us",
}
OF_A_VENUE = (
    "venue", "symbol", "sampling", "episodes", "obs_usd_cents", "ub_usd_cents",
    "bounds_inconsistent", "share", "p99_usd_cents", "precedes",
)  # fmt: skip


def moments(record: Document, names: dict[str, str]) -> Document:
    return {column: when(record[field]) for column, field in names.items()}


def grids(record: Document) -> Document:
    return {"tick": Decimal(record["tick"]), "lot": Decimal(record["lot"])}


@pytest.mark.parametrize("record", EVENT_EXAMPLES, ids=lambda record: record["state"])
async def test_every_field_of_an_event_has_its_column(store: Store, record: Document) -> None:
    await put(store, EVENTS, record)

    row = of_asset(store, "events_log", record)

    values = record["values"]
    expected: dict[str, Any] = {
        **moments(record, EVENT_TIMES),
        **grids(record),
        "whole_values": {k: v for k, v in values.items() if not isinstance(v, float)},
        "real_values": {k: v for k, v in values.items() if isinstance(v, float)},
        "tests_seen": values.get("tests_seen", 0),
    }
    check(row, record, expected, *EVENT_TIMES.values(), "values")


@pytest.mark.parametrize("record", EVENT_EXAMPLES, ids=lambda record: record["state"])
async def test_an_event_is_read_in_prices_coins_and_dollars(store: Store, record: Document) -> None:
    await put(store, EVENTS, record)

    row = of_asset(store, "events", record, final="")

    assert row["values"] == record["values"]
    low, high = (times(record[name], record["tick"]) for name in ("low_ticks", "high_ticks"))
    assert (row["low"], row["high"]) == (low, high)
    assert row["qty"] == times(record["values"].get("qty_lots"), record["lot"])
    assert row["usd"] == times(record["values"].get("usd_cents"), "0.01")


def states(asset: str) -> list[Document]:
    """Return a zone that is tested twice and broken, the last two in one second."""
    base = {**EVENT_EXAMPLES[1], "asset": asset, "id": f"zone:{asset}"}
    told = [("untested", 0, 1), ("tested", 1, 2), ("tested", 2, 3), ("broken", 2, 3)]
    return [
        {**base, "state": state, "values": {"tests_seen": seen}, "revision": revision}
        for state, seen, revision in told
    ]


async def test_an_event_is_in_its_newest_state_and_all_of_them_are_kept(store: Store) -> None:
    bus = await put(store, EVENTS, *states("ZONE"))
    bus.offsets.clear()
    await ClickHouseSink(bus, store, settings=SinkSettings(flush_rows=1)).drain()

    newest = one(store, "SELECT state, tests_seen FROM events WHERE asset = 'ZONE'")
    every = "SELECT state, tests_seen FROM event_states WHERE asset = 'ZONE' ORDER BY log_offset"

    assert newest == {"state": "broken", "tests_seen": 2}
    assert [tuple(row.values()) for row in found(store, every)] == [
        ("untested", 0),
        ("tested", 1),
        ("tested", 2),
        ("broken", 2),
    ]


async def test_a_filter_on_the_state_is_asked_of_the_newest_state_only(store: Store) -> None:
    await put(store, EVENTS, *states("FILTERED"))

    sql = "SELECT 1 FROM events WHERE asset = 'FILTERED' AND state = {state:String}"

    assert found(store, sql, state="tested") == []
    assert len(found(store, sql, state="broken")) == 1


@pytest.mark.parametrize("record", CASCADE_EXAMPLES, ids=lambda record: record["reason"])
async def test_every_field_of_a_cascade_has_its_column(store: Store, record: Document) -> None:
    await put(store, CASCADES, record)

    row = of_asset(store, "cascades_log", record)

    level, venues, evidence = record["swept_level"], record["venues"], dict(record["evidence"])
    bar = evidence.pop("bar")
    expected = {
        **moments(record, CASCADE_TIMES),
        **grids(record),
        **record["completeness"],
        "liquidated_side": side(record["liquidated_side"]),
        "swept_level_kind": level and level["kind"],
        "swept_level_ticks": level and level["ticks"],
        "swept_level_known_time": level and when(level["known_us"]),
        **{f"venues_{name}": [venue[name] for venue in venues] for name in OF_A_VENUE},
        "venues_onset_time": [when(venue["onset_us"]) for venue in venues],
        **{f"evidence_{name}": value for name, value in evidence.items()},
        "evidence_bar_start_time": bar and when(bar["start_us"]),
        **{
            f"evidence_bar_{name}": bar and bar[name]
            for name in ("high_ticks", "low_ticks", "close_ticks", "delta_lots", "is_complete")
        },
    }
    elsewhere = (*CASCADE_TIMES.values(), "swept_level", "venues", "completeness", "evidence")
    check(row, record, expected, *elsewhere)
    assert set(record["venues"][0] if venues else OF_A_VENUE) <= {*OF_A_VENUE, "onset_us"}


@pytest.mark.parametrize("record", CASCADE_EXAMPLES, ids=lambda record: record["reason"])
async def test_a_cascade_is_read_in_prices_and_dollars(store: Store, record: Document) -> None:
    await put(store, CASCADES, record)

    row = of_asset(store, "cascades", record, final="")

    evidence, level = record["evidence"], record["swept_level"]
    prices = {
        "start_price": record["start_ticks"],
        "extreme_price": record["extreme_ticks"],
        "swept_level_price": level and level["ticks"],
        "high": evidence["high_ticks"],
        "low": evidence["low_ticks"],
        "last": evidence["last_ticks"],
        "bar_close": evidence["bar"] and evidence["bar"]["close_ticks"],
    }
    dollars = {
        "observed_usd": record["obs_usd_cents"],
        "upper_usd": record["ub_usd_cents"],
        "peak_minute_usd": record["peak_l60_usd_cents"],
        "last_60s_usd": evidence["l60_usd_cents"],
        "threshold_usd": evidence["threshold_usd_cents"],
        "p99_usd": evidence["p99_usd_cents"],
        "flow_60s_usd": evidence["flow60_usd_cents"],
    }
    assert {name: row[name] for name in prices} == {
        name: times(ticks, record["tick"]) for name, ticks in prices.items()
    }
    assert {name: row[name] for name in dollars} == {
        name: times(cents, "0.01") for name, cents in dollars.items()
    }
    assert row["venues"] == [f"{one['venue']}:{one['symbol']}" for one in record["venues"]]
    assert row["open_interest"] == {
        name: lots * Decimal(record["lot"]) for name, lots in evidence["interest_lots"].items()
    }
    atr = evidence["atr_ticks"]
    assert row["atr"] == (None if atr is None else pytest.approx(atr * float(record["tick"])))


async def test_a_cascade_is_in_its_newest_state_and_all_of_them_are_kept(store: Store) -> None:
    exhausted, ended = (
        {**record, "asset": "LIFE", "start_us": CASCADE_EXAMPLES[0]["start_us"], "id": "cascade"}
        for record in CASCADE_EXAMPLES[:2]
    )
    await put(store, CASCADES, ended)
    await put(store, CASCADES, exhausted)

    newest = one(store, "SELECT state, outcome FROM cascades WHERE asset = 'LIFE'")
    every = "SELECT state FROM cascade_states WHERE asset = 'LIFE' ORDER BY state_time"

    assert newest == {"state": "cooldown", "outcome": "reclaimed"}
    assert [row["state"] for row in found(store, every)] == ["exhausted", "cooldown"]
    venues = found(store, "SELECT venue FROM cascade_venues WHERE asset = 'LIFE' ORDER BY venue")
    assert [row["venue"] for row in venues] == ["binance", "okx"]


async def test_the_venues_of_a_cascade_are_rows(store: Store) -> None:
    record = {**CASCADE_EXAMPLES[0], "asset": "PARTS"}
    await put(store, CASCADES, record)

    rows = found(store, "SELECT * FROM cascade_venues WHERE asset = 'PARTS' ORDER BY venue")

    assert len(rows) == len(record["venues"]) == 2
    for row, venue in zip(rows, record["venues"], strict=True):
        upper, p99 = times(venue["ub_usd_cents"], "0.01"), times(venue["p99_usd_cents"], "0.01")
        assert (row["venue"], row["symbol"]) == (venue["venue"], venue["symbol"])
        assert row["observed_usd"] == venue["obs_usd_cents"] * CENT
        assert (row["upper_usd"], row["p99_usd"], row["share"]) == (upper, p99, venue["share"])
        assert row["sampling_class"] == venue["sampling"]
        assert row["onset_time"] == when(venue["onset_us"])
        assert row["precedes"] == venue["precedes"]
