"""The topics of the registry on a broker of the tests."""

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from runtime.bus.kafka.settings import KafkaSettings, brokers_of, client_options
from runtime.bus.kafka.topics import config_of, open_admin
from schemas.topics import TOPICS

SETTINGS = KafkaSettings(segment_seconds=0.001, session_seconds=6, send_timeout_seconds=20)
"""Members are missed soon, and compaction can be waited for."""


async def make_topics(address: str, settings: KafkaSettings = SETTINGS) -> str:
    """Make the registry's topics and have compaction begin soon; return the setting `bus`."""
    bus = f"kafka://{address}"
    options = client_options(brokers_of(bus), settings)
    async with open_admin(options, settings, TOPICS) as admin:
        made = await admin.apply()
    if made:
        await _compact_soon(options, settings)
    return bus


async def _compact_soon(options: dict[str, object], settings: KafkaSettings) -> None:
    client = AIOKafkaAdminClient(**options)
    await client.start()
    try:
        for topic in TOPICS.values():
            if topic.cleanup == "compact":
                # All of a topic's settings at once: those that are not named would be reset.
                values = config_of(topic, settings) | {"min.cleanable.dirty.ratio": "0.001"}
                resource = ConfigResource(ConfigResourceType.TOPIC, topic.name, values)
                await client.alter_configs([resource])
    finally:
        await client.close()
