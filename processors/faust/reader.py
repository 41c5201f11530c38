"""Faust's consumer with our positions and our commits, and the thread in which it reads."""

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, cast

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from processors.partitions import GROUP, SOURCE
from runtime.bus.kafka.bus import FETCH_BYTES
from runtime.bus.kafka.clients import end_fetches
from runtime.bus.kafka.failures import explained
from runtime.bus.protocol import Record

_log = structlog.get_logger(__name__)
_library_log = logging.getLogger("faust")


_NOTHING: tuple[tuple[TP, Any], ...] = ()


class Fetched(NamedTuple):
    """A record, and the number of the seek that it follows."""

    turn: int
    record: Record


class Owner(Protocol):
    """Who works on the partitions."""

    def assigned(self, numbers: frozenset[int]) -> None:
        """Hear which partitions are ours from now on."""
        ...

    async def place(self) -> dict[int, int]:
        """Restore what is ours, have it read where its state ends, and return where that is."""
        ...

    async def revoked(self) -> None:
        """Save all partitions, which the group takes back, and let go of them; it waits."""
        ...

    async def take_in(self, fetched: Sequence[Fetched]) -> None:
        """Hear what was fetched; it waits until there is room for it, and may be cancelled."""
        ...


class _Thread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread; what begins with `_` here runs in it."""

    logger = _library_log

    def __post_init__(self) -> None:
        super().__post_init__()
        self._turns: dict[int, int] = {}

    def on_crash(self, msg: str, *fmt: Any, **_: Any) -> None:
        """Say so where everything is said; Faust would print."""
        _log.error("faust_thread_crashed", reason=msg.format(*fmt))

    async def on_thread_stop(self) -> None:
        """Stop in an outage as well: else the thread dies of it, and Faust waits for its end."""
        if self._consumer is not None:
            await end_fetches(self._consumer)
        await super().on_thread_stop()

    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        client = super()._create_worker_consumer(transport)
        client._fetch_max_wait_ms = cast(Transport, transport).fetch_wait_ms
        client._fetch_max_bytes = FETCH_BYTES
        return client

    async def _fetch_records(self, *args: Any, **options: Any) -> Any:
        fetched = await super()._fetch_records(*args, **options)
        # No other task has had its turn since these were taken out of the client's buffer.
        return {
            place: [(self._turns.get(place.partition, 0), record) for record in records]
            for place, records in fetched.items()
        }

    async def _move(self, places: Mapping[int, int], turn: int) -> None:
        client = self._ensure_consumer()
        for number, offset in places.items():
            place = TopicPartition(SOURCE, number)
            if place in client.assignment():
                client.seek(place, offset)
                self._turns[number] = turn

    async def _store(self, offsets: Mapping[int, int]) -> None:
        with explained(f"committing for the group {GROUP}"):
            await self._ensure_consumer().commit(
                {TopicPartition(SOURCE, number): offset for number, offset in offsets.items()}
            )


class Reader(driver.Consumer):
    """Faust's consumer."""

    logger = _library_log
    _thread: _Thread

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._owner = cast(Transport, self.transport).owner

    async def move(self, places: Mapping[int, int], turn: int) -> None:
        """Read partitions at these offsets; what is fetched from then on bears the number."""
        await self._thread.call_thread(self._thread._move, places, turn)

    async def store(self, offsets: Mapping[int, int]) -> None:
        """Commit these offsets, each the next one to read.

        Raises:
            BusError: not stored, e.g. because the group has taken a partition away.
        """
        await self._thread.call_thread(self._thread._store, offsets)

    async def any_wait(self, numbers: Sequence[int], ends: Sequence[int]) -> bool:
        """Say whether retention has left a record before the end of one of these partitions."""
        if not numbers:
            return False
        oldest = await self.earliest_offsets(*(TP(SOURCE, number) for number in numbers))
        return any(offset < ends[place.partition] for place, offset in oldest.items())

    # What Faust calls.

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek to where the state of each partition ends, which is restored where it is not yet."""
        places = await self._owner.place()
        return {TP(SOURCE, number): offset for number, offset in places.items()}

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Note what is ours before Faust goes on to seek."""
        self._owner.assigned(frozenset(place.partition for place in assigned))
        await super().on_partitions_assigned(assigned, generation_id)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Have everything saved and let go of when Faust has stopped reading; the group waits."""
        await super().on_partitions_revoked(revoked)
        await self._owner.revoked()

    def _new_consumer_thread(self) -> _Thread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:  # noqa: ASYNC109  # theirs
        """Hand what is fetched to the owner as a whole, and yield nothing to Faust's streams."""
        fetched, _ = await self._wait_next_records(timeout)
        if fetched is None or self.should_stop:
            return
        if not self.flow_active:
            await self.perform_seek()
            return
        records = [
            Fetched(turn, _record(found))
            for of_partition in fetched.values()
            for turn, found in of_partition
        ]
        if records:
            await self.wait_first(self._owner.take_in(records), self.suspend_flow.wait())
        for nothing in _NOTHING:
            yield nothing


def _record(found: ConsumerRecord) -> Record:
    key, time_us = found.key or b"", found.timestamp * 1000
    return Record(found.topic, found.partition, found.offset, time_us, key, found.value)


class Transport(driver.Transport):
    """Makes the consumer; `owner` and `fetch_wait_ms` are set before it does."""

    Consumer = Reader
    owner: Owner
    fetch_wait_ms: int
