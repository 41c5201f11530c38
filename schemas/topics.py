"""The topic registry: the one source of names, keys, layouts, partitions and retention."""

from dataclasses import dataclass
from typing import Literal

import msgspec

from schemas.books import BookBatch
from schemas.cvd import CvdStep
from schemas.footprints import FootprintBar
from schemas.instruments import Instrument
from schemas.liquidations import LiquidationBatch
from schemas.ops import DeadLetter, QualityEvent, Snapshot
from schemas.tickers import TickerBatch
from schemas.trades import TradeBatch

PARTITIONS = 12
DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Topic:
    """One topic: what is in it, how it is keyed and how long it is kept.

    `partitions` is the same for every topic keyed by asset, so that all of one asset is together.
    """

    name: str
    record: type[msgspec.Struct]
    key: str
    about: str
    cleanup: Literal["delete", "compact"] = "delete"
    retention_seconds: int | None = None
    partitions: int = PARTITIONS


TRADES = Topic(
    "md.norm.trades.v1",
    TradeBatch,
    key="asset",
    about="Normalized trades of every venue, batched per instrument.",
    retention_seconds=7 * DAY_SECONDS,
)
BOOKS = Topic(
    "md.norm.books.v1",
    BookBatch,
    key="asset",
    about="Order books at 100 ms: best levels, depth in bands around mid, best-price changes.",
    retention_seconds=2 * DAY_SECONDS,
)
LIQUIDATIONS = Topic(
    "md.norm.liquidations.v1",
    LiquidationBatch,
    key="asset",
    about="Liquidations as each venue tells them, with their sampling class.",
    retention_seconds=30 * DAY_SECONDS,
)
TICKERS = Topic(
    "md.norm.tickers.v1",
    TickerBatch,
    key="asset",
    about="Mark, index, funding and open interest of every perpetual.",
    retention_seconds=7 * DAY_SECONDS,
)
INSTRUMENTS = Topic(
    "md.ref.instruments.v1",
    Instrument,
    key="venue:symbol",
    about="Tick, lot and naming of every instrument that is collected.",
    cleanup="compact",
)
FOOTPRINTS = Topic(
    "md.flow.footprints.v1",
    FootprintBar,
    key="asset",
    about="Footprint bars per venue and over venues: provisional, final and corrected.",
    retention_seconds=7 * DAY_SECONDS,
)
CVD = Topic(
    "md.flow.cvd.v1",
    CvdStep,
    key="asset",
    about="Delta, volume and cumulative delta in one-second steps.",
    retention_seconds=7 * DAY_SECONDS,
)
QUALITY = Topic(
    "md.ops.quality.v1",
    QualityEvent,
    key="asset",
    about="Gaps, lateness, duplicates and feed changes: quality as data.",
    retention_seconds=30 * DAY_SECONDS,
)
DEADLETTER = Topic(
    "md.ops.deadletter.v1",
    DeadLetter,
    key="origin",
    about="What could not be used, with the reason.",
    retention_seconds=30 * DAY_SECONDS,
    partitions=1,
)
SNAPSHOTS = Topic(
    "md.ops.snapshots.v1",
    Snapshot,
    key="partition, or partition/part",
    about="Operator state with the input offsets it covers.",
    cleanup="compact",
)

TOPICS = {
    topic.name: topic
    for topic in (
        TRADES, BOOKS, LIQUIDATIONS, TICKERS, INSTRUMENTS, FOOTPRINTS, CVD, QUALITY, DEADLETTER,
        SNAPSHOTS,
    )
}  # fmt: skip


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of a key as every Kafka client with murmur2 does.

    Source: Apache Kafka's default partitioner, `toPositive(murmur2(key)) % partitions`.
    """
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """Hash bytes to 32 bits with Kafka's murmur2 (seed 0x9747b28c)."""
    mask, multiplier = 0xFFFFFFFF, 0x5BD1E995
    length = len(data)
    value = 0x9747B28C ^ length
    whole = length & ~3
    for start in range(0, whole, 4):
        word = int.from_bytes(data[start : start + 4], "little") * multiplier & mask
        word = (word ^ (word >> 24)) * multiplier & mask
        value = (value * multiplier & mask) ^ word
    if whole < length:
        value = (value ^ int.from_bytes(data[whole:], "little")) * multiplier & mask
    value = (value ^ (value >> 13)) * multiplier & mask
    return value ^ (value >> 15)
