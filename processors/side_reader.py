"""Reads the topics beside the trades as far as the trades have come.

The topic of trades is what a group shares out and what is committed; it moves on every second by
itself. The others (books, liquidations, tickers) are read here without a group, from where the
state of each partition ends, up to the time of the trade that is worked on: so the topics are
never read far from one another, however much of a log waits. How near does not matter: what needs
several of them joins them by event time (`processors.seconds`).
"""

import heapq
from collections import deque
from collections.abc import Iterator, Mapping, Sequence

from runtime.bus.protocol import Bus, Consumer, Record, TopicPartition

POLL_RECORDS = 500
POLL_SECONDS = 0.25
MOST_WAITING = 2000
"""So many records of a partition may wait for its trades; then it is not read on meanwhile."""


class SideReader:
    """The records beside the trades, of the partitions that are held.

    Args:
        bus: the log.
        topics: which.
    """

    def __init__(self, bus: Bus, topics: Sequence[str]) -> None:
        self._bus = bus
        self._topics = topics
        self._places: dict[int, dict[str, int]] = {}
        self._waiting: dict[TopicPartition, deque[Record]] = {}
        self._paused: set[TopicPartition] = set()
        self._consumer: Consumer | None = None
        self._read: frozenset[int] = frozenset()

    def hold(self, number: int, offsets: Mapping[str, int]) -> None:
        """Read a partition from these offsets on, 0 where there is none."""
        self._places[number] = {topic: offsets.get(topic, 0) for topic in self._topics}
        for topic, offset in self._places[number].items():
            self._waiting[topic, number] = deque()
            if self._consumer is not None and number in self._read:
                self._consumer.seek(topic, number, offset)
                self._resume((topic, number))

    def drop(self, number: int) -> None:
        """Read a partition no longer."""
        self._places.pop(number, None)
        for topic in self._topics:
            self._waiting.pop((topic, number), None)

    async def fetch(self, until_us: Mapping[int, int]) -> None:
        """Read on until every one of these partitions has come to its time, or to its end.

        Raises:
            BusError: the log cannot be read.
        """
        consumer = await self._open()
        self._keep(consumer, await consumer.poll(POLL_RECORDS, 0.0))  # what is new since
        while any(self._is_behind(consumer, number, us) for number, us in until_us.items()):
            self._keep(consumer, await consumer.poll(POLL_RECORDS, POLL_SECONDS))

    def due(self, number: int, until_us: int) -> Iterator[Record]:
        """Yield what has come of a partition up to a time, in order of time."""
        heads = [
            (waiting[0].timestamp_us, topic)
            for topic in self._topics
            if (waiting := self._waiting[topic, number])
        ]
        heapq.heapify(heads)
        while heads and heads[0][0] <= until_us:
            topic = heads[0][1]
            waiting = self._waiting[topic, number]
            record = waiting.popleft()
            if waiting:
                heapq.heapreplace(heads, (waiting[0].timestamp_us, topic))
            else:
                heapq.heappop(heads)
            self._places[number][topic] = record.offset + 1
            if len(waiting) < MOST_WAITING // 2:
                self._resume((topic, number))
            yield record

    async def close(self) -> None:
        """Let go of the log."""
        if self._consumer is not None:
            consumer, self._consumer = self._consumer, None
            await consumer.close()

    def _keep(self, consumer: Consumer, records: Sequence[Record]) -> None:
        for record in records:
            place = (record.topic, record.partition)
            waiting = self._waiting.get(place)
            if waiting is None:
                continue  # let go of meanwhile
            waiting.append(record)
            if len(waiting) >= MOST_WAITING and place not in self._paused:
                self._paused.add(place)
                consumer.pause(*place)

    def _is_behind(self, consumer: Consumer, number: int, until_us: int) -> bool:
        for topic in self._topics:
            waiting = self._waiting[topic, number]
            if waiting and waiting[-1].timestamp_us > until_us:
                continue
            if (topic, number) not in self._paused and consumer.left(topic, number) != 0:
                return True
        return False

    def _resume(self, place: TopicPartition) -> None:
        if place in self._paused and self._consumer is not None:
            self._paused.discard(place)
            self._consumer.resume(*place)

    async def _open(self) -> Consumer:
        """Return a consumer of exactly the partitions that are held, where each has come to."""
        held = frozenset(self._places)
        if self._consumer is not None and held == self._read:
            return self._consumer
        await self.close()
        self._paused.clear()
        self._consumer = await self._bus.consumer(self._topics, partitions=sorted(held))
        self._read = held
        for number, places in self._places.items():
            for topic, offset in places.items():
                waiting = self._waiting[topic, number]
                self._consumer.seek(topic, number, waiting[-1].offset + 1 if waiting else offset)
        return self._consumer
