"""A consumer of Kafka: positions are ours, membership and fetching the client library's.

What cannot be read is not skipped: a batch that is damaged on the broker's disk makes every poll
fail that comes to it, after all before it was returned. Another replica may have it whole; where
none has, somebody has to `seek` behind it and know what is lost.
"""

import asyncio
import time
from collections.abc import Collection, Iterable, Mapping, Sequence

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import CorruptRecordException, UnsupportedCodecError
from aiokafka.structs import ConsumerRecord

from runtime.bus import protocol
from runtime.bus.kafka.clients import Consumer, Fetched
from runtime.bus.kafka.failures import RAISED, explain, explained, in_words
from runtime.bus.kafka.turns import Listener, Turns
from runtime.bus.protocol import Rebalance, Record
from runtime.errors import BusError, ConfigurationError
from schemas.topics import Topic

_log = structlog.get_logger(__name__)

CLOSE_SECONDS = 5.0
LOOK_SECONDS = 5.0
"""How often a poll that waits looks by itself; one that never did would seem to have stopped."""

PAUSE_SECONDS = 0.5
"""How long a poll takes to say that it cannot read: whoever asks again at once does not spin."""

_DAMAGED = (CorruptRecordException, UnsupportedCodecError)
_MANY = 2**20


class KafkaConsumer:
    """`runtime.bus.protocol.Consumer` on Kafka; made by `KafkaBus.consumer`.

    A member of a group hears of partitions that come and go inside `poll`, in the task that polls:
    nobody works on a partition while it is taken away. The group waits for that poll, for a session
    time; then it goes on without this member, whose commits are refused from then on.

    Args:
        client: not started.
        group: who commits; None reads without a group.
        rebalance: told which partitions come and go.
        topics: the registry.
        timeout_seconds: after so long without an answer a request has failed, and a partition
            cannot be read.
    """

    def __init__(
        self,
        client: Consumer,
        group: str | None,
        rebalance: Rebalance | None,
        topics: Mapping[str, Topic],
        timeout_seconds: float,
    ) -> None:
        self.group = group
        self.member = False
        self.closed = False
        self._client = client
        self._rebalance = rebalance
        self._topics = topics
        self._timeout_seconds = timeout_seconds
        self._positions: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        self._turns = Turns()
        self._step = _MANY
        self._read_at = self._looked_at = time.monotonic()

    async def assign(self, places: Iterable[protocol.TopicPartition]) -> None:
        """Read exactly these partitions, whoever else reads them."""
        wanted = [TopicPartition(*place) for place in places]
        with explained("a consumer's start"):
            self._client.assign(wanted)
            await self._client.start()
            await self._find_positions(wanted)
        if self._rebalance is not None:
            self._turns.given(frozenset(wanted))

    async def join(self, topics: Sequence[str], patience_seconds: float) -> None:
        """Become a member of the group; without a `rebalance`, wait for a first assignment.

        Args:
            topics: what the group reads.
            patience_seconds: how long the group may take.
        """
        self.member = True
        with explained(f"joining the group {self.group}"):
            await self._client.start()  # with a subscription it would wait for us to hear of it
            self._client.subscribe(list(topics), listener=Listener(self._turns))
            if self._rebalance is None:
                async with asyncio.timeout(patience_seconds):
                    while not await self._turns.follow(self._follow):
                        self._client.check_group()
                        await self._wait(LOOK_SECONDS)

    async def poll(self, max_records: int, timeout_seconds: float) -> list[Record]:
        """Return the next records, at least one unless the time is out.

        Raises:
            BusError: the log cannot be read; it may be asked again.
            ConfigurationError: `max_records` is below one, or we may not read.
        """
        if max_records < 1:
            raise ConfigurationError(f"max_records must be at least 1, was {max_records}")
        deadline = time.monotonic() + timeout_seconds
        while True:
            self._check_open()
            self._look()
            await self._turns.follow(self._follow)
            records = await self._take(max_records)
            left = deadline - time.monotonic()
            if records:
                return records
            if left <= 0 and not self._turns.waiting:
                self._check_readable()
                return []
            await self._wait(min(max(left, 0.0), LOOK_SECONDS))

    async def commit(self, offsets: Mapping[protocol.TopicPartition, int]) -> None:
        """Store, durably, the next offset to read of each partition.

        Raises:
            BusError: not stored, e.g. because the group has taken a partition away.
            ConfigurationError: no group.
        """
        if self.group is None:
            raise ConfigurationError("a consumer without a group cannot commit")
        self._check_open()
        if offsets:
            with explained(f"committing for the group {self.group}"):
                async with asyncio.timeout(self._timeout_seconds):
                    await self._client.commit(
                        {TopicPartition(*place): offset for place, offset in offsets.items()}
                    )

    async def committed(self, topic: str, partition: int) -> int | None:
        """Return the group's next offset to read, or None where it never committed.

        Raises:
            BusError: the group does not answer.
        """
        if self.group is None:
            return None
        self._check_open()
        with explained(f"asking what the group {self.group} has committed"):
            async with asyncio.timeout(self._timeout_seconds):
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

    def left(self, topic: str, partition: int) -> int | None:
        """Return how many records the newest fetch left to read, None before there was one."""
        place = self._own(topic, partition)
        end: int | None = self._client.highwater(place)
        return None if end is None else max(0, end - self._positions[place])

    def pause(self, topic: str, partition: int) -> None:
        """Read nothing more of this partition until `resume`."""
        place = self._own(topic, partition)
        self._client.pause(place)
        self._paused.add(place)

    def resume(self, topic: str, partition: int) -> None:
        """Read on in a partition that was paused."""
        place = self._own(topic, partition)
        self._client.resume(place)
        self._paused.discard(place)
        self._client.read_at[place] = time.monotonic()

    async def close(self) -> None:
        """Leave the group and close the connections; nothing is committed.

        A poll that waits meanwhile ends with a BusError.
        """
        if self.closed:
            return
        self.closed = True
        self._turns.let_go()
        try:
            await self._client.leave(CLOSE_SECONDS)
        except RAISED as error:
            _log.warning("consumer_not_closed", group=self.group, error=in_words(error))

    # Reading.

    async def _take(self, max_records: int) -> list[Record]:
        """Return what there is, up to what cannot be read.

        Where the client meets a damaged batch it forgets what it had taken at once with it, of any
        partition. So all go back to where we are, and records are taken one by one, then more and
        more at a time again.
        """
        while True:
            most = min(self._step, max_records)
            try:
                if self._client.regroups:
                    self._client.check_group()
                    return []  # `take` would wait for the group
                taken = await self._client.take(most)
            except RAISED as error:
                if isinstance(error, _DAMAGED):
                    self._go_back()
                    if most > 1:
                        self._step = 1
                        continue
                self._check_open()
                await asyncio.sleep(PAUSE_SECONDS)
                raise explain(error, self._place_of(error)) from error
            if taken:
                self._step = min(most * 2, _MANY) if self._step < _MANY else _MANY
            return self._records(taken)

    def _go_back(self) -> None:
        for place in self._client.assignment() & self._positions.keys():
            self._client.seek(place, self._positions[place])

    def _records(self, taken: Fetched) -> list[Record]:
        records = [
            self._record(place, one)
            for place, batch in taken.items()
            if place in self._positions
            for one in batch
        ]
        if records:
            self._read_at = time.monotonic()
        return records

    def _record(self, place: TopicPartition, record: ConsumerRecord) -> Record:
        expected = self._positions[place]
        topic = self._topics.get(place.topic)
        jumped = topic is not None and topic.cleanup == "delete" and record.offset > expected
        if jumped or record.offset < expected:
            _log.warning(
                "log_retention_passed_consumer" if jumped else "log_shorter_than_position",
                topic=place.topic,
                partition=place.partition,
                position=expected,
                offset=record.offset,
                group=self.group,
            )
        self._positions[place] = record.offset + 1
        return Record(
            place.topic,
            place.partition,
            record.offset,
            record.timestamp * 1000,
            record.key or b"",
            record.value,
        )

    async def _wait(self, seconds: float) -> None:
        """Wait until there may be records, the group wants something or the time is out."""
        news = self._client.news()
        turn = asyncio.ensure_future(self._turns.wait())
        try:
            await asyncio.wait([news, turn], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()
            turn.cancel()

    def _place_of(self, error: BaseException) -> str:
        """Return where reading failed, as far as the client says."""
        text = str(error)
        for place, offset in self._positions.items():
            if isinstance(error, _DAMAGED) and str(place) in text:
                return f"{place.topic} partition {place.partition} is damaged at offset {offset}"
        return "reading"

    def _check_readable(self) -> None:
        """Raise where a partition has not been read for too long; the client keeps trying."""
        now = time.monotonic()
        for place in self._positions.keys() - self._paused:
            seconds = now - max(self._read_at, self._client.read_at.get(place, 0.0))
            if seconds > self._timeout_seconds:
                why = self._client.refusals.get(place, "no broker answers")
                raise BusError(
                    f"{place.topic} partition {place.partition} could not be read for "
                    f"{seconds:.0f} s: {why}"
                )

    def _look(self) -> None:
        """Note the time; where we were away ourselves, the brokers are not to blame."""
        now = time.monotonic()
        if now - self._looked_at > 2 * LOOK_SECONDS:
            self._read_at = now
        self._looked_at = now

    # How partitions come and go.

    async def _follow(self, given: bool, places: frozenset[TopicPartition]) -> None:
        named = frozenset((place.topic, place.partition) for place in places)
        if given:
            _log.info("partitions_assigned", group=self.group, partitions=len(places))
            with explained("finding where to read on"):
                await self._find_positions(places - self._positions.keys())
            if self._rebalance is not None:
                await self._rebalance.assigned(named)
            return
        try:
            if self._rebalance is not None:
                await self._rebalance.revoked(named)
        finally:
            for place in places:
                self._positions.pop(place, None)
                self._paused.discard(place)

    async def _find_positions(self, places: Collection[TopicPartition]) -> None:
        """Begin at what the group has committed, otherwise at the oldest record."""
        self._read_at = time.monotonic()
        if not places:
            return
        async with asyncio.timeout(self._timeout_seconds):
            found: dict[TopicPartition, int | None] = dict.fromkeys(places)
            if self.group is not None:
                committed = await asyncio.gather(*map(self._client.committed, places))
                found = dict(zip(places, committed, strict=True))
            new = [place for place, offset in found.items() if offset is None]
            found |= await self._client.starts(new, self._timeout_seconds)
        for place, offset in found.items():
            self._positions[place] = offset or 0
            self._client.seek(place, offset or 0)
        self._read_at = time.monotonic()

    def _own(self, topic: str, partition: int) -> TopicPartition:
        place = TopicPartition(topic, partition)
        if place not in self._positions:
            raise ConfigurationError(f"this consumer does not read {topic} partition {partition}")
        return place

    def _check_open(self) -> None:
        if self.closed:
            raise BusError("the consumer is closed")
