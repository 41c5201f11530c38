"""Tables and views of setups and outcomes, written by the sink and read back."""

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from schemas import examples
from schemas.outcomes import OutcomeRecord
from schemas.setups import SetupRecord, SetupState
from schemas.topics import OUTCOMES, SETUPS, Topic
from sinks.clickhouse.client import Store
from sinks.clickhouse.rows import Source
from sinks.clickhouse.rows_setups import outcome_pieces, setup_pieces
from sinks.clickhouse.sink import ClickHouseSink
from tests.sinks.clickhouse.memory_bus import MemoryBus

COLUMNS = {
    "setup_states": "asset setup variant side scope venue symbol id state previous_state reason"
    " provisional event_time armed_time triggered_time price level_low level_high limit_price"
    " weight experimental status venues_expected venues values evidence null_reasons is_final"
    " revision method params tick lot log_partition log_offset",
    "outcomes": "asset measured variant side venue symbol event_id event_time entry_time"
    " entry_price horizon_minutes return_bp adverse_bp favourable_bp reason status as_of is_final"
    " revision",
    "setup_worth": "asset measured variant side horizon_minutes as_of n mean_bp median_bp"
    " positive_share mean_adverse_bp mean_favourable_bp baseline_n matched_n baseline_mean_bp"
    " baseline_adverse_bp difference_bp difference_low_bp difference_high_bp experimental"
    " null_reasons revision",
}
COLUMNS["setups"] = COLUMNS["setup_states"]
COLUMNS["setup_worth_days"] = COLUMNS["setup_worth"]


def published(topic: Topic) -> list[Any]:
    """Return the examples of a record."""
    return [
        msgspec.json.decode(json.dumps(record), type=topic.record)
        for record in examples.load(topic.schema_name).values()
    ]


async def put(store: Store, topic: Topic, *records: Any) -> None:
    bus = MemoryBus()
    bus.put(topic.name, *records)
    await ClickHouseSink(bus, store).drain()


def rows(store: Store, sql: str) -> list[dict[str, Any]]:
    table = store.query(sql, {})
    return [dict(zip(table.column_names, row, strict=True)) for row in table.rows]


def changed(record: Any, **fields: Any) -> Any:
    return msgspec.structs.replace(record, **fields)


@pytest.mark.parametrize("view", COLUMNS)
def test_a_view_has_exactly_the_columns_of_the_contract(store: Store, view: str) -> None:
    names = [row[0] for row in store.query(f"DESCRIBE TABLE {view}").rows]
    assert names == COLUMNS[view].split()


async def test_a_setup_is_read_back_exactly(store: Store) -> None:
    for number, record in enumerate(published(SETUPS)):
        await put(store, SETUPS, changed(record, asset=f"EXACT{number}"))
        [found] = rows(store, f"SELECT * FROM setup_states WHERE asset = 'EXACT{number}'")
        tick = Decimal(record.tick)
        for name, ticks in (
            ("price", record.price_ticks),
            ("level_low", record.level_low_ticks),
            ("level_high", record.level_high_ticks),
            ("limit_price", record.limit_ticks),
        ):
            assert found[name] == (None if ticks is None else ticks * tick)
        for name in (
            *("setup", "variant", "side", "id", "state", "reason", "provisional", "venue"),
            *("symbol", "weight", "experimental", "status", "venues", "venues_expected"),
            *("evidence", "null_reasons", "is_final", "revision", "method", "params", "scope"),
        ):
            assert found[name] == getattr(record, name), name
        assert found["values"] == pytest.approx(record.values)
        assert found["previous_state"] == record.previous_state
        assert found["event_time"].timestamp() * 1e6 == pytest.approx(record.event_time_us)
        triggered = record.triggered_time_us
        assert (found["triggered_time"] is None) == (triggered is None)


async def test_whole_numbers_stay_whole_however_large(store: Store) -> None:
    record = changed(published(SETUPS)[0], asset="WHOLE", values={"a": 2**60 + 1, "b": 0.5})
    await put(store, SETUPS, record)
    [found] = rows(store, "SELECT * FROM setups_log WHERE asset = 'WHOLE'")
    assert (found["whole_values"], found["real_values"]) == ({"a": 2**60 + 1}, {"b": 0.5})


async def test_a_state_that_a_bar_held_replaces_the_provisional_one(store: Store) -> None:
    early = changed(published(SETUPS)[1], asset="FIRM")
    firm = changed(early, provisional=False, is_final=True, revision=early.revision + 1)
    for order in ((early, firm), (firm, early)):
        await put(store, SETUPS, *order)
        [found] = rows(store, "SELECT * FROM setup_states WHERE asset = 'FIRM'")
        assert (found["provisional"], found["revision"]) == (False, firm.revision)


