"""The webhook sink against a receiver on loopback and a real log: at least once, in order."""

import asyncio
import hashlib
import hmac
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from runtime.bus.protocol import TopicPartition
from runtime.metrics import Metrics
from schemas.topics import ALERTS, partition_of
from sinks.webhook.client import Receiver
from sinks.webhook.sink import WebhookSettings, WebhookSink
from tests.sinks.clickhouse.memory_bus import MemoryBus, MemoryConsumer
from tests.sinks.webhook.receiver import (
    SECRET,
    TOKEN,
    alert,
    committed,
    letters,
    listening,
    log,
    put,
    running,
    until,
)

FAST = WebhookSettings(first_retry_seconds=0.01, longest_retry_seconds=0.05, poll_seconds=0.05)


def attempts(metrics: Metrics) -> dict[str, float]:
    """Return how often posts ended in which way."""
    (family,) = (f for f in metrics.registry.collect() if f.name == "perptape_webhook_attempts")
    return {s.labels["result"]: s.value for s in family.samples if s.name.endswith("_total")}


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"perptape_webhook_{name}", labels)


async def test_an_alert_is_posted_as_it_is_in_the_log_and_signed(tmp_path: Path) -> None:
    metrics = Metrics()
    async with log(tmp_path) as bus, listening() as receiver:
        (body,) = await put(bus, alert("a|b"))
        async with running(WebhookSink(bus, receiver.told(), metrics=metrics.webhook)):
            await committed(bus, [1])
    (post,) = receiver.posts
    assert post.path == f"/hooks/{TOKEN}?to=desk"
    assert post.body == body
    assert post.key == "a|b"
    assert post.headers["Content-Type"] == "application/json"
    stamp = post.headers["Perptape-Timestamp"]
    assert abs(time.time() - int(stamp)) < 60
    signed = hmac.new(SECRET.encode(), stamp.encode() + b"." + body, hashlib.sha256)
    assert post.headers["Perptape-Signature"] == "v1=" + signed.hexdigest()
    assert "Perptape-Skipped" not in post.headers
    assert value(metrics, "delivered_alerts_total") == 1
    assert value(metrics, "request_seconds_count") == 1


@pytest.mark.parametrize(
    ("answer", "result"), [(500, "server_error"), (429, "busy"), (408, "timeout")]
)
async def test_what_may_do_better_is_tried_again_before_the_next_alert(
    tmp_path: Path, answer: int, result: str
) -> None:
    metrics = Metrics()
    async with log(tmp_path) as bus, listening(answer, answer) as receiver:
        bodies = await put(bus, alert("1"), alert("2"))
        with capture_logs() as said:
            async with running(
                WebhookSink(bus, receiver.told(), settings=FAST, metrics=metrics.webhook)
            ):
                await committed(bus, [2])
        assert await letters(bus) == []
    assert receiver.keys == ["1", "1", "1", "2"]
    assert [post.body for post in receiver.posts] == [bodies[0]] * 3 + [bodies[1]]
    assert attempts(metrics) == {result: 2, "delivered": 2}
    assert [line["event"] for line in said] == ["webhook_away", "webhook_back"]


async def test_a_receiver_that_says_when_to_come_back_is_left_alone_until_then(
    tmp_path: Path,
) -> None:
    async with log(tmp_path) as bus, listening((429, {"Retry-After": "1"})) as receiver:
        await put(bus, alert("1"))
        async with running(WebhookSink(bus, receiver.told(), settings=FAST)):
            await committed(bus, [1])
    first, second = receiver.posts
    assert 0.95 < second.at - first.at < 5


async def test_a_receiver_that_is_not_there_is_waited_for(tmp_path: Path) -> None:
    metrics = Metrics()
    async with listening() as gone:
        pass
    async with log(tmp_path) as bus:
        await put(bus, alert("1"), alert("2"))
        sink = WebhookSink(bus, gone.told(), settings=FAST, metrics=metrics.webhook)
        async with running(sink):
            await until(lambda: attempts(metrics).get("unreachable", 0) >= 2)
            async with listening(port=gone.port) as receiver:
                await committed(bus, [2])
    assert receiver.keys == ["1", "2"]


