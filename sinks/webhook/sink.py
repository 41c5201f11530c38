"""The webhook sink: reads alerts, posts them one by one, commits what the receiver took.

The offset of an alert is committed after its delivery: a crash in between posts it again, with the
same key. Order holds inside a partition: an alert that cannot be delivered now is tried again
before the next one is looked at, for as long as it is not too old. What is too old is skipped and
counted, so that a receiver that comes back hears of the present and not of its absence.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import structlog

from runtime.backoff import Backoff
from runtime.bus.protocol import Bus, Consumer, Outgoing, Record, TopicPartition
from runtime.clock import Clock, SystemClock
from runtime.errors import BusError
from runtime.failpoint import failpoint
from runtime.metrics import Metrics, WebhookMetrics
from schemas.alerts import ALERTS_SCHEMA, Alert
from schemas.topics import ALERTS, DEADLETTER
from schemas.units import US_PER_SECOND
from sinks.dead_letters import dead_letter
from sinks.webhook.answers import Answer, Result
from sinks.webhook.client import Receiver, WebhookClient

GROUP = "sink.webhook"
_log = structlog.get_logger(__name__)
_decode = msgspec.json.Decoder(Alert).decode


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """How old an alert may be, how failures are waited out, and how much is read at once."""

    oldest_seconds: float = 900.0
    first_retry_seconds: float = 1.0
    longest_retry_seconds: float = 60.0
    log_retry_seconds: float = 5.0
    poll_records: int = 50
    poll_seconds: float = 0.5
    lag_seconds: float = 5.0


class WebhookSink:
    """Delivers the alerts of the log to one receiver.

    Args:
        bus: the log.
        receiver: where they go.
        settings: bounds and delays.
        clock: what the age of an alert is taken by: that of the market.
        metrics: where to count; None counts for nobody.
        chance: decides how long is waited, in [0, 1).
    """

    def __init__(
        self,
        bus: Bus,
        receiver: Receiver,
        *,
        settings: WebhookSettings | None = None,
        clock: Clock | None = None,
        metrics: WebhookMetrics | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._bus = bus
        self._receiver = receiver
        self._settings = settings or WebhookSettings()
        self._clock = clock or SystemClock()
        self._metrics = metrics or Metrics().webhook
        self._backoff = Backoff(
            self._settings.first_retry_seconds, self._settings.longest_retry_seconds, chance
        )
        self._queue: deque[Record] = deque()
        self._places: frozenset[TopicPartition] = frozenset()
        self._done: dict[TopicPartition, int] = {}
        self._skipped = 0
        self._failed = 0
        self._next_lag = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver what comes until `stop`; what is not delivered by then is left for the next."""
        consumer = await self._bus.consumer([ALERTS.name], group=GROUP, rebalance=self)
        try:
            async with WebhookClient(self._receiver) as client:
                while not stop.is_set():
                    try:
                        await self._step(consumer, client, stop)
                    except BusError as error:
                        _log.warning("webhook_log_unreadable", error=str(error))
                        await _wait_for(stop, self._settings.log_retry_seconds)
        finally:
            self._queue.clear()
            await consumer.close()

    # What the consumer tells, inside its poll.

    async def assigned(self, places: frozenset[TopicPartition]) -> None:
        """Deliver what comes of these partitions from now on."""
        self._places |= places

    async def revoked(self, places: frozenset[TopicPartition]) -> None:
        """Forget what was read of these partitions; whoever gets them goes on there."""
        self._places -= places
        self._queue = deque(one for one in self._queue if _place(one) not in places)
        for place in places:
            self._done.pop(place, None)
            self._metrics.lag.remove(str(place[1]))

    async def _step(self, consumer: Consumer, client: WebhookClient, stop: asyncio.Event) -> None:
        """Read, or deal with one alert."""
        await self._measure_lag(consumer)
        if not self._queue:
            await self._commit(consumer)
            settings = self._settings
            self._take(await consumer.poll(settings.poll_records, settings.poll_seconds))
            return
        record = self._queue[0]
        answer = await self._deal_with(client, record)
        if answer is not None and answer.try_again:
            again = self._backoff.next_seconds()
            await self._rest(consumer, stop, max(again, answer.wait_seconds or 0.0))
            return
        self._queue.popleft()
        self._done[_place(record)] = record.offset + 1
        if answer is not None:
            failpoint("webhook_before_commit")
            await self._commit(consumer)

    def _take(self, records: Sequence[Record]) -> None:
        """Queue what a poll returned; `revoked` may have changed the queue inside it."""
        self._queue.extend(records)
        self._metrics.polls.inc()

    async def _deal_with(self, client: WebhookClient, record: Record) -> Answer | None:
        """Post an alert once, or leave it out (None): unreadable, or too old."""
        if record.value is None:
            return None
        try:
            alert = _decode(record.value)
            if alert.schema != ALERTS_SCHEMA:
                raise msgspec.ValidationError(f"expected {ALERTS_SCHEMA}, was {alert.schema[:40]}")
        except (msgspec.MsgspecError, ValueError) as error:
            await self._bury(record, "undecodable", str(error))
            return None
        age_us = self._clock.now_us() - alert.event_time_us
        if age_us > self._settings.oldest_seconds * US_PER_SECOND:
            self._skip(alert)
            return None
        started = time.perf_counter()
        answer = await client.post(record.value, alert.key, self._skipped)
        self._metrics.request_seconds.observe(time.perf_counter() - started)
        self._metrics.attempts.labels(answer.result.value).inc()
        await self._note(record, alert, answer)
        return answer

    def _skip(self, alert: Alert) -> None:
        if not self._skipped:
            _log.warning("webhook_alerts_too_old", first_key=alert.key, host=self._receiver.host)
        self._skipped += 1
        self._metrics.skipped.inc()

    async def _note(self, record: Record, alert: Alert, answer: Answer) -> None:
        """Count and log how a post ended; of failures in a row only the first is logged."""
        host = self._receiver.host
        if answer.try_again:
            if not self._failed:
                _log.warning("webhook_away", host=host, error=answer.detail, key=alert.key)
            self._failed += 1
            return
        if answer.result is Result.REFUSED:
            detail = f"{host} answered {answer.detail}: {alert.key}"
            await self._bury(record, "webhook_refused", detail)
        else:
            self._metrics.delivered.inc()
            self._skipped = 0
        if self._failed:
            _log.warning("webhook_back", host=host, attempts=self._failed)
        self._failed = 0
        self._backoff.reset()

    async def _bury(self, record: Record, reason: str, detail: str) -> None:
        """Send a record to the dead letters, durably."""
        letter = dead_letter(record, reason, detail)
        value = msgspec.json.encode(letter)
        name = letter.origin
        await self._bus.send([Outgoing(DEADLETTER.name, name.encode(), value, record.timestamp_us)])
        self._metrics.deadletters.labels(reason).inc()
        _log.warning("webhook_alert_unusable", origin=name, reason=reason, detail=detail)

    async def _rest(self, consumer: Consumer, stop: asyncio.Event, seconds: float) -> None:
        """Wait before another attempt, and stay in the group meanwhile without reading on."""
        deadline = time.monotonic() + seconds
        try:
            while not stop.is_set() and self._queue and (left := deadline - time.monotonic()) > 0:
                for place in self._places:
                    consumer.pause(*place)
                # What was given to us inside this poll may come along; it is paused the next time.
                self._take(await consumer.poll(1, min(left, self._settings.poll_seconds)))
        finally:
            for place in self._places:
                consumer.resume(*place)

    async def _commit(self, consumer: Consumer) -> None:
        """Commit what was dealt with; one that fails is made up for by the next."""
        if not self._done:
            return
        try:
            await consumer.commit(self._done)
        except BusError as error:
            _log.warning("webhook_commit_failed", error=str(error))
        else:
            self._done = {}

    async def _measure_lag(self, consumer: Consumer) -> None:
        now = time.monotonic()
        if now < self._next_lag:
            return
        self._next_lag = now + self._settings.lag_seconds
        ends = await self._bus.end_offsets(ALERTS.name)
        waiting = [_place(record) for record in self._queue]
        for place in self._places:
            behind = ends[place[1]] - consumer.position(*place) + waiting.count(place)
            self._metrics.lag.labels(str(place[1])).set(behind)


def _place(record: Record) -> TopicPartition:
    return record.topic, record.partition


async def _wait_for(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
