"""Kafka, workers and tables on one machine, beside the pipeline that one would write first.

A real broker, and the program's own processes: figures are what their counters say. The machine's
cores are shared by the broker, the worker, the sink and whoever feeds them, so that a figure is of
all of them together; the processor time of each is printed beside it. Only trades are fed, and
workers compute footprint and CVD; one line has all of the toolkit on.

    python -m benchmarks.kafka
"""

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from benchmarks.kafka_desk import ROOT, Desk, Service, desk, until
from benchmarks.operators import BATCH, write_log
from processors.asset import EngineParams
from processors.engine import Engine
from processors.partitions import Partitions
from processors.snapshots import Snapshots
from runtime.bus.kafka.bus import KafkaBus
from runtime.bus.protocol import Outgoing
from schemas.lineage import InputRange
from schemas.topics import CVD, FOOTPRINTS, TRADES, partition_of
from schemas.trades import TradeBatch

TRADES_EACH = 600_000
LOG_RATE = 5_000
SEND_RECORDS = 200
NAIVE_TRADES = 60_000
LATENCY_SECONDS = 20
LATENCY_BATCHES = 100
"""A second: 5,000 trades."""

SNAPSHOT_BYTES = 500 * 2**20
RESTORED_TRADES = 50_000
COUNTED = "perptape_processor_trades_total"
STORED = "perptape_sink_rows_total"
ASSETS = ("BTC", "ETH", "SOL", "BNB", "ADA", "LINK", "AVAX", "LTC")
"""Whose common grids admit the quantities of `write_log`."""


class Traced(msgspec.Struct):
    """What every output says of where it came from."""

    inputs: list[InputRange]


def spread(count: int) -> list[str]:
    """Return so many assets that no two of them share a partition."""
    chosen: dict[int, str] = {}
    for asset in ASSETS:
        chosen.setdefault(partition_of(asset.encode(), TRADES.partitions), asset)
    return list(chosen.values())[:count]


def logs(assets: Sequence[str], trades: int) -> list[Outgoing]:
    """Return the batches of these assets, in turns."""
    start_us = time.time_ns() // 1000 - 3_600_000_000
    each = [
        [
            Outgoing(TRADES.name, asset.encode(), value, start_us)
            for value in write_log(trades, LOG_RATE, seed, asset, start_us)
        ]
        for seed, asset in enumerate(assets, 1)
    ]
    return [record for turn in zip(*each, strict=True) for record in turn]


async def feed(bus: KafkaBus, records: Sequence[Outgoing]) -> float:
    """Send records as fast as they go; return the seconds."""
    started = time.perf_counter()
    for first in range(0, len(records), SEND_RECORDS):
        await bus.send(records[first : first + SEND_RECORDS])
    return time.perf_counter() - started