async def test_an_answer_that_does_not_come_in_time_is_as_none(tmp_path: Path) -> None:
    metrics = Metrics()
    async with log(tmp_path) as bus, listening(None) as receiver:
        await put(bus, alert("1"))
        sink = WebhookSink(bus, receiver.told(0.2), settings=FAST, metrics=metrics.webhook)
        async with running(sink):
            await committed(bus, [1])
    assert receiver.keys == ["1", "1"]
    assert attempts(metrics) == {"timeout": 1, "delivered": 1}


@pytest.mark.parametrize("status", [400, 401, 404, 302])
async def test_a_refusal_is_a_dead_letter_and_the_next_alert_follows(
    tmp_path: Path, status: int
) -> None:
    metrics = Metrics()
    answer = (status, {"Location": "/elsewhere"})
    async with log(tmp_path) as bus, listening(answer) as receiver:
        bodies = await put(bus, alert("1"), alert("2"))
        sink = WebhookSink(bus, receiver.told(), settings=FAST, metrics=metrics.webhook)
        async with running(sink):
            await committed(bus, [2])
        (letter,) = await letters(bus)
    assert receiver.keys == ["1", "2"]
    assert {post.path for post in receiver.posts} == {f"/hooks/{TOKEN}?to=desk"}
    number = partition_of(b"BTC", ALERTS.partitions)
    assert (letter.reason, letter.origin) == ("webhook_refused", f"{ALERTS.name}/{number}/0")
    assert letter.detail == f"127.0.0.1:{receiver.port} answered HTTP {status}: 1"
    assert letter.payload.encode() == bodies[0]
    assert value(metrics, "deadletters_total", reason="webhook_refused") == 1


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"{", "truncated"),
        (b'{"schema":"alert.v1"}', "missing required field"),
        (b"\xff", "invalid"),
    ],
)
async def test_what_is_no_alert_is_a_dead_letter_and_is_not_posted(
    tmp_path: Path, body: bytes, why: str
) -> None:
    async with log(tmp_path) as bus, listening() as receiver:
        await put(bus, body, alert("2"))
        async with running(WebhookSink(bus, receiver.told(), settings=FAST)):
            await committed(bus, [2])
        (letter,) = await letters(bus)
    assert receiver.keys == ["2"]
    assert letter.reason == "undecodable"
    assert why in letter.detail


async def test_an_alert_of_another_schema_is_a_dead_letter(tmp_path: Path) -> None:
    async with log(tmp_path) as bus, listening() as receiver:
        await put(bus, alert("1", schema="alert.v2"), alert("2"))
        async with running(WebhookSink(bus, receiver.told(), settings=FAST)):
            await committed(bus, [2])
        (letter,) = await letters(bus)
    assert receiver.keys == ["2"]
    assert "expected alert.v1, was alert.v2" in letter.detail


async def test_what_is_too_old_is_skipped_and_counted_and_not_a_flood(tmp_path: Path) -> None:
    metrics = Metrics()
    async with log(tmp_path) as bus, listening() as receiver:
        old = [alert(f"old {n}", age_seconds=901) for n in range(70)]
        await put(bus, *old, alert("new", age_seconds=800), alert("newer"))
        with capture_logs() as said:
            sink = WebhookSink(bus, receiver.told(), settings=FAST, metrics=metrics.webhook)
            async with running(sink):
                await committed(bus, [72])
    assert receiver.keys == ["new", "newer"]
    assert receiver.posts[0].headers["Perptape-Skipped"] == "70"
    assert "Perptape-Skipped" not in receiver.posts[1].headers
    assert value(metrics, "skipped_alerts_total") == 70
    assert [line["event"] for line in said] == ["webhook_alerts_too_old"]


async def test_an_alert_that_grows_too_old_while_it_is_tried_again_is_let_go(
    tmp_path: Path,
) -> None:
    settings = WebhookSettings(0.5, 0.01, 0.05, poll_seconds=0.05)
    async with log(tmp_path) as bus, listening(*[500] * 1000) as receiver:
        await put(bus, alert("stuck"))
        async with running(WebhookSink(bus, receiver.told(), settings=settings)):
            await committed(bus, [1])
            receiver.answers.clear()
            await put(bus, alert("next"))
            await committed(bus, [2])
    assert len(receiver.posts) > 2
    assert set(receiver.keys[:-1]) == {"stuck"}
    assert receiver.keys[-1] == "next"
    assert receiver.posts[-1].headers["Perptape-Skipped"] == "1"


