"""The topics on a cluster are made, compared and mended, and begin an epoch when they are new."""

import asyncio
import dataclasses
import uuid
from collections.abc import Mapping
from typing import Any

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.admin.new_partitions import NewPartitions

from deploy.kafka import Cluster
from runtime.bus.kafka.bus import KafkaBus
from runtime.bus.kafka.epochs import read_epoch
from runtime.bus.kafka.settings import KafkaSettings, brokers_of, client_options
from runtime.bus.kafka.topics import Difference
from runtime.errors import BusError, ConfigurationError
from schemas.ops import Epoch
from schemas.topics import (
    BOOKS,
    DEADLETTER,
    EPOCHS,
    INSTRUMENTS,
    SNAPSHOTS,
    TOPICS,
    TRADES,
    Topic,
)
from tests.kafka.faulty import (
    FEW,
    HASTY,
    administered,
    alter,
    foreign,
    fragile_kafka,
    opened,
    raw_admin,
    record,
)

__all__ = ["fragile_kafka"]
DAY_MS = 86_400_000


async def apply(address: str, topics: Mapping[str, Topic] = FEW) -> list[Difference]:
    async with administered(address, topics=topics) as admin:
        return await admin.apply()


async def diff(address: str, topics: Mapping[str, Topic] = FEW) -> list[Difference]:
    async with administered(address, topics=topics) as admin:
        return await admin.differences()


async def delete(address: str, *names: str) -> None:
    """Delete topics and wait until they are gone."""
    async with raw_admin(address) as client:
        await client.delete_topics(list(names))
        async with asyncio.timeout(60):
            while set(names) & set(await client.list_topics()):
                await asyncio.sleep(0.05)


async def settings_of(address: str, name: str) -> dict[str, str]:
    """Return what a broker says of a topic."""
    async with raw_admin(address) as client:
        resource = ConfigResource(ConfigResourceType.TOPIC, name)
        (answer,) = await client.describe_configs([resource])
        ((_, _, _, _, entries),) = answer.resources
        return {entry[0]: entry[1] for entry in entries}


async def epoch(address: str) -> Epoch:
    found = await read_epoch(client_options(brokers_of(f"kafka://{address}"), HASTY), 10)
    assert found is not None
    return found


def named(topic: Topic, **changes: Any) -> dict[str, Topic]:
    """Return a registry of one topic that nobody else uses."""
    own = dataclasses.replace(topic, name=f"test.{uuid.uuid4().hex}", **changes)
    return {own.name: own}


@pytest.fixture
def address(fragile_kafka: Cluster) -> str:
    return fragile_kafka.bootstrap


async def test_every_topic_is_made_as_the_registry_says(address: str) -> None:
    await apply(address, TOPICS)
    async with raw_admin(address) as client:
        described = {one["topic"]: one for one in await client.describe_topics(list(TOPICS))}
    for name, topic in TOPICS.items():
        partitions = described[name]["partitions"]
        assert {one["partition"] for one in partitions} == set(range(topic.partitions))
        assert all(len(one["replicas"]) == 1 for one in partitions)
        found = await settings_of(address, name)
        assert found["cleanup.policy"] == topic.cleanup
        assert found["max.message.bytes"] == str(topic.most_bytes + 65_536)
        assert found["min.insync.replicas"] == "1"


@pytest.mark.parametrize(
    ("topic", "wanted"),
    [
        (TRADES, {"retention.ms": str(7 * DAY_MS), "message.timestamp.type": "CreateTime"}),
        (BOOKS, {"retention.ms": str(2 * DAY_MS), "max.message.bytes": "1114112"}),
        (DEADLETTER, {"retention.ms": str(30 * DAY_MS)}),
        (
            INSTRUMENTS,
            {
                "cleanup.policy": "compact",
                "segment.ms": "1",
                "segment.bytes": "67108864",
                "message.timestamp.type": "LogAppendTime",
            },
        ),
        (SNAPSHOTS, {"cleanup.policy": "compact", "max.message.bytes": "16842752"}),
    ],
    ids=lambda value: value.name if isinstance(value, Topic) else "",
)
async def test_a_topic_is_kept_for_as_long_as_the_registry_says(
    address: str, topic: Topic, wanted: dict[str, str]
) -> None:
    await apply(address, TOPICS)
    found = await settings_of(address, topic.name)
    assert {name: found[name] for name in wanted} == wanted


