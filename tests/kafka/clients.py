"""Write to brokers and read from them with aiokafka."""

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

DEADLINE_SECONDS = 120.0


async def create(address: str, topic: str, copies: int = 1, **login: Any) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=address, **login)
    try:
        await admin.start()
        await admin.create_topics([NewTopic(topic, 1, copies)])
    finally:
        await admin.close()


async def write(address: str, topic: str, *values: bytes, **login: Any) -> None:
    """Write values; each is acknowledged by every broker that is in sync."""
    producer = AIOKafkaProducer(
        bootstrap_servers=address, acks="all", enable_idempotence=True, **login
    )
    try:
        await producer.start()
        async with asyncio.timeout(DEADLINE_SECONDS):
            for value in values:
                await producer.send_and_wait(topic, value, partition=0)
    finally:
        await producer.stop()


async def read(address: str, topic: str, count: int, **login: Any) -> list[bytes]:
    """Read so many values from the oldest on."""
    consumer = AIOKafkaConsumer(bootstrap_servers=address, auto_offset_reset="earliest", **login)
    try:
        await consumer.start()
        consumer.assign([TopicPartition(topic, 0)])
        async with asyncio.timeout(DEADLINE_SECONDS):
            return [(await consumer.getone()).value for _ in range(count)]
    finally:
        await consumer.stop()