def worker_rate(assets: Sequence[str], host: str) -> dict[str, float]:
    """Return how fast one worker works off a log that is there already."""
    records = logs(assets, TRADES_EACH // len(assets))
    trades = len(records) * BATCH
    with desk() as running:

        async def fill() -> float:
            async with running.bus() as bus:
                return await feed(bus, records)

        filled = asyncio.run(fill())
        worker = _worker(running, host)
        passed = until(worker, COUNTED, trades)
        return {
            "partitions": len(assets),
            "produced": trades / filled,
            "worked": trades / (passed.ended - passed.began),
            "cpu": passed.cores,
        }


def _worker(running: Desk, host: str, *, toolkit: bool = False) -> Service:
    return running.start("process", "--host", host, PERPTAPE_TOOLKIT=str(toolkit))


def whole_path(assets: Sequence[str], host: str, *, toolkit: bool = False) -> dict[str, float]:
    """Return the pace of feeder, broker, worker and sink at once, from the first to the last."""
    records = logs(assets, 2 * TRADES_EACH // len(assets))
    trades = len(records) * BATCH
    with desk() as running:
        worker = _worker(running, host, toolkit=toolkit)
        sink = running.start("sink", "clickhouse")
        _ready([worker, sink])

        async def fill() -> float:
            async with running.bus() as bus:
                return await feed(bus, records)

        before = {name: one.cpu_seconds() for name, one in (("worker", worker), ("sink", sink))}
        started = time.monotonic()
        asyncio.run(fill())
        worked = until(worker, COUNTED, trades).ended
        stored = until(sink, STORED, trades, table="trades_log").ended
        passed = max(worked, stored) - started
        return {
            "trades": trades / passed,
            "worker": (worker.cpu_seconds() - before["worker"]) / passed,
            "sink": (sink.cpu_seconds() - before["sink"]) / passed,
        }


def _ready(services: Iterable[Service]) -> None:
    for service in services:
        until(service, "process_cpu_seconds_total", 0.1)
    time.sleep(8)  # joined, and the store is open


def naive_rate() -> float:
    """Return the trades a second of a stock Faust agent with one JSON message a trade."""
    messages = []
    for value in write_log(NAIVE_TRADES, LOG_RATE):
        batch = msgspec.json.decode(value, type=TradeBatch)
        for _, price, qty, side, trade_id, _ in batch.rows:
            message = {
                "venue": batch.venue,
                "symbol": batch.symbol,
                "price": str(price),
                "qty": str(qty),
                "side": "buy" if side > 0 else "sell",
                "id": trade_id,
            }
            messages.append(json.dumps(message).encode())
    with desk() as running:
        bootstrap = running.bus_name.removeprefix("kafka://")
        asyncio.run(_fill_naive(bootstrap, messages))
        words = ("-m", "benchmarks.kafka_naive", bootstrap, "naive", str(len(messages)))
        done = subprocess.run(  # noqa: S603  # our own program
            [sys.executable, *words], cwd=ROOT, capture_output=True, timeout=300, check=True
        )
        return len(messages) / float(json.loads(done.stdout.splitlines()[-1])["seconds"])


async def _fill_naive(bootstrap: str, messages: Sequence[bytes]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic("naive", 1, 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=20, max_batch_size=2**18)
    await producer.start()
    for first in range(0, len(messages), 1000):
        sent = [await producer.send("naive", one) for one in messages[first : first + 1000]]
        await asyncio.gather(*sent)
    await producer.stop()


def latency(host: str) -> dict[str, float]:
    """Return milliseconds from a batch's receipt to an output of it in a subscriber's hands."""
    with desk() as running:
        worker = _worker(running, host)
        _ready([worker])
        delays = sorted(asyncio.run(_delays(running)))
    return {
        "outputs": len(delays),
        "p50": statistics.median(delays),
        "p99": delays[int(len(delays) * 0.99)],
    }


async def _delays(running: Desk) -> list[float]:
    """Send at a steady pace, stamped when sent, and note when outputs of each record come back."""
    now_us = time.time_ns() // 1000
    batches = [
        msgspec.json.decode(value, type=TradeBatch)
        for value in write_log(
            LATENCY_SECONDS * LATENCY_BATCHES * BATCH, LATENCY_BATCHES * BATCH, 1, "BTC", now_us
        )
    ]
    sent: dict[int, float] = {}
    delays: list[float] = []
    async with running.bus() as bus:
        consumer = await bus.consumer([FOOTPRINTS.name, CVD.name])

        async def send() -> None:
            started = time.monotonic()
            for number, batch in enumerate(batches):
                due = started + number / LATENCY_BATCHES
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                received = time.monotonic()
                stamped = msgspec.structs.replace(batch, receive_time_us=time.time_ns() // 1000)
                value = msgspec.json.encode(stamped)
                record = Outgoing(TRADES.name, b"BTC", value, stamped.receive_time_us)
                [offset] = await bus.send([record])
                sent[offset] = received

        sending = asyncio.create_task(send())
        while not sending.done():
            for record in await consumer.poll(500, 0.1):
                now = time.monotonic()
                output = msgspec.json.decode(record.value or b"", type=Traced)
                if output.inputs and (began := sent.get(output.inputs[-1].last_offset)):
                    delays.append((now - began) * 1000)
        await sending
        await consumer.close()
    return delays


def restore() -> dict[str, float]:
    """Return the seconds in which twelve partitions are restored from a snapshot topic."""
    with desk() as running:
        return asyncio.run(_restore(running))


async def _restore(running: Desk) -> dict[str, float]:
    async with running.bus() as bus:
        params = EngineParams(toolkit=False)
        engines, writers = [], []
        for number in range(TRADES.partitions):
            engine = Engine(params, bus.epoch)
            for offset, value in enumerate(write_log(RESTORED_TRADES, LOG_RATE, number)):
                engine.process(TRADES.name, number, offset, value)
            engines.append(engine)
            writers.append(Snapshots(bus, number, TRADES.name))
        written = 0
        while written < SNAPSHOT_BYTES:
            for writer, engine in zip(writers, engines, strict=True):
                written += await writer.write(engine)
        started = time.perf_counter()
        partitions = Partitions(bus, params)
        await partitions.take(range(TRADES.partitions))
        seconds = time.perf_counter() - started
        if partitions.trades != TRADES.partitions * RESTORED_TRADES:
            raise RuntimeError("the snapshots were not restored")
        return {"bytes": written, "seconds": seconds}


def main() -> None:
    """Print every table."""
    print("one worker, a log that is there: batches of 50")
    print(f"{'host':<8}{'partitions':>11}{'produced/s':>14}{'trades/s':>12}{'cores':>8}")
    for host in ("plain", "faust"):
        for count in (1, 2, 4):
            row = worker_rate(spread(count), host)
            print(
                f"{host:<8}{row['partitions']:>11.0f}{row['produced']:>14,.0f}"
                f"{row['worked']:>12,.0f}{row['cpu']:>8.2f}"
            )
    naive = naive_rate()
    print(f"\none JSON message a trade, stock Faust agent: {naive:,.0f} trades/s")
    for host, toolkit in (("plain", False), ("faust", False), ("faust", True)):
        row = whole_path(spread(4), host, toolkit=toolkit)
        what = f"{host}, toolkit" if toolkit else host
        print(
            f"feeder to tables, {what}: {row['trades']:,.0f} trades/s, "
            f"{row['trades'] / naive:.1f} x; cores: worker {row['worker']:.2f}, "
            f"sink {row['sink']:.2f}"
        )
    for host in ("plain", "faust"):
        row = latency(host)
        print(
            f"receipt to output, {LATENCY_BATCHES * BATCH:,} trades/s, {host}, "
            f"{row['outputs']:,.0f} outputs: p50 {row['p50']:.1f} ms, p99 {row['p99']:.1f} ms"
        )
    row = restore()
    print(f"restore from {row['bytes'] / 2**20:,.0f} MiB of snapshots: {row['seconds']:.1f} s")


if __name__ == "__main__":
    main()
