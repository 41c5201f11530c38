"""Sending to Kafka: in order, awaited, with a producer that can be replaced.

The producer is idempotent, which keeps the order of a partition while it repeats what was not
answered. One that was fenced or lost count of its numbers never sends again, and one that got no
answer in time may still hold records: either is thrown away, with all that it holds, and the caller
sends the same records again through the next one. So a record may be there twice, which its
identity tells, but none is missing and none is overtaken by a later one.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder

from runtime.bus.kafka.clients import Producer, seen
from runtime.bus.kafka.connection import reach
from runtime.bus.kafka.failures import explain, explained
from runtime.bus.kafka.room import Room
from runtime.bus.protocol import Outgoing, TopicPartition
from runtime.errors import BusError, ConfigurationError

_log = structlog.get_logger(__name__)

BATCH_BYTES = 512 * 1024
"""Uncompressed; a larger record is a batch of its own."""

WAITING_BYTES = 32 * 2**20
"""How much may be on its way at once; beyond, senders wait for their turn."""

CLOSE_SECONDS = 5.0
"""How long the end waits for what is on its way."""

_CLOSED = "the bus is closed"
Headers = Sequence[tuple[str, bytes]]
Placed = Sequence[tuple[Outgoing, int]]


class KafkaSender:
    """Appends records; one for each bus.

    Args:
        options: what every client is made with.
        timeout_seconds: after so long without an answer a send has failed; the time that it waits
            for room is not counted.
        headers: what a record carries beside its value.
    """

    def __init__(
        self,
        options: Mapping[str, Any],
        timeout_seconds: float,
        headers: Callable[[Outgoing], Headers],
    ) -> None:
        self._options = options
        self._timeout_seconds = timeout_seconds
        self._headers = headers
        self._where = ", ".join(options["bootstrap_servers"])
        self._producer: Producer | None = None
        self._start: asyncio.Task[Producer] | None = None
        self._room = Room(WAITING_BYTES)
        self._deliveries: set[asyncio.Task[list[int]]] = set()
        self._served: set[str] = set()
        """Topics that have taken records of ours."""
        self._closed = False

    async def start(self) -> None:
        """Connect.

        Raises:
            BusError: no broker answers.
            ConfigurationError: they will not have us.
        """
        self._producer = await self._made()

    async def send(self, records: Placed) -> list[int]:
        """Append records, each with its partition, in order; return their offsets.

        An offset is -1 where the broker knows that it has the record but no longer where. When it
        is cancelled the records stay on their way: they are there later, or they are not.

        Raises:
            BusError: not all were answered; all of them may be sent again.
            ConfigurationError: we may not write there, and never could.
        """
        size = sum(len(record.key) + len(record.value or b"") for record, _ in records)
        taken = await self._room.enter(size)
        delivery = asyncio.create_task(self._deliver(records))
        self._deliveries.add(delivery)

        def over(done: asyncio.Task[list[int]]) -> None:
            self._deliveries.discard(done)
            self._room.leave(taken)
            seen(done)  # whoever sent it may have been cancelled

        delivery.add_done_callback(over)
        return await asyncio.shield(delivery)

    async def close(self) -> None:
        """Wait for what is on its way, for a while, and close the connections."""
        self._closed = True
        if self._deliveries:
            await asyncio.wait(self._deliveries, timeout=CLOSE_SECONDS)
        if self._start is not None:
            self._start.cancel()
            await asyncio.wait([self._start])
        await self._replace(self._producer)
        if self._deliveries:
            await asyncio.wait(self._deliveries)

    async def _deliver(self, records: Placed) -> list[int]:
        producer: Producer | None = None
        topics = {record.topic for record, _ in records}
        try:
            async with asyncio.timeout(self._timeout_seconds):
                producer = await self._current()
                batches = self._batches(producer, records)
                answers = [
                    await producer.append(builder, *partition) for partition, builder, _ in batches
                ]
                firsts = [(await answer).offset for answer in answers]
        except TimeoutError:
            trouble = f" ({producer.trouble})" if producer and producer.trouble else ""
            text = f"{self._where}: no answer within {self._timeout_seconds:g} s{trouble}"
            await self._replace(producer, text)
            raise BusError(text) from None
        except (KafkaError, OSError) as error:
            reason = explain(error, self._where)
            await self._replace(producer, str(reason))
            if self._served.issuperset(topics):
                raise BusError(str(reason)) from error  # as for a login that is being changed
            raise reason from error
        self._served |= topics
        offsets = [-1] * len(records)
        for first, (_, _, places) in zip(firsts, batches, strict=True):
            for number, place in enumerate(places):
                offsets[place] = first + number if first >= 0 else -1
        return offsets

    def _batches(
        self, producer: Producer, records: Placed
    ) -> list[tuple[TopicPartition, BatchBuilder, list[int]]]:
        """Return the records as batches, each of one partition, with their places in `records`."""
        batches: list[tuple[TopicPartition, BatchBuilder, list[int]]] = []
        open_: dict[TopicPartition, tuple[BatchBuilder, list[int]]] = {}
        for place, (record, number) in enumerate(records):
            partition = (record.topic, number)
            batch = open_.get(partition)
            if batch is None or not self._append(batch[0], record):
                batch = open_[partition] = (producer.create_batch(), [])
                batches.append((partition, *batch))
                self._append(batch[0], record)
            batch[1].append(place)
        for _, builder, _ in batches:
            builder.close()
        return batches

    def _append(self, builder: BatchBuilder, record: Outgoing) -> bool:
        added = builder.append(
            key=record.key,
            value=record.value,
            timestamp=record.timestamp_us // 1000,
            headers=list(self._headers(record)),
        )
        return added is not None

    async def _current(self) -> Producer:
        """Return the producer; where there is none, all who wait share one try to make it."""
        if self._closed:
            raise BusError(_CLOSED)
        if self._producer is not None:
            return self._producer
        if self._start is None:
            self._start = asyncio.create_task(self._made())
            self._start.add_done_callback(self._started)
        start = self._start
        try:
            return await asyncio.shield(start)
        except asyncio.CancelledError:
            if not start.cancelled():
                raise
            raise BusError(_CLOSED) from None
        except ConfigurationError as error:
            # They had us before: a login that is being changed is worth waiting for.
            raise BusError(str(error)) from error

    def _started(self, start: asyncio.Task[Producer]) -> None:
        self._start = None
        if not start.cancelled() and start.exception() is None:
            self._producer = start.result()

    async def _made(self) -> Producer:
        producer = Producer(
            **await reach(self._options),
            acks="all",
            enable_idempotence=True,
            compression_type="zstd",
            linger_ms=0,
            max_batch_size=BATCH_BYTES,
        )
        try:
            with explained(self._where):
                async with asyncio.timeout(self._timeout_seconds):
                    await producer.start()
        except BaseException:
            await producer.throw_away()
            raise
        return producer

    async def _replace(self, producer: Producer | None, why: str = "") -> None:
        """Throw a producer away; the next send makes another."""
        if producer is None or self._producer is not producer:
            return
        self._producer = None
        if why:
            _log.warning("producer_replaced", reason=why)
        await producer.throw_away()
