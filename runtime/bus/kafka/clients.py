"""The clients of aiokafka 0.14, with what they lack.

Everything that is private to that version is used here and nowhere else; a later version has to be
read anew before `pyproject.toml` admits it.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import chain
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection, get_ip_port_afi
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    NoError,
    OffsetOutOfRangeError,
    for_code,
)
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.protocol.admin import DescribeGroupsRequest_v2
from aiokafka.protocol.api import Request
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.group import JoinGroupRequest, SyncGroupRequest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.transaction import InitProducerIdRequest
from aiokafka.structs import ConsumerRecord, RecordMetadata

from runtime.bus.kafka.failures import in_words

UPDATES_A_SECOND = 10
REFUSED_SECONDS = 0.1
HANG_UP_SECONDS = 1.0
_FOR_EVER = 1e6

Offsets = dict[TopicPartition, int]
Fetched = Mapping[TopicPartition, list[ConsumerRecord]]
Answer = asyncio.Future[RecordMetadata]


class _DescribeGroups(Request[DescribeGroupsRequest_v2]):  # type: ignore[misc]
    """What the library's own of this name should be: it reads the third version as the second."""

    API_KEY = DescribeGroupsRequest_v2.API_KEY

    def __init__(self, groups: Sequence[str]) -> None:
        self._groups = list(groups)

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class(self._groups)