async def test_applying_again_changes_nothing(address: str) -> None:
    await apply(address)
    before = {name: await settings_of(address, name) for name in FEW}
    async with await KafkaBus.open(f"kafka://{address}", HASTY, topics=FEW) as bus:
        ends = await bus.end_offsets(EPOCHS.name)
        assert await apply(address) == []
        assert await bus.end_offsets(EPOCHS.name) == ends
    assert {name: await settings_of(address, name) for name in FEW} == before


async def test_what_somebody_else_changed_is_named_and_mended(address: str) -> None:
    registry = named(TRADES, partitions=2)
    (name,) = registry
    await apply(address, registry)
    before = await settings_of(address, name)
    await alter(address, name, {"retention.ms": "1000"})
    found = {one.what: one for one in await diff(address, registry)}
    assert found["retention.ms"] == Difference(name, "retention.ms", str(7 * DAY_MS), "1000")
    assert set(found) == {  # `alter` has reset everything else
        "retention.ms",
        "max.message.bytes",
        "message.timestamp.after.max.ms",
    }
    assert str(found["retention.ms"]) == f"{name}: retention.ms is 1000, wanted 604800000"
    assert {one.what for one in await apply(address, registry)} == set(found)
    assert await settings_of(address, name) == before
    assert await diff(address, registry) == []


async def test_partitions_that_somebody_added_are_named_and_refused(address: str) -> None:
    registry = named(TRADES, partitions=2)
    (name,) = registry
    await apply(address, registry)
    async with raw_admin(address) as client:
        await client.create_partitions({name: NewPartitions(3)})
    assert await diff(address, registry) == [
        Difference(name, "partitions", "2", "3", mendable=False)
    ]
    with pytest.raises(ConfigurationError) as refused:
        await apply(address, registry)
    assert str(refused.value).startswith(f"topic {name}: partitions is 3, wanted 2; that cannot")
    assert "\n" not in str(refused.value)
    assert [one.what for one in await diff(address, registry)] == ["partitions"]


async def test_nothing_is_changed_where_one_topic_cannot_be(address: str) -> None:
    fixed, mendable = named(TRADES, partitions=2), named(BOOKS, partitions=1)
    registry = mendable | fixed
    await apply(address, registry)
    (name,) = mendable
    await alter(address, name, {"retention.ms": "1000"})
    async with raw_admin(address) as client:
        await client.create_partitions({next(iter(fixed)): NewPartitions(3)})
    with pytest.raises(ConfigurationError, match="partitions is 3"):
        await apply(address, registry)
    assert (await settings_of(address, name))["retention.ms"] == "1000"


async def test_a_topic_that_was_deleted_is_named_and_made_again(address: str) -> None:
    registry = named(TRADES, partitions=2)
    (name,) = registry
    await apply(address, registry)
    await delete(address, name)
    missing = [Difference(name, "the topic", "there", "missing")]
    assert await diff(address, registry) == missing
    assert await apply(address, registry) == missing
    assert await diff(address, registry) == []


async def test_a_setting_that_the_registry_does_not_know_stays(address: str) -> None:
    registry = named(INSTRUMENTS, partitions=1)
    (name,) = registry
    await apply(address, registry)
    wanted = await settings_of(address, name)
    await alter(address, name, {"min.cleanable.dirty.ratio": "0.25", "segment.ms": "5"})
    await apply(address, registry)
    assert await settings_of(address, name) == wanted | {"min.cleanable.dirty.ratio": "0.25"}


async def test_two_who_apply_at_once_both_succeed(address: str) -> None:
    registry = named(TRADES, partitions=2)
    await asyncio.gather(apply(address, registry), apply(address, registry))
    assert await diff(address, registry) == []


async def test_more_copies_than_there_are_brokers_are_refused(address: str) -> None:
    registry = named(TRADES)
    settings = HASTY.model_copy(update={"replication": 3})
    async with administered(address, settings, registry) as admin:
        with pytest.raises(ConfigurationError, match=r"replication.* see the settings kafka\.\*"):
            await admin.apply()


async def test_fewer_copies_than_wanted_are_named_and_refused(address: str) -> None:
    registry = named(TRADES, partitions=1)
    (name,) = registry
    await apply(address, registry)
    settings = HASTY.model_copy(update={"replication": 3})
    async with administered(address, settings, registry) as admin:
        with pytest.raises(ConfigurationError, match=f"{name}: replication is 1, wanted 3"):
            await admin.apply()


