"""A consumer of Kafka: positions are ours, membership and fetching the client library's."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.structs import ConsumerRecord

from runtime.bus import protocol
from runtime.bus.kafka.failures import explained
from runtime.bus.protocol import Rebalance, Record
from runtime.errors import BusError, ConfigurationError
from schemas.topics import TOPICS

_log = structlog.get_logger(__name__)

Fetched = Mapping[TopicPartition, list[ConsumerRecord]]
JOIN_SECONDS = 60.0
"""How long a group may take to give a new member its partitions."""


class KafkaConsumer:
    """`runtime.bus.protocol.Consumer` on Kafka; made by `KafkaBus.consumer`.

    A member of a group hears of partitions that come and go inside `poll`, in the task that polls:
    nobody works on a partition while it is taken away. The group waits for that poll.
    """

    def __init__(
        self, client: AIOKafkaConsumer, group: str | None, rebalance: Rebalance | None
    ) -> None:
        self._client = client
        self._group = group
        self._rebalance = rebalance
        self._positions: dict[TopicPartition, int] = {}
        self._turns = _Turns()
        self.closed = False

    async def assign(self, places: Iterable[protocol.TopicPartition]) -> None:
        """Read exactly these partitions, whoever else reads them."""
        with explained("a consumer's start"):
            self._client.assign([TopicPartition(*place) for place in places])
            await self._client.start()
            await self._find_positions()
        if self._rebalance is not None:
            self._turns.add("assigned", frozenset(self._positions))

    async def join(self, topics: Sequence[str]) -> None:
        """Become a member of the group and wait for a first assignment."""
        with explained(f"joining the group {self._group}"):
            await self._client.start()  # with a subscription it would wait for us to hear of it
            self._client.subscribe(list(topics), listener=_Listener(self._hear))
        if self._rebalance is None:
            try:
                async with asyncio.timeout(JOIN_SECONDS):
                    await self._turns.take_all(self._follow)
            except TimeoutError:
                raise BusError(f"the group {self._group} gave no partitions") from None

    async def poll(self, max_records: int, timeout_seconds: float) -> list[Record]:
        """Return the next records, at least one unless the time is out.

        Raises:
            BusError: the log cannot be read.
            ConfigurationError: `max_records` is below one, or we may not read.
        """
        if max_records < 1:
            raise ConfigurationError(f"max_records must be at least 1, was {max_records}")
        self._check_open()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_seconds
        while True:
            await self._turns.take_waiting(self._follow)
            left_ms = max(0, int((deadline - loop.time()) * 1000))
            fetched = await self._fetch(max_records, left_ms)
            records = [
                self._record(one)
                for place, batch in fetched.items()
                if place in self._positions
                for one in batch
            ]
            if records or (loop.time() >= deadline and not self._turns.waiting):
                return records

    async def _fetch(self, max_records: int, timeout_ms: int) -> Fetched:
        """Fetch until there is something, the time is out or the group wants a turn."""
        with explained("reading"):
            if not timeout_ms:
                at_once: Fetched = await self._client.getmany(max_records=max_records)
                return at_once
            fetch = asyncio.ensure_future(
                self._client.getmany(timeout_ms=timeout_ms, max_records=max_records)
            )
            turn = asyncio.ensure_future(self._turns.wait())
            try:
                await asyncio.wait([fetch, turn], return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (fetch, turn):
                    task.cancel()
                await asyncio.gather(fetch, turn, return_exceptions=True)
            fetched: Fetched = {} if fetch.cancelled() else fetch.result()
            return fetched

    def _record(self, record: ConsumerRecord) -> Record:
        place = TopicPartition(record.topic, record.partition)
        expected = self._positions[place]
        topic = TOPICS.get(record.topic)
        if record.offset > expected and topic is not None and topic.cleanup == "delete":
            _log.warning(
                "log_retention_passed_consumer",
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                lost_records=record.offset - expected,
                group=self._group,
            )
        self._positions[place] = record.offset + 1
        return Record(
            record.topic,
            record.partition,
            record.offset,
            record.timestamp * 1000,
            record.key or b"",
            record.value,
        )

    async def commit(self, offsets: Mapping[protocol.TopicPartition, int]) -> None:
        """Store, durably, the next offset to read of each partition.

        Raises:
            BusError: not stored, e.g. because the group has taken a partition away.
            ConfigurationError: no group.
        """
        if self._group is None:
            raise ConfigurationError("a consumer without a group cannot commit")
        self._check_open()
        if offsets:
            with explained(f"committing for the group {self._group}"):
                await self._client.commit(
                    {TopicPartition(*place): offset for place, offset in offsets.items()}
                )

    async def committed(self, topic: str, partition: int) -> int | None:
        """Return the group's next offset to read, or None where it never committed."""
        if self._group is None:
            return None
        self._check_open()
        with explained("asking for a committed offset"):
            found: int | None = await self._client.committed(TopicPartition(topic, partition))
        return found

    def seek(self, topic: str, partition: int, offset: int) -> None:
        """Read this partition from `offset` on at the next poll."""
        place = self._own(topic, partition)
        if offset < 0:
            raise ConfigurationError(f"{topic} partition {partition}: there is no offset {offset}")
        self._client.seek(place, offset)
        self._positions[place] = offset

    def position(self, topic: str, partition: int) -> int:
        """Return the offset that the next poll would read first."""
        return self._positions[self._own(topic, partition)]

    async def close(self) -> None:
        """Leave the group and close the connections; nothing is committed."""
        if self.closed:
            return
        self.closed = True
        self._turns.let_go()
        with explained("closing a consumer"):
            await self._client.stop()

    # How partitions come and go.

    async def _hear(self, kind: str, places: Collection[TopicPartition]) -> None:
        """Called by the client's coordinator, which waits: the group does as well."""
        await self._turns.add_and_wait(kind, frozenset(places))

    async def _follow(self, kind: str, places: frozenset[TopicPartition]) -> None:
        named = frozenset((place.topic, place.partition) for place in places)
        if kind == "assigned":
            if self._group is not None and self._rebalance is not None:
                _log.info("partitions_assigned", group=self._group, partitions=len(places))
            with explained("finding where to read on"):
                await self._find_positions()
            if self._rebalance is not None:
                await self._rebalance.assigned(named)
        else:
            if self._rebalance is not None and named:
                await self._rebalance.revoked(named)
            for place in places:
                self._positions.pop(place, None)

    async def _find_positions(self) -> None:
        """Begin at what the group has committed, otherwise at the oldest record."""
        places = list(self._client.assignment())
        found: list[int | None] = [None] * len(places)
        if self._group is not None:
            found = list(await asyncio.gather(*map(self._client.committed, places)))
        oldest = await self._client.beginning_offsets(
            [place for place, offset in zip(places, found, strict=True) if offset is None]
        )
        for place, offset in zip(places, found, strict=True):
            self._positions[place] = oldest[place] if offset is None else offset
            self._client.seek(place, self._positions[place])

    def _own(self, topic: str, partition: int) -> TopicPartition:
        place = TopicPartition(topic, partition)
        if place not in self._positions:
            raise ConfigurationError(f"this consumer does not read {topic} partition {partition}")
        return place

    def _check_open(self) -> None:
        if self.closed:
            raise BusError("the consumer is closed")


