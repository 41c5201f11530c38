"""Recordings through parsers, sessions and an engine with the toolkit, in one process."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import msgspec

from collectors.outbox.outbox import TOPIC_OF_BATCH, Outbox
from collectors.recorded.contents import Source
from collectors.recorded.replay import Replay
from processors.asset import EngineParams
from processors.engine import Engine
from processors.operator import Output
from runtime.backoff import Backoff
from runtime.bus.protocol import Outgoing
from schemas.books import BookBatch
from schemas.market import Kind
from schemas.tickers import TickerBatch
from schemas.trades import BatchHeader
from schemas.units import US_PER_SECOND
from tests.captures import capture

USDM = "binance/usdm/hftbacktest_usdm_btcusdt_20240808.gz"
SPOT = "binance/spot/hftbacktest_spot_btcusdt_20240808.gz"
MARKS = "binance/usdm/hftbacktest_usdm_btcusdt_20230404.dat.gz"
BYBIT = "bybit/cryptofeed_BYBIT_btc_sol.jsonl.zst"
OKX = "okx/cryptofeed_OKX.jsonl.zst"
HYPERLIQUID = "hyperliquid/hftbacktest_btc_20250126.gz"

_OF = {
    USDM: ("hftbacktest", "binance", Kind.LINEAR_PERPETUAL),
    SPOT: ("hftbacktest", "binance", Kind.SPOT),
    MARKS: ("hftbacktest", "binance", Kind.LINEAR_PERPETUAL),
    HYPERLIQUID: ("hftbacktest", "hyperliquid", Kind.LINEAR_PERPETUAL),
}
_KINDS = {topic.name: kind for kind, topic in TOPIC_OF_BATCH.items()}


class Record(NamedTuple):
    """One record of a topic of normalized batches."""

    topic: str
    value: bytes
    batch: BatchHeader


@dataclass
class _Kept:
    """A log that keeps what it is sent."""

    records: list[Outgoing] = field(default_factory=list)

    async def send(self, records: Sequence[Outgoing]) -> list[int]:
        self.records += records
        return list(range(len(self.records) - len(records), len(self.records)))


@lru_cache(2)
def played(*names: str) -> list[Record]:
    """Return the normalized records of recordings that are played together."""
    sources = [Source(capture(name), *_OF.get(name, (None, None, None))) for name in names]
    kept, replay = _Kept(), Replay(sources)
    asyncio.run(replay.run(Outbox(kept, Backoff(0.1, 1.0, lambda: 0.5))))
    return [
        Record(one.topic, one.value, msgspec.json.decode(one.value, type=_KINDS[one.topic]))
        for one in kept.records
        if one.topic in _KINDS and one.value is not None
    ]


def prolonged(records: Sequence[Record], seconds: int) -> list[Record]:
    """Return records and, after them, seconds in which all streams are there and say nothing."""
    newest: dict[tuple[str, str, str], Record] = {}
    for one in records:
        newest[one.topic, one.batch.session, one.batch.symbol] = one
    more = [
        Record(topic, msgspec.json.encode(batch), batch)
        for second in range(1, seconds + 1)
        for topic, _, batch in newest.values()
        for batch in [_later(batch, second)]
    ]
    return [*records, *sorted(more, key=lambda one: one.batch.receive_time_us)]


def _later(batch: BatchHeader, seconds: int) -> BatchHeader:
    by_us = seconds * US_PER_SECOND
    changes: dict[str, object] = {
        "sequence": batch.sequence + seconds,
        "receive_time_us": batch.receive_time_us + by_us,
        "watermark_us": batch.watermark_us + by_us,
    }
    if isinstance(batch, BookBatch):
        changes |= {"event_time_us": batch.event_time_us + by_us, "tops": []}
    elif not isinstance(batch, TickerBatch):
        changes |= {"rows": []}
    return msgspec.structs.replace(batch, **changes)


@dataclass
class Worked:
    """What an engine with the toolkit has made of records; what is after `until_us` is a tail."""

    records: Sequence[Record]
    outputs: list[Output]
    until_us: int = 2**62

    def of(self, kind: type[msgspec.Struct]) -> list[msgspec.Struct]:
        """Return the records of one kind."""
        return [one.record for one in self.outputs if isinstance(one.record, kind)]


def worked(records: Iterable[Record], params: EngineParams | None = None) -> Worked:
    """Let an engine work records off in this order; those of one asset only."""
    taken = list(records)
    engine = Engine(params or EngineParams(toolkit=True), 1)
    outputs: list[Output] = []
    for one in taken:
        outputs += engine.process(one.topic, 0, engine.next_offset(one.topic), one.value)
    return Worked(taken, outputs)
