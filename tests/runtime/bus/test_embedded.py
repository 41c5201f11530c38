"""What the embedded log promises beyond the contract: sharing, limits, cancellation and errors."""

import asyncio
import sqlite3
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from runtime.bus.embedded import EmbeddedBus, EmbeddedBusSettings
from runtime.bus.log_append import Entry
from runtime.bus.log_file import FILE_NAME, open_log
from runtime.bus.log_writer import Append, Writer
from runtime.bus.protocol import Outgoing
from runtime.errors import BusError, ConfigurationError, PayloadError
from runtime.metrics import BusMetrics
from schemas.topics import TOPICS, TRADES, Topic

DEADLINE_SECONDS = 60.0


def record(number: int, *, partition: int = 0, size: int = 10) -> Outgoing:
    return Outgoing(TRADES.name, b"BTC", b"%0*d" % (size, number), number, partition)


def hold_lock(directory: Path) -> sqlite3.Connection:
    """Take the write lock as another process would; closing the connection gives it back."""
    other = sqlite3.connect(directory / FILE_NAME, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return other


async def test_a_busy_partition_does_not_starve_a_quiet_one(tmp_path: Path) -> None:
    async with await EmbeddedBus.open(tmp_path) as bus:
        await bus.send([record(n, partition=0) for n in range(1_000)])
        await bus.send([record(0, partition=partition) for partition in (1, 11)])
        consumer = await bus.consumer([TRADES.name])
        first = await consumer.poll(100, 0)
        assert len(first) == 100
        assert {r.partition for r in first} == {0, 1, 11}


async def test_partitions_take_turns_when_polls_are_smaller_than_their_number(
    tmp_path: Path,
) -> None:
    async with await EmbeddedBus.open(tmp_path) as bus:
        await bus.send([record(n, partition=p) for p in range(12) for n in range(5)])
        consumer = await bus.consumer([TRADES.name])
        turns = [(await consumer.poll(1, 0))[0].partition for _ in range(24)]
        assert turns == [*range(12), *range(12)]


async def test_a_poll_is_limited_in_bytes(tmp_path: Path) -> None:
    settings = EmbeddedBusSettings(poll_bytes=10_000)
    async with await EmbeddedBus.open(tmp_path, settings=settings) as bus:
        await bus.send([record(n, partition=n % 2, size=2_000) for n in range(40)])
        consumer = await bus.consumer([TRADES.name])
        sizes = []
        while records := await consumer.poll(1_000, 0):
            sizes.append(sum(len(r.key) + len(r.value or b"") for r in records))
    assert sum(sizes) == 40 * 2_003
    assert max(sizes) <= 10_000 + 2_003


async def test_a_record_above_the_poll_limit_still_comes(tmp_path: Path) -> None:
    settings = EmbeddedBusSettings(poll_bytes=1_000)
    async with await EmbeddedBus.open(tmp_path, settings=settings) as bus:
        await bus.send([record(n, size=5_000) for n in range(2)])
        consumer = await bus.consumer([TRADES.name])
        assert [len(await consumer.poll(10, 0)) for _ in range(3)] == [1, 1, 0]


async def test_a_seek_wins_over_a_poll_that_is_under_way(tmp_path: Path) -> None:
    async with await EmbeddedBus.open(tmp_path) as bus:
        await bus.send([record(n) for n in range(10)])
        consumer = await bus.consumer([TRADES.name])
        polling = asyncio.create_task(consumer.poll(5, DEADLINE_SECONDS))
        await asyncio.sleep(0)
        consumer.seek(TRADES.name, 0, 7)
        assert [r.offset for r in await polling] == [7, 8, 9]
        assert consumer.position(TRADES.name, 0) == 10


async def test_a_cancelled_poll_loses_nothing(tmp_path: Path) -> None:
    async with await EmbeddedBus.open(tmp_path) as bus:
        await bus.send([record(n) for n in range(3)])
        consumer = await bus.consumer([TRADES.name])
        polling = asyncio.create_task(consumer.poll(5, DEADLINE_SECONDS))
        await asyncio.sleep(0)
        polling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await polling
        assert [r.offset for r in await consumer.poll(5, 0)] == [0, 1, 2]


async def test_a_poll_hears_of_another_connections_record_soon(tmp_path: Path) -> None:
    async with await EmbeddedBus.open(tmp_path) as mine, await EmbeddedBus.open(tmp_path) as other:
        consumer = await mine.consumer([TRADES.name])
        delays = []
        for number in range(10):
            polling = asyncio.create_task(consumer.poll(5, DEADLINE_SECONDS))
            await other.send([record(number)])
            sent = time.monotonic()
            assert len(await polling) == 1
            delays.append(time.monotonic() - sent)
    assert min(delays) < 0.2


async def test_a_send_of_the_same_process_wakes_a_poll_without_looking_at_the_file(
    tmp_path: Path,
) -> None:
    settings = EmbeddedBusSettings(wake_interval_seconds=2 * DEADLINE_SECONDS)
    async with await EmbeddedBus.open(tmp_path, settings=settings) as bus:
        consumer = await bus.consumer([TRADES.name])
        polling = asyncio.create_task(consumer.poll(5, DEADLINE_SECONDS))
        for _ in range(20):
            await bus.end_offsets(TRADES.name)
        await bus.send([record(0)])
        assert len(await polling) == 1


def test_a_transaction_that_breaks_in_its_middle_leaves_nothing(tmp_path: Path) -> None:
    log, connection = open_log(tmp_path, EmbeddedBusSettings(), TOPICS, time.time)
    number = log.numbers[TRADES.name, 0]
    broken = Append([Entry(number, False, time_us, b"BTC", b"x") for time_us in (1, 2**70)], 8)
    writer = Writer(log, connection, lambda: None)
    writer.submit(broken)
    with pytest.raises(BusError, match=f"{tmp_path}.*too large"):
        broken.answer.result(DEADLINE_SECONDS)
    after = Append([Entry(number, False, 3, b"BTC", b"x")], 4)
    writer.submit(after)
    assert after.answer.result(DEADLINE_SECONDS) == [0]
    writer.close()
    reading = log.connect()
    assert [row[0] for row in reading.execute("SELECT timestamp_us FROM records")] == [3]
    reading.close()


async def test_sends_that_wait_share_one_transaction(tmp_path: Path) -> None:
    log, connection = open_log(tmp_path, EmbeddedBusSettings(), TOPICS, time.time)
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    number = log.numbers[TRADES.name, 0]
    jobs = [Append([Entry(number, False, n, b"BTC", b"x")], 4) for n in range(100)]
    other = hold_lock(tmp_path)
    writer = Writer(log, connection, lambda: None)
    for job in jobs:
        writer.submit(job)
    other.close()
    offsets = [job.answer.result(DEADLINE_SECONDS) for job in jobs]
    writer.close()
    assert offsets == [[n] for n in range(100)]
    transactions = "\n".join(statements).split("COMMIT")
    assert sum("INSERT INTO records" in transaction for transaction in transactions) <= 3


async def test_a_job_after_the_writer_has_ended_is_refused(tmp_path: Path) -> None:
    writer = Writer(*open_log(tmp_path, EmbeddedBusSettings(), TOPICS, time.time), lambda: None)
    writer.close()
    late = Append([], 0, Future())
    writer.submit(late)
    with pytest.raises(BusError, match="closed"):
        late.answer.result(DEADLINE_SECONDS)


def test_a_send_cancelled_while_it_waits_is_not_appended(tmp_path: Path) -> None:
    log, connection = open_log(tmp_path, EmbeddedBusSettings(), TOPICS, time.time)
    number = log.numbers[TRADES.name, 0]
    first, second = (Append([Entry(number, False, n, b"BTC", b"x")], 4) for n in range(2))
    other = hold_lock(tmp_path)
    writer = Writer(log, connection, lambda: None)
    writer.submit(first)
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not first.answer.running():
        assert time.monotonic() < deadline
    writer.submit(second)
    assert second.answer.cancel()
    other.close()
    assert first.answer.result(DEADLINE_SECONDS) == [0]
    writer.close()
    reading = log.connect()
    assert [row[0] for row in reading.execute("SELECT timestamp_us FROM records")] == [0]
    reading.close()


async def test_closing_finishes_what_was_sent(tmp_path: Path) -> None:
    bus = await EmbeddedBus.open(tmp_path)
    sends = [asyncio.create_task(bus.send([record(n)])) for n in range(20)]
    await asyncio.sleep(0)
    await bus.close()
    assert await asyncio.gather(*sends) == [[n] for n in range(20)]


async def test_closing_ends_a_waiting_poll_with_an_error(tmp_path: Path) -> None:
    bus = await EmbeddedBus.open(tmp_path)
    consumer = await bus.consumer([TRADES.name])
    polling = asyncio.create_task(consumer.poll(1, DEADLINE_SECONDS))
    await asyncio.sleep(0)
    await bus.close()
    with pytest.raises(BusError, match="closed"):
        await polling


async def test_more_sends_than_places_all_get_their_turn(tmp_path: Path) -> None:
    settings = EmbeddedBusSettings(waiting_sends=2)
    async with await EmbeddedBus.open(tmp_path, settings=settings) as bus:
        answers = await asyncio.gather(*(bus.send([record(n)]) for n in range(30)))
    assert answers == [[n] for n in range(30)]


async def test_an_oversized_record_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    settings = EmbeddedBusSettings(record_bytes=1_000)
    async with await EmbeddedBus.open(tmp_path, settings=settings) as bus:
        with pytest.raises(PayloadError, match=r"oversized.*1001 bytes, limit 1000"):
            await bus.send([record(0), record(1, size=998)])
        assert await bus.send([record(2, size=997)]) == [0]


async def test_a_time_beyond_64_bits_is_refused(tmp_path: Path) -> None:
    async with await EmbeddedBus.open(tmp_path) as bus:
        with pytest.raises(PayloadError, match="invalid_time"):
            await bus.send([Outgoing(TRADES.name, b"BTC", b"", 2**63)])


@pytest.mark.parametrize("offset", [-1, 2**48])
async def test_an_impossible_offset_is_refused(tmp_path: Path, offset: int) -> None:
    async with await EmbeddedBus.open(tmp_path) as bus:
        consumer = await bus.consumer([TRADES.name], group="g")
        with pytest.raises(ConfigurationError, match="no offset"):
            consumer.seek(TRADES.name, 0, offset)
        with pytest.raises(ConfigurationError, match="no offset"):
            await consumer.commit({(TRADES.name, 0): offset})


async def test_a_partition_that_is_not_read_can_be_neither_sought_nor_asked(tmp_path: Path) -> None:
    async with await EmbeddedBus.open(tmp_path) as bus:
        consumer = await bus.consumer([TRADES.name], partitions=[1])
        with pytest.raises(ConfigurationError, match="does not read"):
            consumer.seek(TRADES.name, 2, 0)
        with pytest.raises(ConfigurationError, match="does not read"):
            consumer.position(TRADES.name, 2)


async def test_a_consumer_of_nothing_is_refused(tmp_path: Path) -> None:
    async with await EmbeddedBus.open(tmp_path) as bus:
        with pytest.raises(ConfigurationError, match="at least one"):
            await bus.consumer([])
        consumer = await bus.consumer([TRADES.name])
        with pytest.raises(ConfigurationError, match="max_records"):
            await consumer.poll(0, 0)


async def test_sends_are_counted(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    async with await EmbeddedBus.open(tmp_path, metrics=BusMetrics(registry)) as bus:
        await bus.send([record(0), record(1)])
    labels = {"topic": TRADES.name}
    assert registry.get_sample_value("perptape_bus_sent_records_total", labels) == 2
    assert registry.get_sample_value("perptape_bus_sent_bytes_total", labels) == 26
    assert registry.get_sample_value("perptape_bus_send_seconds_count") == 1


async def test_the_epoch_counts_minutes_from_2020(tmp_path: Path) -> None:
    async with await EmbeddedBus.open(tmp_path / "a", clock=lambda: 1_577_836_800 + 119) as bus:
        assert bus.epoch == 1
    async with await EmbeddedBus.open(tmp_path / "a", clock=lambda: 1_900_000_000) as bus:
        assert bus.epoch == 1
    async with await EmbeddedBus.open(tmp_path / "b", clock=lambda: 0) as bus:
        assert bus.epoch == 0


async def test_a_file_in_the_place_of_the_directory_is_a_configuration_error(
    tmp_path: Path,
) -> None:
    (tmp_path / "log").write_text("")
    with pytest.raises(ConfigurationError, match=f"{tmp_path / 'log'}.*needs a directory"):
        await EmbeddedBus.open(tmp_path / "log")


async def test_a_file_that_is_no_database_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"not a database at all, but long enough " * 100)
    with pytest.raises(ConfigurationError, match=f"{tmp_path}.*not a log of perptape"):
        await EmbeddedBus.open(tmp_path)


async def test_the_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / FILE_NAME) as other:
        other.execute("CREATE TABLE theirs (x)")
    other.close()
    before = (tmp_path / FILE_NAME).read_bytes()
    with pytest.raises(ConfigurationError, match=f"{tmp_path}.*another program"):
        await EmbeddedBus.open(tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes() == before


async def test_a_newer_format_is_refused_by_its_number(tmp_path: Path) -> None:
    await (await EmbeddedBus.open(tmp_path)).close()
    with sqlite3.connect(tmp_path / FILE_NAME) as other:
        other.execute("PRAGMA user_version = 99")
    other.close()
    with pytest.raises(ConfigurationError, match=r"newer perptape \(format 99"):
        await EmbeddedBus.open(tmp_path)


async def test_other_partition_counts_are_refused(tmp_path: Path) -> None:
    fewer: Mapping[str, Topic] = {TRADES.name: replace(TRADES, partitions=4)}
    await (await EmbeddedBus.open(tmp_path, topics=fewer)).close()
    with pytest.raises(ConfigurationError, match="4 partitions here and 12"):
        await EmbeddedBus.open(tmp_path)


async def test_topics_that_are_new_in_the_registry_are_added(tmp_path: Path) -> None:
    async with await EmbeddedBus.open(tmp_path, topics={TRADES.name: TRADES}) as bus:
        await bus.send([record(0)])
    async with await EmbeddedBus.open(tmp_path) as bus:
        assert {name: sum(await bus.end_offsets(name)) for name in TOPICS} == {
            name: int(name == TRADES.name) for name in TOPICS
        }


async def test_a_file_damaged_in_its_middle_is_a_bus_error_on_reading(tmp_path: Path) -> None:
    async with await EmbeddedBus.open(tmp_path) as bus:
        await bus.send([record(n, size=2_000) for n in range(500)])
    path = tmp_path / FILE_NAME
    content = bytearray(path.read_bytes())
    content[len(content) // 4 : len(content) * 3 // 4] = b"\xff" * (len(content) // 2)
    path.write_bytes(content)
    async with await EmbeddedBus.open(tmp_path) as bus:
        consumer = await bus.consumer([TRADES.name])
        with pytest.raises(BusError, match=f"{tmp_path}.*damaged"):
            await consumer.poll(500, 0)


async def test_a_full_disk_appends_nothing_and_leaves_the_log_usable(tmp_path: Path) -> None:
    settings = EmbeddedBusSettings(file_bytes=1_000_000)
    async with await EmbeddedBus.open(tmp_path, settings=settings) as bus:
        held = await bus.send([record(n, size=2_000) for n in range(100)])
        with pytest.raises(BusError, match=f"{tmp_path}.*full"):
            await bus.send([record(n, size=2_000) for n in range(1_000)])
        assert (await bus.end_offsets(TRADES.name))[0] == len(held)
        assert await bus.send([record(0)]) == [len(held)]
        consumer = await bus.consumer([TRADES.name])
        assert len(await consumer.poll(1_000, 0)) == len(held) + 1


async def test_a_lock_held_for_too_long_is_a_bus_error_and_passes(tmp_path: Path) -> None:
    settings = EmbeddedBusSettings(lock_timeout_seconds=0.1)
    async with await EmbeddedBus.open(tmp_path, settings=settings) as bus:
        other = hold_lock(tmp_path)
        try:
            with pytest.raises(BusError, match=f"{tmp_path}.*held the write lock"):
                await bus.send([record(0)])
        finally:
            other.close()
        assert await bus.send([record(1)]) == [0]


async def test_the_write_ahead_log_stays_bounded(tmp_path: Path) -> None:
    settings = EmbeddedBusSettings(wal_bytes=2**20, maintenance_seconds=0.01)
    async with await EmbeddedBus.open(tmp_path, settings=settings) as bus:
        for start in range(0, 4_000, 200):
            await bus.send([record(start + n, size=2_000) for n in range(200)])
        wal = tmp_path / f"{FILE_NAME}-wal"
        deadline = time.monotonic() + DEADLINE_SECONDS
        while wal.stat().st_size > 2**20:
            assert time.monotonic() < deadline
            await bus.end_offsets(TRADES.name)


@pytest.mark.parametrize("second", range(-1, 13))
async def test_a_time_of_appends_is_found_also_where_records_are_gone(
    tmp_path: Path, second: int
) -> None:
    times = [0, 0, 2, 3, 3, 3, 7, 8, 11]
    ticks = iter(times)
    now = 0.0
    async with await EmbeddedBus.open(tmp_path, clock=lambda: now) as bus:
        for time_s in ticks:
            now = float(time_s)
            await bus.send([Outgoing(TRADES.name, b"BTC", b"x", 1, 4)])
        found = (await bus.offsets_at(TRADES.name, second * 1_000_000))[4]
    assert found == next((n for n, time_s in enumerate(times) if time_s >= second), len(times))