class Admin(AIOKafkaAdminClient):  # type: ignore[misc]  # aiokafka is not typed
    """An admin client that does not ask without a pause while nobody answers."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        _pace_updates(self._client)

    async def members(self, group: str) -> int:
        """Return how many share the partitions of a group; of one that never was, none.

        Raises:
            KafkaError: the group cannot be asked for.
        """
        coordinator = await self.find_coordinator(group)
        answer = await self._client.send(coordinator, _DescribeGroups([group]))
        [(code, _, _, _, _, members)] = answer.groups
        if code:
            raise for_code(code)(group)
        return len(members)


class Consumer(AIOKafkaConsumer):  # type: ignore[misc]
    """A consumer that can be waited for without taking anything, and closed in a given time.

    `read_at` has when each partition could be read last, `refusals` the newest error of those that
    the brokers do not let us read.

    Args:
        group_seconds: how long the group may take to come together; None where there is none.
        options: of the client.
    """

    def __init__(self, group_seconds: float | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.read_at: dict[TopicPartition, float] = {}
        self.refusals: dict[TopicPartition, str] = {}
        self._group_seconds = group_seconds
        self._ask = self._client.send
        self._client.send = self._send
        _pace_updates(self._client)

    @property
    def regroups(self) -> bool:
        """Whether the group is dividing partitions anew; `take` would wait for it."""
        return bool(self._subscription.reassignment_in_progress)

    def check_group(self) -> None:
        """Raise what the group has refused us for.

        Raises:
            KafkaError: of that kind.
        """
        self._coordinator.check_errors()

    async def take(self, most: int) -> Fetched:
        """Return what has been fetched, without waiting for more; to be called often.

        Raises:
            KafkaError: what was fetched cannot be read, or the group has a complaint.
        """
        try:
            taken: Fetched = await self.getmany(max_records=most)
        finally:
            # `getmany` does not count itself out when it raises, and is then busy for ever: its
            # member would never be missed (`max_poll_interval_ms`).
            self._subscription._fetch_count = 0
            self._subscription._last_fetch_ended = time.monotonic()
        return taken

    async def ends(self, places: Sequence[TopicPartition], seconds: float) -> Offsets:
        """Return the offsets behind the newest records.

        Raises:
            KafkaError: of no answer in so many seconds; `end_offsets` has no time to ask another
                broker after one that does not answer.
        """
        found: Offsets = await self._fetcher.end_offsets(places, int(seconds * 1000))
        return found

    async def starts(self, places: Sequence[TopicPartition], seconds: float) -> Offsets:
        """Return the offsets of the oldest records.

        Raises:
            KafkaError: of no answer in so many seconds.
        """
        found: Offsets = await self._fetcher.beginning_offsets(places, int(seconds * 1000))
        return found

    def news(self) -> asyncio.Future[None]:
        """Return a future that is done when there may be something to take, or to complain of.

        Waiting in `getmany` itself would lose what it has taken in the moment of a cancellation.
        """
        news: asyncio.Future[None] = self._fetcher._create_fetch_waiter()
        news.add_done_callback(seen)
        return news

    async def leave(self, seconds: float) -> None:
        """Leave the group and close; what is not answered in time is left alone."""
        await end_fetches(self)
        stopping = asyncio.ensure_future(self.stop())
        await asyncio.wait([stopping], timeout=seconds)
        stopping.cancel()
        await asyncio.gather(stopping, return_exceptions=True)
        if not stopping.cancelled() and stopping.exception() is None:
            return
        _hang_up_all(self._client)
        if self._group_id is not None and self._coordinator is not None:
            await self._coordinator._stop_heartbeat_task()
            await self._coordinator._stop_commit_offsets_refresh_task()
        await self._client.close()

    async def _send(self, node: int, request: Any, **options: Any) -> Any:
        """Do what the client does, but wait for a group, and never ask in vain without a pause.

        The fetcher would ask for a partition that is refused as fast as it can, and tell nobody.
        """
        if isinstance(request, JoinGroupRequest | SyncGroupRequest):
            return await self._send_patiently(node, request, **options)
        answer = await self._ask(node, request, **options)
        if isinstance(request, FetchRequest) and self._judge(answer.topics):
            await asyncio.sleep(REFUSED_SECONDS)
        return answer

    async def _send_patiently(self, node: int, request: Any, *, group: Any) -> Any:
        """Wait as long as the group may take, where other answers mean a broker that froze."""
        await self._client.ready(node, group=group)
        connection = self._client._conns.get((node, group))
        if connection is None or self._group_seconds is None:
            return await self._ask(node, request, group=group)
        usual = connection._request_timeout
        connection._request_timeout = self._group_seconds
        try:
            return await self._ask(node, request, group=group)
        finally:
            connection._request_timeout = usual

    def _judge(self, topics: Iterable[tuple[str, Iterable[tuple[int, int]]]]) -> bool:
        refused = False
        for topic, partitions in topics:
            for partition, code, *_ in partitions:
                place = TopicPartition(topic, partition)
                error = for_code(code)
                if error in (NoError, OffsetOutOfRangeError):
                    self.read_at[place] = time.monotonic()
                    self.refusals.pop(place, None)
                else:
                    self.refusals[place] = error.__name__
                    refused = True
        return refused


class Producer(AIOKafkaProducer):  # type: ignore[misc]
    """A producer that can be thrown away with all that it holds.

    `trouble` is why the newest batches, or the request that comes before the first of them, have to
    be tried again; nothing where they have not.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.trouble = ""
        self.client.send = self._heard(self.client.send)
        self._deliveries: set[asyncio.Task[None]] = set()
        self._message_accumulator._pending_batches = _Forgiving()
        self._sender._send_produce_req = self._noted(self._sender._send_produce_req)
        _pace_updates(self.client)

    async def append(self, batch: BatchBuilder, topic: str, partition: int) -> Answer:
        """Put a batch in line behind those of its partition; return what will be its answer.

        `send_batch` does the same, but counts the time that it waits for its turn several times
        over and gives up too soon: with 60 senders on a partition after a second. And it waits for
        metadata, which nobody brings any more once the producer was thrown away.
        """
        self.client.add_topic(topic)
        place = TopicPartition(topic, partition)
        answer: Answer = await self._message_accumulator.add_batch(batch, place, _FOR_EVER)
        answer.add_done_callback(seen)
        return answer

    async def throw_away(self) -> None:
        """Close without sending what is held; its senders hear of a lost connection.

        `stop` would try to send it for as long as the brokers are away.
        """
        held = self._message_accumulator
        for batch in [*chain.from_iterable(held._batches.values()), *held._pending_batches]:
            batch.future.add_done_callback(seen)
            batch._drain_waiter.add_done_callback(seen)
        held.fail_all(KafkaConnectionError("the producer was replaced"))
        running: set[asyncio.Task[None]] = set(self._deliveries)
        routine = self._sender.sender_task
        if routine is not None:
            routine.remove_done_callback(self._sender._fail_all)  # fails without a transaction
            running.add(routine)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        _hang_up_all(self.client)
        await self.stop()

    def _heard(self, send: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """Keep what is answered: the sender tries again and tells nobody why."""

        async def heard(node: int, request: Any, **options: Any) -> Any:
            if not isinstance(request, ProduceRequest | InitProducerIdRequest):
                return await send(node, request, **options)
            try:
                answer = await send(node, request, **options)
            except KafkaError as error:
                self.trouble = in_words(error)
                raise
            if isinstance(request, InitProducerIdRequest):
                codes = {answer.error_code} - {NoError.errno}
            else:
                codes = {code for _, parts in answer.topics for _, code, *_ in parts if code}
            self.trouble = ", ".join(sorted(for_code(code).__name__ for code in codes))
            return answer

        return heard

    def _noted(self, send: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        """Keep the tasks that requests are sent in, which the sender keeps to itself."""

        async def noted(node: int, batches: Any) -> None:
            task = asyncio.current_task()
            if task is not None:
                self._deliveries.add(task)
                task.add_done_callback(self._deliveries.discard)
            await send(node, batches)

        return noted


class _Forgiving(set[Any]):
    """Batches on their way: one that fails while it waits for its next try is removed twice."""

    def remove(self, element: Any) -> None:
        self.discard(element)


def _pace_updates(client: AIOKafkaClient) -> None:
    """Ask for metadata a few times a second at most.

    Where a partition has no leader or a topic is gone, the library asks again as soon as it has
    its answer: half a core, and as much of a broker's.
    """
    update = client._metadata_update
    times: deque[float] = deque(maxlen=UPDATES_A_SECOND)

    async def paced(cluster: Any, topics: Any) -> bool:
        now = time.monotonic()
        if len(times) == UPDATES_A_SECOND and now - times[0] < 1.0:
            await asyncio.sleep(times[0] + 1.0 - now)
        times.append(time.monotonic())
        return bool(await update(cluster, topics))

    client._metadata_update = paced


async def end_fetches(consumer: AIOKafkaConsumer) -> None:
    """End a consumer's fetches before it is stopped, in the loop that it runs in.

    Its own `stop` stumbles over one that pauses after an error.
    """
    fetcher = consumer._fetcher
    if fetcher is None:
        return
    running = [fetcher._fetch_task, *fetcher._pending_tasks]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    fetcher._pending_tasks.clear()


@asynccontextmanager
async def connected(address: str, options: Mapping[str, Any]) -> AsyncIterator[AIOKafkaConnection]:
    """Open a connection to one broker, log in, and end it at once afterwards.

    Args:
        address: `host:port`.
        options: what every client is made with.

    Raises:
        KafkaError, OSError, ValueError: it cannot be opened.
    """
    host, port, _ = get_ip_port_afi(address)
    wanted = {name: value for name, value in options.items() if name != "bootstrap_servers"}
    connection = AIOKafkaConnection(host, port, **wanted)
    try:
        await connection.connect()
        yield connection
    finally:
        closed = connection.close()
        if _hang_up(connection):
            await asyncio.wait([closed], timeout=HANG_UP_SECONDS)


def _hang_up(connection: AIOKafkaConnection) -> bool:
    """End a connection without waiting until the other side has read what is written, or agrees.

    Returns:
        Whether there was one.
    """
    protocol = connection._protocol
    if protocol is None or protocol._transport is None:
        return False
    protocol._transport.abort()
    return True


def _hang_up_all(client: AIOKafkaClient) -> None:
    for connection in client._conns.values():
        _hang_up(connection)


def seen(done: asyncio.Future[Any]) -> None:
    """Take note of a failure, which somebody else hears of as well or nobody any more."""
    with suppress(asyncio.CancelledError):
        done.exception()
