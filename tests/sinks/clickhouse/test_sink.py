"""The sink against a real engine and a log in memory: what is delivered again changes nothing."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from runtime.bus.protocol import Record
from runtime.errors import ConfigurationError, StoreError
from runtime.metrics import Metrics
from schemas.lineage import EPOCH_LIMIT
from schemas.ops import DeadLetter
from schemas.topics import CVD, DEADLETTER, FOOTPRINTS, TRADES
from sinks.clickhouse.client import Store
from sinks.clickhouse.poison import PoisonError
from sinks.clickhouse.sink import ClickHouseSink, SinkSettings
from tests.sinks.clickhouse.memory_bus import MemoryBus
from tests.sinks.clickhouse.records import DAY_US, bar, batch, price_rows, step, trade

DEADLINE_SECONDS = 60.0


class Watched:
    """The store, with every insert written down; `faults` are raised first, before or after it."""

    def __init__(
        self,
        store: Store,
        events: list[tuple[str, object]],
        faults: Sequence[str] = (),
    ) -> None:
        self._store = store
        self._events = events
        self._faults = list(faults)
        self.sent: list[tuple[str, str, bytes]] = []

    def insert(self, table: str, names: Sequence[str], block: bytes, token: str) -> None:
        fault = self._faults.pop(0) if self._faults else ""
        self.sent.append((table, token, block))
        if fault == "unreachable":
            raise StoreError("connection refused")
        self._store.insert(table, names, block, token)
        if fault == "answer lost":
            raise StoreError("read timed out")
        self._events.append(("insert", table))


async def no_sleep(_: float) -> None:
    await asyncio.sleep(0)


def fill(bus: MemoryBus, asset: str) -> None:
    bus.put(TRADES.name, *(batch(asset, [trade(3 * n + i) for i in range(3)]) for n in range(6)))
    bus.put(FOOTPRINTS.name, *(bar(asset, price_rows(n + 1), revision=n) for n in range(4)))
    bus.put(CVD.name, *(step(asset, DAY_US + n * 1_000_000) for n in range(4)))


def answers(store: Store, asset: str) -> list[Any]:
    views = {
        "trades": "event_time, trade_id",
        "footprint_bars": "bar_start",
        "footprint_rows": "bar_start, row_price",
        "cvd": "step_start, scope",
        "cvd_adjustments": "bar_start",
    }
    return [
        store.query(f"SELECT * FROM {view} WHERE asset = '{asset}' ORDER BY {order}").rows
        for view, order in views.items()
    ]


def physical(store: Store, asset: str) -> int:
    rows = store.query(f"SELECT count() FROM trades_log WHERE asset = '{asset}'").rows
    return int(rows[0][0])


def letters(bus: MemoryBus) -> list[DeadLetter]:
    return [
        msgspec.json.decode(record.value or b"", type=DeadLetter)
        for record in bus.log(DEADLETTER.name, 0)
    ]


async def test_the_same_records_again_in_the_same_cut_change_nothing(store: Store) -> None:
    bus = MemoryBus()
    fill(bus, "AGAIN")
    await ClickHouseSink(bus, store).drain()
    first, rows = answers(store, "AGAIN"), physical(store, "AGAIN")

    bus.offsets.clear()
    await ClickHouseSink(bus, store).drain()

    assert answers(store, "AGAIN") == first
    assert len(first[0]) == 18
    assert physical(store, "AGAIN") == rows == 18


async def test_the_same_records_in_another_cut_change_no_answer(store: Store) -> None:
    bus = MemoryBus()
    fill(bus, "CUTS")
    await ClickHouseSink(bus, store).drain()
    first = answers(store, "CUTS")

    for flush_rows in (1, 4, 7):
        bus.offsets.clear()
        settings = SinkSettings(flush_rows=flush_rows)
        await ClickHouseSink(bus, store, settings=settings).drain()

    assert answers(store, "CUTS") == first
    assert physical(store, "CUTS") > 18


async def test_a_refused_connection_is_retried_with_the_identical_block_and_token(
    store: Store,
) -> None:
    bus = MemoryBus()
    bus.put(TRADES.name, batch("RETRY", [trade(1)]))
    watched = Watched(store, bus.events, ["unreachable"] * 3)

    await ClickHouseSink(bus, watched, sleep=no_sleep).drain()

    assert len(watched.sent) == 4
    assert len(set(watched.sent)) == 1
    assert len(answers(store, "RETRY")[0]) == 1


async def test_a_lost_answer_leaves_one_copy(store: Store) -> None:
    bus = MemoryBus()
    bus.put(TRADES.name, batch("LOST", [trade(1)]))
    watched = Watched(store, bus.events, ["answer lost"])

    await ClickHouseSink(bus, watched, sleep=no_sleep).drain()

    assert len(watched.sent) == 2
    assert physical(store, "LOST") == 1


async def test_the_wait_between_attempts_grows_to_a_ceiling(store: Store) -> None:
    bus = MemoryBus()
    bus.put(TRADES.name, batch("WAIT", [trade(1)]))
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    watched = Watched(store, bus.events, ["unreachable"] * 7)
    await ClickHouseSink(bus, watched, sleep=sleep).drain()

    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0]


async def test_offsets_are_committed_only_after_every_insert_of_the_range(store: Store) -> None:
    bus = MemoryBus()
    bus.put(CVD.name, step("ORDER"))
    watched = Watched(store, bus.events)

    await ClickHouseSink(bus, watched).drain()

    kinds = [kind for kind, _ in bus.events]
    assert kinds == ["insert", "insert", "commit"]
    assert {what for kind, what in bus.events if kind == "insert"} == {
        "cvd_log",
        "cvd_adjustments_log",
    }


async def test_nothing_is_committed_while_the_store_is_away(store: Store) -> None:
    bus = MemoryBus()
    bus.put(TRADES.name, batch("AWAY", [trade(1)]))
    stop = asyncio.Event()
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            stop.set()

    watched = Watched(store, bus.events, ["unreachable"] * 100)
    settings = SinkSettings(linger_seconds=0)
    await ClickHouseSink(bus, watched, settings=settings, sleep=sleep).run(stop)

    assert bus.events == []
    assert len(set(watched.sent)) == 1


async def test_a_running_sink_stores_what_comes_and_the_rest_at_its_end(store: Store) -> None:
    bus = MemoryBus()
    stop = asyncio.Event()
    settings = SinkSettings(linger_seconds=0.01, lag_seconds=0)
    metrics = Metrics()
    sink = ClickHouseSink(bus, store, settings=settings, metrics=metrics.sink)
    running = asyncio.create_task(sink.run(stop))
    bus.put(TRADES.name, batch("LIVE", [trade(1)]))
    await until(lambda: physical(store, "LIVE") == 1)

    bus.put(TRADES.name, batch("LIVE", [trade(2)]))
    await until(lambda: physical(store, "LIVE") == 2)
    stop.set()
    await running

    partition = bus_partition(bus)
    assert bus.offsets[("sink.clickhouse", (TRADES.name, partition))] == 2
    about = {"topic": TRADES.name, "partition": str(partition)}
    value = metrics.registry.get_sample_value
    assert value("perptape_sink_lag_records", about) == 0
    assert value("perptape_sink_rows_total", {"table": "trades_log"}) == 2


async def test_partitions_that_go_away_are_stored_and_committed_before_they_do(
    store: Store,
) -> None:
    bus = MemoryBus()
    fill(bus, "TAKEN")
    stop = asyncio.Event()
    slow = SinkSettings(linger_seconds=3600, slow_linger_seconds=3600, poll_seconds=0.01)
    running = asyncio.create_task(ClickHouseSink(bus, store, settings=slow).run(stop))
    trades = {key for key in bus.logs if key[0] == TRADES.name}
    async with asyncio.timeout(DEADLINE_SECONDS):
        while bus.member is None or any(bus.member.position(*key) < 6 for key in trades):
            await asyncio.sleep(0.01)
        assert bus.offsets == {}
        bus.member.taken = frozenset(trades)
        while not bus.offsets:
            await asyncio.sleep(0.01)
    assert len(answers(store, "TAKEN")[0]) == 18
    assert set(bus.offsets) == {("sink.clickhouse", key) for key in trades}

    bus.offsets.clear()  # somebody else has them now: what is committed at the end is not theirs
    stop.set()
    await running
    assert bus.offsets
    assert not {key for _, key in bus.offsets} & trades


async def test_a_record_of_another_schema_version_goes_to_the_dead_letters(store: Store) -> None:
    bus = MemoryBus()
    later = msgspec.structs.replace(batch("LATER", [trade(1)]), schema="trades.v2")
    bus.put(TRADES.name, later, batch("LATER", [trade(2)]))
    await ClickHouseSink(bus, store).drain()

    (letter,) = letters(bus)
    assert (letter.reason, "trades.v2" in letter.detail) == ("unknown_schema", True)
    assert len(answers(store, "LATER")[0]) == 1


async def test_an_undecodable_record_goes_to_the_dead_letters_and_the_rest_is_stored(
    store: Store,
) -> None:
    bus = MemoryBus()
    bad = b'{"schema":"trades.v1","venue":7}'
    bus.put(TRADES.name, batch("JUNK", [trade(1)]), bad, batch("JUNK", [trade(2)]))

    await ClickHouseSink(bus, store).drain()

    (letter,) = letters(bus)
    assert letter.origin == f"{TRADES.name}/{bus_partition(bus)}/1"
    assert (letter.reason, letter.payload, letter.size_bytes) == (
        "undecodable",
        bad.decode(),
        len(bad),
    )
    assert letter.receive_time_us == 1_000_000
    assert len(answers(store, "JUNK")[0]) == 2
    assert list(bus.offsets.values()) == [3]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"lot": "0"}, "refused_by_store"),
        ({"rows": [(DAY_US, 2**63, 1, 1, 5, 0)]}, "unstorable"),
        ({"rows": [(DAY_US, 1, 1, 1, 5, 400)]}, "unstorable"),
        ({"rows": [(2**62, 1, 1, 1, 5, 0)]}, "undecodable"),
        ({"tick": "0.0000000000000000001"}, "undecodable"),
    ],
)
async def test_a_record_that_cannot_be_stored_is_found_among_good_ones(
    store: Store, request: pytest.FixtureRequest, bad: dict[str, Any], reason: str
) -> None:
    asset = f"FOUND{request.node.callspec.indices['bad']}"
    records = [batch(asset, [trade(n)]) for n in range(9)]
    records[5] = msgspec.structs.replace(records[5], **bad)
    bus = MemoryBus()
    bus.put(TRADES.name, *records)

    await ClickHouseSink(bus, store).drain()

    (letter,) = letters(bus)
    assert (letter.reason, letter.origin.rsplit("/", 1)[1]) == (reason, "5")
    assert len(answers(store, asset)[0]) == 8
    assert list(bus.offsets.values()) == [9]


async def test_mostly_bad_records_stop_the_sink_before_it_commits(store: Store) -> None:
    bus = MemoryBus()
    bus.put(TRADES.name, *[b"{}"] * 300)

    with pytest.raises(PoisonError, match="20 of the last 20 records"):
        await ClickHouseSink(bus, store).drain()

    assert bus.offsets == {}
    assert len(letters(bus)) == 20


async def test_a_few_bad_records_among_many_do_not_stop_it(store: Store) -> None:
    bus = MemoryBus()
    for n in range(60):
        bus.put(TRADES.name, batch("MANY", [trade(n)]), *[b"{}"] * (n % 2))

    await ClickHouseSink(bus, store).drain()

    assert len(letters(bus)) == 30
    assert len(answers(store, "MANY")[0]) == 60


async def test_a_tombstone_and_an_empty_batch_are_passed_over(store: Store) -> None:
    bus = MemoryBus()
    bus.put(TRADES.name, batch("NONE", []))
    log = bus.log(TRADES.name, bus_partition(bus))
    log.append(Record(TRADES.name, bus_partition(bus), 1, 0, b"BTC", None))

    await ClickHouseSink(bus, store).drain()

    assert list(bus.offsets.values()) == [2]
    assert letters(bus) == []


async def test_a_full_range_is_inserted_without_waiting(store: Store) -> None:
    bus = MemoryBus()
    bus.put(TRADES.name, *(batch("FULL", [trade(n)]) for n in range(10)))
    watched = Watched(store, bus.events)

    await ClickHouseSink(bus, watched, settings=SinkSettings(flush_rows=4)).drain()

    ranges = [token.split("/")[4] for _, token, _ in watched.sent]
    assert ranges == ["0-3", "4-7", "8-9"]


async def test_the_loop_goes_on_while_an_insert_blocks(store: Store) -> None:
    bus = MemoryBus()
    bus.put(TRADES.name, batch("BLOCKED", [trade(1)]))
    ticks = 0

    class Slow:
        def insert(self, table: str, names: Sequence[str], block: bytes, token: str) -> None:
            seen, end = ticks, time.monotonic() + DEADLINE_SECONDS
            while ticks < seen + 5 and time.monotonic() < end:
                time.sleep(0.001)
            assert ticks >= seen + 5

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.001)

    ticking = asyncio.create_task(tick())
    await ClickHouseSink(bus, Slow()).drain()
    ticking.cancel()

    assert list(bus.offsets.values()) == [1]


def test_an_epoch_that_does_not_fit_a_revision_is_refused(store: Store) -> None:
    with pytest.raises(ConfigurationError, match="epoch"):
        ClickHouseSink(MemoryBus(epoch=EPOCH_LIMIT), store)


def bus_partition(bus: MemoryBus) -> int:
    return next(partition for topic, partition in bus.logs if bus.logs[topic, partition])


async def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)
