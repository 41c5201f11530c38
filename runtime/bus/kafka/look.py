"""Look at the log on Kafka from outside: no group is joined, nothing sent, nothing committed.

Only a client that administers and a consumer without a group are used; what a group has committed
is asked of its coordinator.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord

from runtime.bus.kafka.clients import Admin, Consumer, Fetched, Offsets
from runtime.bus.kafka.connection import reach
from runtime.bus.kafka.failures import explained
from runtime.bus.kafka.settings import KafkaSettings, brokers_of, client_options
from runtime.bus.kafka.topics import Difference, TopicAdmin
from runtime.bus.look import (
    LETTERS,
    LETTERS_US,
    LogSeen,
    Saved,
    Seen,
    Waiting,
    partitions_saved,
    reason_of,
    topic_seen,
)
from schemas.topics import ALERTS, DEADLETTER, TOPICS, Topic

SECONDS = 5.0
"""How long one question may take."""

READ_SECONDS = 3.0
"""How long records are waited for; a partition that gives none in time has no newest."""

LOOK_SECONDS = 0.05
US_PER_MS = 1000


async def look(
    bus: str,
    settings: KafkaSettings,
    groups: Mapping[str, Sequence[str]],
    now_us: int,
    topics: Mapping[str, Topic] = TOPICS,
) -> LogSeen:
    """Return what is to be seen of a log.

    Args:
        bus: `kafka://host:port,host:port`.
        settings: how to connect.
        groups: the topics that each group of readers commits to.
        now_us: ends the hour of the dead letters.
        topics: the registry.

    Raises:
        ConfigurationError: the cluster will not have us.
        BusError: no broker answers.
    """
    options = await reach(client_options(brokers_of(bus), settings))
    admin = Admin(**options)
    try:
        with explained(bus):
            await admin.start()
        differences = await TopicAdmin(admin, options, settings, topics).differences(SECONDS / 5)
        found = {group: await _group(admin, group) for group in groups}
    finally:
        await admin.close()
    members = {group: count for group, (count, _) in found.items()}
    committed = {group: offsets for group, (_, offsets) in found.items()}
    there = {name: topics[name] for name in topics if name not in _missing(differences)}
    async with _reading(options) as consumer:
        waiting, seen, saved, letters = await _read(consumer, there, groups, committed, now_us)
    return LogSeen([str(one) for one in differences], seen, waiting, saved, letters, members)


def _missing(differences: Iterable[Difference]) -> set[str]:
    """Return the topics that cannot be read as the registry has them."""
    return {one.topic for one in differences if one.what in ("the topic", "partitions")}


async def _group(admin: Admin, group: str) -> tuple[int, dict[TopicPartition, int]]:
    """Return how many members a group has, and what it has committed."""
    with explained(f"asking for the group {group}"):
        async with asyncio.timeout(SECONDS):
            while True:
                try:
                    members = await admin.members(group)
                    found = await admin.list_consumer_group_offsets(group)
                except KafkaError as error:  # e.g. nobody coordinates on a cluster that is new
                    if not error.retriable:
                        raise
                    await asyncio.sleep(LOOK_SECONDS)
                else:
                    return members, {place: one.offset for place, one in found.items()}


@asynccontextmanager
async def _reading(options: Mapping[str, Any]) -> AsyncIterator[Consumer]:
    consumer = Consumer(**options, enable_auto_commit=False)
    try:
        with explained("reading the log"):
            await consumer.start()
            yield consumer
    finally:
        await consumer.leave(SECONDS)


async def _read(
    consumer: Consumer,
    topics: Mapping[str, Topic],
    groups: Mapping[str, Sequence[str]],
    committed: Mapping[str, Mapping[TopicPartition, int]],
    now_us: int,
) -> tuple[list[Waiting], dict[str, Seen], list[Saved], dict[str, int]]:
    places = [
        TopicPartition(name, number)
        for name, topic in topics.items()
        for number in range(topic.partitions)
    ]
    starts = await consumer.starts(places, SECONDS)
    ends = await consumer.ends(places, SECONDS)
    last = await _at(consumer, {one: ends[one] - 1 for one in places if ends[one] > starts[one]})
    times = {place: record.timestamp * US_PER_MS for place, record in last.items()}
    newest = {place: (time_us, time_us) for place, time_us in times.items()}
    seen = {name: topic_seen(name, newest, ends) for name in topics}
    behind = {
        (group, place): max(committed[group].get(place, 0), starts[place])
        for group in groups
        for place in places
        if place.topic in groups[group]
    }
    oldest = await _at_each(consumer, {one: behind[one] for one in behind if _aged(one[1])}, ends)
    waiting = [
        Waiting(
            group=group,
            topic=place.topic,
            partition=place.partition,
            records=ends[place] - committed[group].get(place, 0),
            oldest_us=_us(oldest.get((group, place))),
        )
        for group, place in behind
    ]
    letters = await _letters(consumer, starts, ends, now_us) if DEADLETTER.name in topics else {}
    return waiting, seen, partitions_saved(newest), letters


def _aged(place: TopicPartition) -> bool:
    """Say whether the time in a record is about that of its append, and not a window's start."""
    topic: str = place.topic
    return topic.startswith("md.norm.") or topic == ALERTS.name


async def _at_each(
    consumer: Consumer, wanted: Mapping[tuple[str, TopicPartition], int], ends: Offsets
) -> dict[tuple[str, TopicPartition], ConsumerRecord]:
    """Return the record at an offset for each group, where there is one."""
    found: dict[tuple[str, TopicPartition], ConsumerRecord] = {}
    for group in {group for group, _ in wanted}:
        mine = {
            place: offset
            for (name, place), offset in wanted.items()
            if name == group and offset < ends[place]
        }
        found |= {(group, place): one for place, one in (await _at(consumer, mine)).items()}
    return found


async def _at(consumer: Consumer, offsets: Offsets) -> dict[TopicPartition, ConsumerRecord]:
    """Return the first record of each partition from an offset on, of those that come in time."""
    found: dict[TopicPartition, ConsumerRecord] = {}
    async for fetched in _fetched(consumer, offsets):
        for place, records in fetched.items():
            found.setdefault(place, records[0])
            consumer.pause(place)
        if len(found) == len(offsets):
            break
    return found


async def _fetched(consumer: Consumer, offsets: Offsets) -> AsyncIterator[Fetched]:
    """Yield what comes of these partitions within `READ_SECONDS`."""
    if not offsets:
        return
    consumer.assign(list(offsets))
    for place, offset in offsets.items():
        consumer.seek(place, offset)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + READ_SECONDS
    while loop.time() < deadline:
        fetched = await consumer.take(LETTERS)
        if fetched:
            yield fetched
        else:
            await asyncio.sleep(LOOK_SECONDS)


async def _letters(
    consumer: Consumer, starts: Offsets, ends: Offsets, now_us: int
) -> dict[str, int]:
    place = TopicPartition(DEADLETTER.name, 0)
    first = max(starts[place], ends[place] - LETTERS)
    if first >= ends[place]:
        return {}
    found: Counter[str] = Counter()
    async for fetched in _fetched(consumer, {place: first}):
        records = fetched[place]
        recent = [one for one in records if one.timestamp * US_PER_MS >= now_us - LETTERS_US]
        found.update(reason_of(one.value) for one in recent)
        if records[-1].offset + 1 >= ends[place]:
            break
    return dict(found)


def _us(record: ConsumerRecord | None) -> int | None:
    return None if record is None else record.timestamp * US_PER_MS