async def test_event_time_may_be_any(address: str) -> None:
    """A broker would refuse what is an hour ahead of its clock, and with it all after it."""
    async with opened(address) as bus:
        ahead = dataclasses.replace(record(1), timestamp_us=4_000_000_000_000_000)
        past = dataclasses.replace(record(2), timestamp_us=0)
        [first, _] = await bus.send([ahead, past])
        consumer = await bus.consumer([TRADES.name], partitions=[0])
        consumer.seek(TRADES.name, 0, first)
        read = await consumer.poll(1, 10) + await consumer.poll(1, 10)
    assert [one.timestamp_us for one in read] == [4_000_000_000_000_000, 0]


# Epochs.


async def test_an_epoch_begins_with_the_topics_and_stays(address: str) -> None:
    await apply(address)
    await delete(address, *FEW)
    await apply(address)
    first = await epoch(address)
    assert set(first.topics) == set(FEW)
    await apply(address)
    assert await epoch(address) == first


@pytest.mark.parametrize("lost", [[TRADES.name], [EPOCHS.name, TRADES.name]], ids=len)
async def test_a_topic_that_was_made_anew_begins_a_later_epoch(
    address: str, lost: list[str]
) -> None:
    await apply(address)
    before = await epoch(address)
    await delete(address, *lost)
    await apply(address)
    after = await epoch(address)
    if EPOCHS.name in lost:  # nobody knows the one before; minutes have passed in earnest
        assert after.epoch >= before.epoch - 1
    else:
        assert after.epoch > before.epoch


async def test_a_topic_that_is_new_in_the_registry_keeps_the_epoch(address: str) -> None:
    await apply(address)
    before = await epoch(address)
    more = FEW | named(BOOKS, partitions=1)
    await apply(address, more)
    after = await epoch(address)
    assert after.epoch == before.epoch
    assert set(after.topics) == set(more)


async def test_what_is_no_epoch_is_named(address: str) -> None:
    await apply(address)
    await foreign(address, EPOCHS.name, b"no epoch", key=b"log")
    try:
        with pytest.raises(BusError, match=rf"{EPOCHS.name}: not an epoch"):
            await epoch(address)
    finally:
        await delete(address, EPOCHS.name)


# Opening.


async def refused(
    address: str, topics: Mapping[str, Topic], settings: KafkaSettings = HASTY
) -> str:
    with pytest.raises(ConfigurationError) as raised:
        await KafkaBus.open(f"kafka://{address}", settings, topics=topics)
    assert "\n" not in str(raised.value)
    return str(raised.value)


async def test_a_bus_on_missing_topics_names_the_first_and_the_command(address: str) -> None:
    registry = named(TRADES)
    (name,) = registry
    assert await refused(address, registry | named(BOOKS)) == (
        f"topic {name}: the topic is missing, wanted there (and 1 more); "
        f"run: perptape topics apply --bus kafka://{address}"
    )


async def test_a_bus_on_topics_that_differ_names_what(address: str) -> None:
    registry = named(TRADES, partitions=1)
    (name,) = registry
    await apply(address, registry)
    await alter(address, name, {"max.message.bytes": "1000"})
    text = await refused(address, registry)
    assert text.startswith(f"topic {name}: max.message.bytes is 1000, wanted 1114112 (and 1 more)")
    assert text.endswith(f"run: perptape topics apply --bus kafka://{address}")


async def test_a_bus_on_other_partitions_says_that_applying_is_not_enough(address: str) -> None:
    registry = named(TRADES, partitions=1)
    (name,) = registry
    await apply(address, registry)
    text = await refused(address, {name: dataclasses.replace(registry[name], partitions=2)})
    assert text.startswith(f"topic {name}: partitions is 1, wanted 2; that cannot be changed")
    assert "delete the topic, or have it as it is; then run: perptape topics apply" in text


async def test_a_bus_on_topics_without_an_epoch_names_the_command(address: str) -> None:
    await apply(address)
    await delete(address, EPOCHS.name)
    own = {EPOCHS.name: EPOCHS}
    async with administered(address, topics=own) as admin:
        await admin._create([EPOCHS])
    assert await refused(address, own) == (
        f"the topics have no epoch; run: perptape topics apply --bus kafka://{address}"
    )
