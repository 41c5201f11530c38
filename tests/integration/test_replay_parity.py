"""What a recording gives when it is played is what the live run gave, bit for bit."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from collectors.collector import Collector, CollectorSettings
from collectors.outbox.outbox import TOPIC_OF_BATCH, Outbox
from collectors.recorded.contents import Source
from collectors.recorded.replay import Replay
from collectors.registry import choose_feeds
from runtime.backoff import Backoff
from runtime.bus.protocol import Outgoing
from runtime.clock import SystemClock, WarpedClock
from runtime.recordings import RecordingWriter, read_index
from schemas.ops import QualityEvent, QualityKind
from schemas.topics import DEADLETTER, QUALITY
from schemas.trades import BatchHeader
from simulator.faults import Drop
from simulator.market import ScriptedMarket
from simulator.server import Simulator
from simulator.sources import ScriptedSource

START_US = 1_800_000_000_000_000
DEADLINE_SECONDS = 120.0
FILE_BYTES = 100_000
FEEDS = (
    "binance.usdm",
    "binance.spot",
    "bybit.linear",
    "bybit.spot",
    "okx.swap",
    "okx.spot",
    "hyperliquid.perp",
)
CUT = ("binance.usdm", "bybit.linear", "okx.swap")
"""Feeds whose connections the venue cuts, and then loses frames of."""

BATCHES = {topic.name: kind for kind, topic in TOPIC_OF_BATCH.items()}
Key = tuple[str, str, str]
"""Topic, session and symbol: what has a sequence of its own."""


class Kept:
    """A log that keeps what it is sent."""

    def __init__(self) -> None:
        self.records: list[Outgoing] = []

    async def send(self, records: Sequence[Outgoing]) -> list[int]:
        self.records += records
        return list(range(len(self.records) - len(records), len(self.records)))

    def batches(self, until_us: int) -> dict[Key, list[BatchHeader]]:
        sequences = defaultdict(list)
        for record in self.records:
            if record.topic in BATCHES:
                batch = msgspec.json.decode(record.value or b"", type=BATCHES[record.topic])
                if batch.receive_time_us <= until_us:
                    sequences[record.topic, batch.session, batch.symbol].append(batch)
        return sequences

    def events(self) -> list[QualityEvent]:
        """Return what was found out about the data; not what happened to connections."""
        values = [record.value or b"" for record in self.records if record.topic == QUALITY.name]
        events = [msgspec.json.decode(value, type=QualityEvent) for value in values]
        return [event for event in events if event.session]

    def dead_letters(self) -> int:
        return sum(record.topic == DEADLETTER.name for record in self.records)


async def until(condition: Callable[[], bool], running: asyncio.Task[None]) -> None:
    while not condition():
        if running.done():
            running.result()
        await asyncio.sleep(0.05)


def everything_flows(collector: Collector) -> bool:
    """Say whether every group of every feed is up."""
    groups = [group for runner in collector.runners for group in runner.groups.values()]
    feeds = {runner.feed.name for runner in collector.runners if runner.groups}
    return feeds == set(FEEDS) and all(
        group.session is not None and not group.session.is_down for group in groups
    )


async def collect_with_faults(folder: Path, log: Kept) -> int:
    """Record a market whose venues cut connections, and then lose frames; return when it ended.

    That is when it was told to stop: sockets are closed one by one from then on.
    """
    clock = WarpedClock(START_US, 4.0)
    market = ScriptedMarket(3, ("BTC", "ETH"), START_US, rate=4.0)
    writer = RecordingWriter(folder, now_us=clock.now_us, rotate_bytes=FILE_BYTES)
    stop = asyncio.Event()
    async with Simulator(
        [ScriptedSource(market)], clock=clock, session_clock=SystemClock()
    ) as simulator:
        settings = CollectorSettings(
            assets=("BTC", "ETH"),
            quotes=("USDT", "USDC"),
            addresses=simulator.addresses,
            on_frame=writer.write,
        )
        collector = Collector(choose_feeds(FEEDS), settings, log, clock)
        running = asyncio.create_task(collector.run(stop))

        def enough(feeds: Iterable[str], trades: int) -> bool:
            counts: Counter[str] = Counter()
            for name, stats in collector.connections.items():
                counts[name.partition("/")[0]] += stats.trades
            return everything_flows(collector) and all(counts[feed] >= trades for feed in feeds)

        def enough_went_wrong() -> bool:
            found = {(event.venue, event.kind) for event in log.events()}
            venues = {feed.partition(".")[0] for feed in CUT}
            wanted = {(venue, QualityKind.RESYNC) for venue in venues}
            wanted |= {("binance", QualityKind.GAP_REPAIRED), ("okx", QualityKind.GAP_REPAIRED)}
            return wanted <= found and everything_flows(collector)

        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                await until(lambda: enough(FEEDS, 20), running)
                assert all(simulator.drop_connections(feed) for feed in CUT)
                await until(lambda: not everything_flows(collector), running)
                await until(lambda: everything_flows(collector), running)
                for feed in CUT:
                    simulator.apply(Drop(feed=feed, every=40))
                await until(enough_went_wrong, running)
        finally:
            stopped_us = clock.now_us()
            stop.set()
            await running
    writer.close()
    return stopped_us


async def play(folder: Path, log: Kept) -> Replay:
    replay = Replay([Source(folder)])
    await replay.run(Outbox(log, Backoff(0.1, 1.0, lambda: 0.5)))
    return replay


async def test_a_recording_gives_the_records_of_the_live_run(tmp_path: Path) -> None:
    live, played = Kept(), Kept()
    until_us = await collect_with_faults(tmp_path, live)
    replay = await play(tmp_path, played)

    index = read_index(tmp_path)
    assert len(index) > 3
    assert all(entry.closed for entry in index.values())
    assert replay.frames == sum(entry.frames for entry in index.values())

    expected, got = live.batches(until_us), played.batches(until_us)
    assert {(topic, session.partition("/")[0]) for topic, session, _ in expected} >= {
        (topic, feed)
        for topic in BATCHES
        for feed in FEEDS
        if not feed.endswith("spot") or topic in ("md.norm.trades.v1", "md.norm.books.v1")
    }
    assert got.keys() == expected.keys()
    for key, batches in expected.items():
        assert [one.sequence for one in batches] == list(range(len(batches))), key
        assert got[key] == batches, key

    found = [one for one in live.events() if one.log_time_us <= until_us]
    again = [one for one in played.events() if one.log_time_us <= until_us]
    assert Counter(map(msgspec.json.encode, again)) == Counter(map(msgspec.json.encode, found))
    assert live.dead_letters() == played.dead_letters() == 0