async def test_the_market_of_a_simulation_has_a_clock_of_its_own(tmp_path: Path) -> None:
    class LongAgo:
        def now_us(self) -> int:
            return 1_000_000_000

        async def sleep_until_us(self, time_us: int) -> None:
            raise AssertionError("nothing here waits for the market")

    async with log(tmp_path) as bus, listening() as receiver:
        old = [alert("1", event_time_us=99_000_000), alert("2", event_time_us=100_000_001)]
        await put(bus, *old)
        async with running(WebhookSink(bus, receiver.told(), clock=LongAgo())):
            await committed(bus, [2])
    assert receiver.keys == ["2"]


async def test_one_that_is_stopped_between_attempts_ends_at_once_and_another_goes_on(
    tmp_path: Path,
) -> None:
    slow = WebhookSettings(first_retry_seconds=600, longest_retry_seconds=600)
    async with log(tmp_path) as bus, listening(500) as receiver:
        await put(bus, alert("1"), alert("2"))
        started = time.monotonic()
        async with running(WebhookSink(bus, receiver.told(), settings=slow)):
            await until(lambda: bool(receiver.posts))
        assert time.monotonic() - started < slow.first_retry_seconds / 2
        await committed(bus, [])
        async with running(WebhookSink(bus, receiver.told(), settings=FAST)):
            await committed(bus, [2])
    assert receiver.keys == ["1", "1", "2"]


async def test_a_second_run_posts_nothing_again(tmp_path: Path) -> None:
    async with log(tmp_path) as bus, listening() as receiver:
        await put(bus, alert("1"))
        async with running(WebhookSink(bus, receiver.told(), settings=FAST)):
            await committed(bus, [1])
        async with running(WebhookSink(bus, receiver.told(), settings=FAST)):
            await put(bus, alert("2"))
            await committed(bus, [2])
    assert receiver.keys == ["1", "2"]


async def test_the_lag_counts_what_was_read_and_not_delivered(tmp_path: Path) -> None:
    metrics = Metrics()
    settings = WebhookSettings(first_retry_seconds=0.01, longest_retry_seconds=0.05, lag_seconds=0)
    number = str(partition_of(b"BTC", ALERTS.partitions))
    async with log(tmp_path) as bus, listening(*[503] * 1000) as receiver:
        await put(bus, *(alert(str(n)) for n in range(60)))
        sink = WebhookSink(bus, receiver.told(), settings=settings, metrics=metrics.webhook)
        async with running(sink):
            await until(lambda: value(metrics, "lag_records", partition=number) == 60)
            receiver.answers.clear()
            await until(lambda: value(metrics, "lag_records", partition=number) == 0)


class GroupConsumer(MemoryConsumer):
    """One that may be told to wait, and counts how often it was asked meanwhile."""

    polls = 0

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.paused: set[TopicPartition] = set()
        self.held: dict[TopicPartition, int] = {}

    def pause(self, topic: str, partition: int) -> None:
        self.paused.add((topic, partition))

    def resume(self, topic: str, partition: int) -> None:
        self.paused.discard((topic, partition))

    async def poll(self, max_records: int, timeout_seconds: float) -> list[Any]:
        self.polls += 1
        lost = self.taken
        self.held = {place: self._positions.pop(place) for place in self.paused - lost}
        found = await super().poll(max_records, timeout_seconds)
        self.paused -= lost
        self._positions |= self.held
        self.held = {}
        return found

    def position(self, topic: str, partition: int) -> int:
        place = (topic, partition)
        return self.held[place] if place in self.held else super().position(*place)


class GroupBus(MemoryBus):
    """A log whose group takes partitions away."""

    member: GroupConsumer | None = None

    async def consumer(self, topics: Any, **options: Any) -> Any:
        self.member = GroupConsumer(self, topics, options["group"] or "", options["rebalance"])
        return self.member