async def test_setups_show_the_newest_state_of_each_and_setup_states_all(store: Store) -> None:
    first = changed(published(SETUPS)[0], asset="LIFE")
    states = [SetupState.ARMED, SetupState.TRIGGERED, SetupState.CONFIRMED, SetupState.COMPLETED]
    life = [
        changed(first, state=state, event_time_us=first.event_time_us + n // 2, revision=n)
        for n, state in enumerate(states)
    ]
    other = changed(first, id="another", state=SetupState.EXPIRED)
    await put(store, SETUPS, *life, other)
    found = rows(store, "SELECT id, state FROM setups WHERE asset = 'LIFE' ORDER BY id")
    assert [one["state"] for one in found] == ["expired", "completed"]
    found = rows(store, "SELECT state FROM setup_states WHERE asset = 'LIFE' ORDER BY revision")
    assert [one["state"] for one in found][:4] == [state.value for state in states]


async def test_an_outcome_is_unfolded_by_horizon_and_replaced_as_it_goes_on(store: Store) -> None:
    record: OutcomeRecord = changed(published(OUTCOMES)[0], asset="COURSE")
    outcome = record.outcome
    assert outcome is not None
    before = changed(
        record, outcome=changed(outcome, at=outcome.at[:1]), revision=record.revision - 5
    )
    await put(store, OUTCOMES, before)
    assert len(rows(store, "SELECT * FROM outcomes WHERE asset = 'COURSE'")) == 1
    await put(store, OUTCOMES, record)
    found = rows(store, "SELECT * FROM outcomes WHERE asset = 'COURSE' ORDER BY horizon_minutes")
    assert [
        (
            one["horizon_minutes"],
            one["return_bp"],
            one["adverse_bp"],
            one["favourable_bp"],
            one["reason"],
        )
        for one in found
    ] == [msgspec.structs.astuple(at) for at in outcome.at]
    assert found[0]["entry_price"] == Decimal("64095.5")
    assert (found[0]["measured"], found[0]["event_id"]) == (record.of.value, outcome.event_id)
    assert {one["is_final"] for one in found} == {False}


async def test_an_outcome_without_prices_is_null(store: Store) -> None:
    await put(store, OUTCOMES, changed(published(OUTCOMES)[1], asset="NONE"))
    found = rows(store, "SELECT * FROM outcomes WHERE asset = 'NONE'")
    assert len(found) == 6
    assert {(one["entry_price"], one["return_bp"], one["reason"]) for one in found} == {
        (None, None, "price_missing")
    }


async def test_worth_is_that_of_the_newest_day_and_of_every_day(store: Store) -> None:
    record: OutcomeRecord = changed(published(OUTCOMES)[2], asset="WORTH")
    worth = record.worth
    assert worth is not None
    later = changed(
        record,
        id="later",
        event_time_us=record.event_time_us + 86_400_000_000,
        revision=record.revision + 1,
        worth=[changed(one, n=one.n + 7) for one in worth],
    )
    await put(store, OUTCOMES, record, later)
    found = rows(store, "SELECT * FROM setup_worth WHERE asset = 'WORTH' ORDER BY horizon_minutes")
    assert len(found) == len(worth)
    for one, told in zip(found, worth, strict=True):
        assert one["n"] == told.n + 7
        for name in COLUMNS["setup_worth"].split()[7:-1]:
            assert one[name] == getattr(told, name), name
    kept = rows(store, "SELECT count() AS days FROM setup_worth_days WHERE asset = 'WORTH'")
    assert kept == [{"days": 2 * len(worth)}]


def test_pieces_go_to_the_month_of_what_never_changes() -> None:
    """A replacing merge does not cross partitions: armed time and event time stay."""
    source = Source(1, 2, 3)
    for record in published(SETUPS):
        [piece] = setup_pieces(msgspec.json.encode(record), source)
        assert piece.part == 202611
    event, *_ = published(OUTCOMES)
    late = changed(event, event_time_us=event.event_time_us + 40 * 86_400_000_000)
    assert outcome_pieces(msgspec.json.encode(late), source)[0].part == 202611


def test_records_of_another_schema_are_refused() -> None:
    record: SetupRecord = published(SETUPS)[0]
    other = msgspec.json.encode(changed(record, schema="setup.v2"))
    with pytest.raises(Exception, match=r"setup\.v2"):
        setup_pieces(other, Source(1, 2, 3))
