"""Sending to Kafka: in order, awaited, with a producer that can be replaced.

The producer is idempotent, which keeps the order of a partition while it repeats what was not
answered. One that was fenced or lost count of its numbers never sends again, and one that got no
answer in time may still hold records: either is thrown away, with all that it holds, and the caller
sends the same records again through the next one. So a record may be there twice, which its
identity tells, but none is missing and none is overtaken by a later one.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import RecordMetadata

from runtime.bus.kafka.failures import explain, explained
from runtime.bus.protocol import Outgoing, TopicPartition
from runtime.errors import BusError, PerptapeError

_log = structlog.get_logger(__name__)

BATCH_BYTES = 512 * 1024
"""Uncompressed; a larger record is a batch of its own."""

WAITING_BYTES = 32 * 2**20
"""How much may be on its way at once; beyond, senders wait for their turn."""

DISCARD_SECONDS = 5.0
Headers = Sequence[tuple[str, bytes]]
Answer = asyncio.Future[RecordMetadata]


class KafkaSender:
    """Appends records; one for each bus.

    Args:
        options: what every client is made with.
        timeout_seconds: after so long without an answer a send has failed.
        headers: what the records of each topic carry.
        most_bytes: the largest request.
    """

    def __init__(
        self,
        options: dict[str, Any],
        timeout_seconds: float,
        headers: Mapping[str, Headers],
        most_bytes: int,
    ) -> None:
        self._options = options
        self._timeout_seconds = timeout_seconds
        self._headers = {topic: list(pairs) for topic, pairs in headers.items()}
        self._most_bytes = most_bytes
        self._where = ",".join(options["bootstrap_servers"])
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._room = Room(WAITING_BYTES)
        self._closed = False

    async def start(self) -> None:
        """Connect.

        Raises:
            BusError: no broker answers.
            ConfigurationError: they will not have us.
        """
        await self._current()

    async def send(self, records: Sequence[tuple[Outgoing, int]]) -> list[int]:
        """Append records, each with its partition, in order; return their offsets.

        An offset is -1 where the broker knows that it has the record but no longer where.

        Raises:
            BusError: not all were answered; all of them may be sent again.
            PayloadError: one is refused for what it is.
            ConfigurationError: we may not write there.
        """
        size = sum(len(record.key) + len(record.value or b"") for record, _ in records)
        async with self._room.take(size):
            producer = await self._current()
            batches = self._batches(producer, records)
            try:
                async with asyncio.timeout(self._timeout_seconds):
                    answers = [
                        await producer.send_batch(builder, topic, partition=partition)
                        for (topic, partition), builder, _ in batches
                    ]
                    firsts = [(await answer).offset for answer in answers]
            except TimeoutError:
                text = f"{self._where}: no answer within {self._timeout_seconds:g} s"
                await self._replace(producer, text)
                raise BusError(text) from None
            except (KafkaError, OSError) as error:
                reason = explain(error, self._where)
                await self._replace(producer, str(reason))
                raise reason from error
            except asyncio.CancelledError:
                await self._replace(producer, "a send was cancelled")
                raise
        offsets = [-1] * len(records)
        for first, (_, _, places) in zip(firsts, batches, strict=True):
            for number, place in enumerate(places):
                offsets[place] = first + number if first >= 0 else -1
        return offsets

    def _batches(
        self, producer: AIOKafkaProducer, records: Sequence[tuple[Outgoing, int]]
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
            headers=self._headers[record.topic],
        )
        return added is not None

    async def close(self) -> None:
        """Send what is on its way and close the connections."""
        self._closed = True
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                async with asyncio.timeout(self._timeout_seconds):
                    await producer.stop()
            except (TimeoutError, KafkaError) as error:
                _log.warning("producer_not_flushed", error=repr(error))
                await _discard(producer)

    async def _current(self) -> AIOKafkaProducer:
        if self._closed:
            raise BusError("the bus is closed")
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **self._options,
                    acks="all",
                    enable_idempotence=True,
                    compression_type="zstd",
                    linger_ms=0,
                    max_batch_size=BATCH_BYTES,
                    max_request_size=self._most_bytes,
                    request_timeout_ms=int(self._timeout_seconds * 1000),
                )
                try:
                    with explained(self._where):
                        async with asyncio.timeout(self._timeout_seconds):
                            await producer.start()
                except PerptapeError:
                    await _discard(producer)
                    raise
                self._producer = producer
            return self._producer

    async def _replace(self, producer: AIOKafkaProducer, why: str) -> None:
        """Throw a producer away; the next send makes another."""
        if self._producer is producer:
            self._producer = None
            _log.warning("producer_replaced", reason=why)
            await _discard(producer)


async def _discard(producer: AIOKafkaProducer) -> None:
    """Stop a producer without sending what it holds.

    Its own `stop` would try to, for as long as the brokers are away. The parts used here are
    private to aiokafka 0.14.
    """
    accumulator, sender = producer._message_accumulator, producer._sender
    accumulator.fail_all(KafkaConnectionError("the producer was replaced"))
    try:
        async with asyncio.timeout(DISCARD_SECONDS):
            await producer.client.close()  # requests on their way end here
            if sender is not None and sender.sender_task is not None:
                sender.sender_task.cancel()
                await asyncio.wait([sender.sender_task])
            await producer.stop()
    except (TimeoutError, KafkaError) as error:
        _log.warning("producer_not_stopped", error=repr(error))


class Room:
    """A number of bytes that are shared in the order of asking; what is larger waits for all.

    Args:
        most: how many there are.
    """

    def __init__(self, most: int) -> None:
        self._most = self._free = most
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def take(self, size: int) -> AsyncIterator[None]:
        """Wait for so much room and hold it."""
        wanted = min(size, self._most)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((wanted, turn))
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._free += wanted
            self._admit()
            raise
        try:
            yield
        finally:
            self._free += wanted
            self._admit()

    def _admit(self) -> None:
        while self._queue and (self._queue[0][1].cancelled() or self._queue[0][0] <= self._free):
            wanted, turn = self._queue.popleft()
            if not turn.cancelled():
                self._free -= wanted
                turn.set_result(None)