Follow = Callable[[str, frozenset[TopicPartition]], Awaitable[None]]


class _Turns:
    """What the group has said and the poller has not yet followed."""

    def __init__(self) -> None:
        self._said: list[tuple[str, frozenset[TopicPartition], asyncio.Future[None]]] = []
        self._news = asyncio.Event()
        self._open = True

    @property
    def waiting(self) -> bool:
        return bool(self._said)

    async def wait(self) -> None:
        await self._news.wait()

    def add(self, kind: str, places: frozenset[TopicPartition]) -> asyncio.Future[None]:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._said.append((kind, places, done))
        self._news.set()
        return done

    async def add_and_wait(self, kind: str, places: frozenset[TopicPartition]) -> None:
        if self._open:
            await self.add(kind, places)

    async def take_waiting(self, follow: Follow) -> None:
        while self._said:
            kind, places, done = self._said.pop(0)
            try:
                await follow(kind, places)
            finally:
                if not done.done():
                    done.set_result(None)
        self._news.clear()

    async def take_all(self, follow: Follow) -> None:
        """Follow until partitions have been assigned."""
        assigned = False
        while not assigned:
            await self._news.wait()
            assigned = any(kind == "assigned" for kind, *_ in self._said)
            await self.take_waiting(follow)

    def let_go(self) -> None:
        self._open = False
        for _, _, done in self._said:
            if not done.done():
                done.set_result(None)
        self._said.clear()


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is not typed
    def __init__(self, hear: Callable[[str, Collection[TopicPartition]], Awaitable[None]]) -> None:
        self._hear = hear

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        await self._hear("revoked", revoked)

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        await self._hear("assigned", assigned)
