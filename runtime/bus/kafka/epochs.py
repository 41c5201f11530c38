"""When the topics of a cluster were made: a number that leads every revision."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import msgspec
from aiokafka import TopicPartition

from runtime.bus.kafka.clients import Consumer, Producer
from runtime.bus.kafka.connection import reach
from runtime.bus.kafka.failures import explained
from runtime.errors import BusError
from schemas.lineage import EPOCH_LIMIT, epoch_at
from schemas.ops import Epoch
from schemas.topics import EPOCHS

_KEY = b"log"
_READING = "reading the epoch"
_WRITING = "writing the epoch"
_LOOK_MS = 1000


async def read_epoch(options: Mapping[str, Any], seconds: float) -> Epoch | None:
    """Return the newest epoch that is on record, None where there is none.

    Args:
        options: what every client is made with.
        seconds: how long it may take.

    Raises:
        BusError: it cannot be read.
        ConfigurationError: we may not.
    """
    consumer = Consumer(**await reach(options), enable_auto_commit=False)
    try:
        with explained(_READING):
            await consumer.start()
            async with asyncio.timeout(seconds):
                return await _newest(consumer)
    finally:
        await consumer.leave(seconds)


async def _newest(consumer: Consumer) -> Epoch | None:
    place = TopicPartition(EPOCHS.name, 0)
    newest: bytes | None = None
    consumer.assign([place])
    await consumer.seek_to_beginning(place)
    end = (await consumer.end_offsets([place]))[place]
    while await consumer.position(place) < end:
        fetched = await consumer.getmany(place, timeout_ms=_LOOK_MS)
        for record in fetched.get(place, []):
            newest = newest if record.value is None else record.value
    if newest is None:
        return None
    try:
        return msgspec.json.decode(newest, type=Epoch)
    except msgspec.MsgspecError as error:
        raise BusError(f"{EPOCHS.name}: not an epoch: {error}") from error


async def begin_epoch(
    options: Mapping[str, Any], seconds: float, made: set[str], topics: set[str]
) -> None:
    """Begin an epoch for a new log, and for one that lost a topic that it had.

    A log that got a topic more keeps its epoch.

    Args:
        options: what every client is made with.
        seconds: how long it may take to read, and to write.
        made: the topics that have just been made.
        topics: all that there are.

    Raises:
        BusError: it cannot be read or written.
        ConfigurationError: we may not.
    """
    before = await read_epoch(options, seconds)
    known = set(before.topics) if before else set()
    if before is not None and not known & made and known >= topics:
        return
    now = time.time()
    epoch = epoch_at(now)
    if before is not None:
        epoch = max(epoch, before.epoch + 1) if known & made else before.epoch
    record = Epoch(
        epoch=min(epoch, EPOCH_LIMIT - 1), created_us=int(now * 1e6), topics=sorted(topics)
    )
    producer = Producer(**await reach(options), acks="all", enable_idempotence=True)
    try:
        with explained(_WRITING):
            async with asyncio.timeout(seconds):
                await producer.start()
                await producer.send_and_wait(EPOCHS.name, msgspec.json.encode(record), _KEY)
    finally:
        await producer.throw_away()
