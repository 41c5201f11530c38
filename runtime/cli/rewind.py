"""`perptape sink rewind`: have the store's sink read once more what the log still holds."""

from datetime import UTC, datetime

from rich.console import Console

from runtime.bus.protocol import TopicPartition
from runtime.bus.set_back import Rewindable, plan, set_back
from runtime.cli.backup import existing_bus
from runtime.cli.lag import STORE, read_by
from runtime.cli.stages import stage
from runtime.cli.times import moment_us
from runtime.errors import ConfigurationError
from runtime.settings import Settings
from schemas.units import US_PER_SECOND


async def run_rewind(settings: Settings, console: Console, since: str | None) -> None:
    """Set the group of the ClickHouse sink back, to a time or to what the store's backup noted.

    Rows that come again replace themselves. Nothing is set forward.

    Raises:
        ConfigurationError: a sink runs, there is no log, or the store says nothing of this log.
        BusError: the log cannot be read or written; nothing was set back.
        StoreError: the store is away.
    """
    from_us = None if since is None else moment_us(since)
    async with existing_bus(settings) as bus:
        if bus is None:
            raise ConfigurationError(f"there is no log in {settings.log}")
        wanted = _noted(settings, bus.epoch) if from_us is None else await _at(bus, from_us)
        steps = await plan(bus, STORE, wanted)
        await set_back(bus, STORE, steps)
    records = sum(step.records for step in steps)
    console.print(f"{records:,} records are read once more by the next sink", highlight=False)
    cut = sorted({step.topic for step in steps if step.is_cut})
    if cut:
        console.print(f"the log holds nothing older of: {', '.join(cut)}", highlight=False)


async def _at(bus: Rewindable, from_us: int) -> dict[TopicPartition, int]:
    return {
        (topic, number): offset
        for topic in read_by(STORE)
        for number, offset in enumerate(await bus.offsets_at(topic, from_us))
    }


def _noted(settings: Settings, epoch: int) -> dict[TopicPartition, int]:
    """Return what the store has noted of this log; partitions that it does not name are new.

    Raises:
        ConfigurationError: there is nothing, or it is of another log.
    """
    store = stage("sinks.clickhouse.client").open_store(settings.stored_in)
    try:
        noted = stage("sinks.clickhouse.positions").noted(store)
    finally:
        store.close()
    if noted is None:
        raise ConfigurationError(
            "the store was not made from a `perptape backup` with a log: say --from TIME"
        )
    at = datetime.fromtimestamp(noted.noted_us / US_PER_SECOND, UTC)
    if noted.epoch != epoch:
        raise ConfigurationError(
            f"the backup of {at:%Y-%m-%d %H:%M} is of another log (epoch {noted.epoch}, this is "
            f"{epoch}): say --from TIME"
        )
    topics = stage("sinks.clickhouse.batches").SPLITTERS
    counts = stage("schemas.topics").TOPICS
    everything = {
        (topic, number): 0 for topic in topics for number in range(counts[topic].partitions)
    }
    return {place: noted.offsets.get(place, 0) for place in everything}
