"""The topic registry: the one source of names, keys, layouts, partitions and retention."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import msgspec

from schemas.alerts import ALERTS_SCHEMA, ALERTS_TOPIC, Alert
from schemas.bars import BAR_SCHEMA, TradeBar
from schemas.books import BOOKS_SCHEMA, BookBatch
from schemas.cascades import CASCADES_SCHEMA, CASCADES_TOPIC, Cascade
from schemas.context import CONTEXT_SCHEMA, CONTEXT_TOPIC, MarketContext
from schemas.cvd import CVD_SCHEMA, CvdStep
from schemas.cvd_structure import CVD_STRUCTURE_SCHEMA, CvdStructure
from schemas.events import EVENTS_TOPIC, FLOW_EVENT_SCHEMA, FlowEvent
from schemas.footprints import FOOTPRINT_SCHEMA, FootprintBar
from schemas.heatmap import HEATMAP_SCHEMA, HeatmapStep
from schemas.imbalance import IMBALANCE_SCHEMA, ImbalanceStep
from schemas.instruments import INSTRUMENT_SCHEMA, Instrument
from schemas.liquidation_flow import (
    LIQUIDATION_FLOW_SCHEMA,
    LIQUIDATION_FLOW_TOPIC,
    LiquidationFlow,
)
from schemas.liquidation_levels import (
    LIQUIDATION_LEVELS_SCHEMA,
    LIQUIDATION_LEVELS_TOPIC,
    LiquidationLevels,
)
from schemas.liquidations import LIQUIDATIONS_SCHEMA, LiquidationBatch
from schemas.ops import (
    DEADLETTER_SCHEMA,
    EPOCH_SCHEMA,
    QUALITY_SCHEMA,
    SNAPSHOT_SCHEMA,
    DeadLetter,
    Epoch,
    QualityEvent,
    Snapshot,
)
from schemas.outcomes import OUTCOME_SCHEMA, OUTCOMES_TOPIC, OutcomeRecord
from schemas.profiles import PROFILE_SCHEMA, VolumeProfile
from schemas.setups import SETUP_SCHEMA, SETUPS_TOPIC, SetupRecord
from schemas.tickers import TICKERS_SCHEMA, TickerBatch
from schemas.trades import TRADES_SCHEMA, TradeBatch
from schemas.trapped import TRAPPED_SCHEMA, TRAPPED_TOPIC, TrappedPositions

PARTITIONS = 12
DAY_SECONDS = 86_400
CONTENT_TYPE = "application/json"


@dataclass(frozen=True)
class Topic:
    """One topic: what is in it, how it is keyed and how long it is kept.

    `schema_name` is what its records say in `schema`. `partitions` is the same for every topic
    keyed by asset, so that all of one asset is together.
    """

    name: str
    record: type[msgspec.Struct]
    schema_name: str
    key: str
    about: str
    cleanup: Literal["delete", "compact"] = "delete"
    retention_seconds: int | None = None
    partitions: int = PARTITIONS
    most_bytes: int = 2**20

    def headers(
        self, producer: str, schema_name: str | None = None
    ) -> tuple[tuple[str, bytes], ...]:
        """Return the Kafka headers of its records; the same object for the same words.

        Nothing needed for processing is in them alone.

        Args:
            producer: who writes, as `perptape/<version>`.
            schema_name: where it is not the topic's.
        """
        return _headers(schema_name or self.schema_name, producer)


@lru_cache(maxsize=256)
def _headers(schema_name: str, producer: str) -> tuple[tuple[str, bytes], ...]:
    return (
        ("schema", schema_name.encode()),
        ("content-type", CONTENT_TYPE.encode()),
        ("producer", producer.encode()),
    )


TRADES = Topic(
    "md.norm.trades.v1",
    TradeBatch,
    TRADES_SCHEMA,
    key="asset",
    about="Normalized trades of every venue, batched per instrument.",
    retention_seconds=7 * DAY_SECONDS,
)
BOOKS = Topic(
    "md.norm.books.v1",
    BookBatch,
    BOOKS_SCHEMA,
    key="asset",
    about="Order books at 100 ms: best levels, depth in bands around mid, best-price changes.",
    retention_seconds=2 * DAY_SECONDS,
)
LIQUIDATIONS = Topic(
    "md.norm.liquidations.v1",
    LiquidationBatch,
    LIQUIDATIONS_SCHEMA,
    key="asset",
    about="Liquidations as each venue tells them, with their sampling class.",
    retention_seconds=30 * DAY_SECONDS,
)
TICKERS = Topic(
    "md.norm.tickers.v1",
    TickerBatch,
    TICKERS_SCHEMA,
    key="asset",
    about="Mark, index, funding and open interest of every perpetual.",
    retention_seconds=7 * DAY_SECONDS,
)
INSTRUMENTS = Topic(
    "md.ref.instruments.v1",
    Instrument,
    INSTRUMENT_SCHEMA,
    key="venue:symbol",
    about="Tick, lot and naming of every instrument that is collected.",
    cleanup="compact",
)
FOOTPRINTS = Topic(
    "md.flow.footprints.v1",
    FootprintBar,
    FOOTPRINT_SCHEMA,
    key="asset",
    about="Footprint bars per venue and over venues: provisional, final and corrected.",
    retention_seconds=7 * DAY_SECONDS,
)
CVD = Topic(
    "md.flow.cvd.v1",
    CvdStep,
    CVD_SCHEMA,
    key="asset",
    about="Delta, volume and cumulative delta in one-second steps.",
    retention_seconds=7 * DAY_SECONDS,
)
BARS = Topic(
    "md.flow.bars.v1",
    TradeBar,
    BAR_SCHEMA,
    key="asset",
    about="Tick, volume, notional, range and delta bars per venue and over venues.",
    retention_seconds=2 * DAY_SECONDS,
)
PROFILES = Topic(
    "md.flow.profiles.v1",
    VolumeProfile,
    PROFILE_SCHEMA,
    key="asset",
    about="Volume profiles of the day, 4 h, 24 h, 7 and 30 days: rows, nodes, naked POCs.",
    retention_seconds=2 * DAY_SECONDS,
)
CVD_STRUCTURE = Topic(
    "md.flow.cvd_structure.v1",
    CvdStructure,
    CVD_STRUCTURE_SCHEMA,
    key="asset",
    about="CVD by the minute: candles by reset, classes of size, shares, conviction.",
    retention_seconds=7 * DAY_SECONDS,
)
IMBALANCE = Topic(
    "md.flow.imbalance.v1",
    ImbalanceStep,
    IMBALANCE_SCHEMA,
    key="asset",
    about="Order book imbalance and order flow imbalance in one-second steps.",
    retention_seconds=2 * DAY_SECONDS,
)
HEATMAP = Topic(
    "md.flow.heatmap.v1",
    HeatmapStep,
    HEATMAP_SCHEMA,
    key="asset",
    about="What rests at which price of every venue, in one-second steps.",
    retention_seconds=2 * DAY_SECONDS,
)
# A simulated hour of one asset has 2,600 of 900 bytes: kept as long as the bars that they name.
EVENTS = Topic(
    EVENTS_TOPIC,
    FlowEvent,
    FLOW_EVENT_SCHEMA,
    key="asset",
    about="Flow events with their states: large prints, absorption, zones, divergence and more.",
    retention_seconds=7 * DAY_SECONDS,
)
# These two are few and judged by later: kept as long as the liquidations themselves.
CASCADES = Topic(
    CASCADES_TOPIC,
    Cascade,
    CASCADES_SCHEMA,
    key="asset",
    about="Liquidation cascades: every change of state, and each minute while one is on.",
    retention_seconds=30 * DAY_SECONDS,
)
LIQUIDATION_FLOW = Topic(
    LIQUIDATION_FLOW_TOPIC,
    LiquidationFlow,
    LIQUIDATION_FLOW_SCHEMA,
    key="asset",
    about="Liquidations per second and minute with their bounds, and their clusters.",
    retention_seconds=30 * DAY_SECONDS,
)
# Six records of 9 kB a minute and asset, 80 MB a day: as long as the footprints beside it.
CONTEXT = Topic(
    CONTEXT_TOPIC,
    MarketContext,
    CONTEXT_SCHEMA,
    key="asset",
    about="Open interest, funding, basis and quadrants: every 10 s, final each minute.",
    retention_seconds=7 * DAY_SECONDS,
)
# Each is a whole map (16 kB in the first hour, 100 kB when full): older ones are in the store.
LIQUIDATION_LEVELS = Topic(
    LIQUIDATION_LEVELS_TOPIC,
    LiquidationLevels,
    LIQUIDATION_LEVELS_SCHEMA,
    key="asset",
    about="Estimated liquidation levels: one map a minute.",
    retention_seconds=2 * DAY_SECONDS,
)
TRAPPED = Topic(
    TRAPPED_TOPIC,
    TrappedPositions,
    TRAPPED_SCHEMA,
    key="asset",
    about="Estimated positions under water: one map a minute.",
    retention_seconds=2 * DAY_SECONDS,
)
SETUPS = Topic(
    SETUPS_TOPIC,
    SetupRecord,
    SETUP_SCHEMA,
    key="asset",
    about="The five setups: every state that one of them reaches.",
    retention_seconds=30 * DAY_SECONDS,
)
OUTCOMES = Topic(
    OUTCOMES_TOPIC,
    OutcomeRecord,
    OUTCOME_SCHEMA,
    key="asset",
    about="What followed setups and cascades, and what that is worth beside random times.",
    retention_seconds=30 * DAY_SECONDS,
)
QUALITY = Topic(
    "md.ops.quality.v1",
    QualityEvent,
    QUALITY_SCHEMA,
    key="asset",
    about="Gaps, lateness, duplicates and feed changes: quality as data.",
    retention_seconds=30 * DAY_SECONDS,
)
ALERTS = Topic(
    ALERTS_TOPIC,
    Alert,
    ALERTS_SCHEMA,
    key="asset",
    about="What the user's rules found, each with its evidence.",
    retention_seconds=30 * DAY_SECONDS,
)
DEADLETTER = Topic(
    "md.ops.deadletter.v1",
    DeadLetter,
    DEADLETTER_SCHEMA,
    key="origin",
    about="What could not be used, with the reason.",
    retention_seconds=30 * DAY_SECONDS,
    partitions=1,
)
SNAPSHOTS = Topic(
    "md.ops.snapshots.v1",
    Snapshot,
    SNAPSHOT_SCHEMA,
    key="partition, or partition/part",
    about="Operator state with the input offsets it covers.",
    cleanup="compact",
    most_bytes=16 * 2**20,
)
EPOCHS = Topic(
    "md.ops.epochs.v1",
    Epoch,
    EPOCH_SCHEMA,
    key="log",
    about="When the topics were made: later ones have a larger epoch, which leads every revision.",
    cleanup="compact",
    partitions=1,
)

TOPICS = {
    topic.name: topic
    for topic in (
        TRADES, BOOKS, LIQUIDATIONS, TICKERS, INSTRUMENTS,
        FOOTPRINTS, CVD,
        BARS,
        PROFILES,
        CVD_STRUCTURE,
        IMBALANCE,
        HEATMAP,
        EVENTS,
        CASCADES,
        LIQUIDATION_FLOW,
        CONTEXT,
        LIQUIDATION_LEVELS,
        TRAPPED,
        SETUPS,
        OUTCOMES,
        ALERTS,
        QUALITY, DEADLETTER, SNAPSHOTS, EPOCHS,
    )
}  # fmt: skip
"""Retention is by size and use. What is written each second of every series or book is read at once
and then kept in the store: for six assets some 5 GB a day of bars, 11 of imbalance, 3 to 30 of
profiles, 1.5 of heat maps, before compression. Two days, as of books, let a reader be away over a
night and a day. What comes by the minute (CVD structure: 0.2 GB a day) is kept a week."""


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