async def test_a_partition_that_goes_away_between_attempts_is_left_to_others() -> None:
    bus = GroupBus()
    bus.put(ALERTS.name, alert("gone 1"), alert("gone 2"), key="BTC")
    bus.put(ALERTS.name, alert("kept"), key="ETH")
    gone = (ALERTS.name, partition_of(b"BTC", ALERTS.partitions))
    kept = (ALERTS.name, partition_of(b"ETH", ALERTS.partitions))
    assert gone != kept
    async with listening(*[500] * 1000) as receiver:
        metrics = Metrics()
        async with running(
            WebhookSink(bus, receiver.told(), settings=FAST, metrics=metrics.webhook)
        ):
            await until(lambda: len(receiver.posts) > 2)
            member = bus.member
            assert member is not None
            assert member.polls > 2  # a member that is not heard of is thrown out
            (head,) = {post.key for post in receiver.posts}
            lost = gone if head.startswith("gone") else kept
            member.taken = frozenset([lost])
            await until(lambda: receiver.keys[-1] != head)
            receiver.answers.clear()
            await until(lambda: bool(bus.offsets))
    assert lost not in {place for _, place in bus.offsets}
    assert not member.paused


async def test_neither_address_nor_secret_is_ever_logged(tmp_path: Path) -> None:
    answers = [500, None, 401, (302, {"Location": "http://127.0.0.1:1/x"})]
    with capture_logs() as said:
        async with log(tmp_path) as bus:
            async with listening(*answers) as receiver:
                await put(bus, *(alert(str(n)) for n in range(4)), b"{")
                async with running(WebhookSink(bus, receiver.told(0.2), settings=FAST)):
                    await committed(bus, [5])
            metrics = Metrics()
            await put(bus, alert("last"))
            away = WebhookSink(bus, receiver.told(), settings=FAST, metrics=metrics.webhook)
            async with running(away):
                await until(lambda: bool(attempts(metrics)))
            shown = [str(said), repr(away.__dict__), str(await letters(bus))]
    assert len(said) >= 5
    for text in shown:
        assert SECRET not in text
        assert TOKEN not in text


async def test_a_name_that_no_server_has_is_away_and_not_an_error(tmp_path: Path) -> None:
    metrics = Metrics()
    receiver = Receiver(f"http://no-such-host.invalid/{TOKEN}", SECRET)
    async with log(tmp_path) as bus:
        await put(bus, alert("1"))
        with capture_logs() as said:
            sink = WebhookSink(bus, receiver, settings=FAST, metrics=metrics.webhook)
            async with running(sink):
                await until(lambda: "unreachable" in attempts(metrics))
        await asyncio.sleep(0)
        await committed(bus, [])
    assert TOKEN not in str(said)


async def test_after_a_success_the_delays_start_over(tmp_path: Path) -> None:
    settings = WebhookSettings(first_retry_seconds=0.1, longest_retry_seconds=60)
    async with log(tmp_path) as bus, listening(500, 500, 500, 200, 500) as receiver:
        await put(bus, alert("1"), alert("2"))
        sink = WebhookSink(bus, receiver.told(), settings=settings, chance=lambda: 1.0)
        async with running(sink):
            await committed(bus, [2])
    assert receiver.keys == ["1", "1", "1", "1", "2", "2"]
    gaps = [after.at - before.at for before, after in pairwise(receiver.posts)]
    wanted = [0.1, 0.2, 0.4, 0.0, 0.1]
    assert all(least <= gap for least, gap in zip(wanted, gaps, strict=True))
    assert gaps[4] < 0.4 < 0.8  # without starting over it would be 0.8 s


async def test_nothing_is_read_on_while_a_receiver_is_waited_for() -> None:
    bus = GroupBus()
    bus.put(ALERTS.name, *(alert(str(n)) for n in range(100)))
    place = (ALERTS.name, partition_of(b"BTC", ALERTS.partitions))
    settings = WebhookSettings(
        first_retry_seconds=0.02, longest_retry_seconds=0.05, poll_records=7, poll_seconds=0.01
    )
    async with (
        listening(*[500] * 1000) as receiver,
        running(WebhookSink(bus, receiver.told(), settings=settings)),
    ):
        await until(lambda: len(receiver.posts) > 5)
        assert bus.member is not None
        assert bus.member.polls > 5
        assert bus.member.position(*place) == 7
