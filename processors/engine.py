"""The operators of one partition: records in, records out, state to and from a snapshot.

Pure: the engine's time is the time in its records. Every asset has its own feeds and operators, so
that which assets share a partition changes nothing. The host (`processors.host`) moves records,
keeps the order of sending and saves snapshots.
"""

import json
from collections.abc import Collection
from typing import Any

import msgspec

from processors.asset import Asset, EngineParams
from processors.feeds import Finding
from processors.operator import Cause, Output
from processors.plain import Plain
from processors.trades import CheckedBatch
from processors.units import AssetUnits, units_of
from schemas.books import BookBatch
from schemas.liquidations import LiquidationBatch
from schemas.ops import PAYLOAD_LIMIT_BYTES, DeadLetter, QualityEvent
from schemas.tickers import TickerBatch
from schemas.topics import BOOKS, DEADLETTER, LIQUIDATIONS, QUALITY, TICKERS, TOPICS, TRADES
from schemas.trades import BatchHeader

MAX_ASSETS = 2000
"""A partition with more assets than this is fed by something that makes names up."""

SIDES = (BOOKS.name, LIQUIDATIONS.name, TICKERS.name)
"""What is read beside the trades."""

_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    TRADES.name: msgspec.json.Decoder(CheckedBatch),
    BOOKS.name: msgspec.json.Decoder(BookBatch),
    LIQUIDATIONS.name: msgspec.json.Decoder(LiquidationBatch),
    TICKERS.name: msgspec.json.Decoder(TickerBatch),
}


class Engine:
    """Runs the operators of one partition of the trades topic, and of the topics beside it.

    `offsets` are those of the newest record of each topic that was worked off.
    """

    def __init__(self, params: EngineParams, epoch: int) -> None:
        self._params = params
        self._epoch = epoch
        self._assets: dict[str, Asset] = {}
        self.offsets: dict[str, int] = {}
        self.trades = 0

    @property
    def assets(self) -> Collection[Asset]:
        """What is known of, in the order of their first records."""
        return self._assets.values()

    def next_offset(self, topic: str) -> int:
        """Return the offset that a topic is to be read at."""
        return self.offsets.get(topic, -1) + 1

    def process(self, topic: str, partition: int, offset: int, value: bytes) -> list[Output]:
        """Work one record off; a record that cannot be used becomes a dead letter.

        Records that were worked off before yield nothing.
        """
        if offset < self.next_offset(topic):
            return []
        self.offsets[topic] = offset
        cause = Cause(topic, partition, offset, self._epoch)
        try:
            batch: BatchHeader = _DECODERS[topic].decode(value)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            return [_dead_letter(cause, "unreadable_record", str(error), value, 0)]
        schema = TOPICS[topic].schema_name
        if batch.schema != schema:
            detail = f"expected schema {schema}, was {batch.schema[:40]}"
            return [_dead_letter(cause, "unknown_schema", detail, value, batch.receive_time_us)]
        try:
            asset = self._asset(batch)
            if asset is None:
                return []
            findings = asset.take(topic, batch, cause)
        except (ValueError, ArithmeticError) as error:
            letter = _dead_letter(cause, "unusable_batch", str(error), value, batch.receive_time_us)
            return [letter]
        trades, outputs = asset.run(cause)
        self.trades += trades
        return [_quality(batch, finding) for finding in findings] + outputs

    def waiting(self, topic: str, partition: int) -> list[Output]:
        """Return the provisional outputs that are held back for their pace; nothing changes."""
        cause = Cause(topic, partition, self.offsets.get(topic, -1), self._epoch)
        return [
            output
            for asset in self._assets.values()
            for operator in asset.operators
            for output in operator.waiting(asset.feeds, cause)
        ]

    def _asset(self, batch: BatchHeader) -> Asset | None:
        """Return the asset of a batch, None before the first trade of one whose grid is unknown."""
        asset = self._assets.get(batch.asset)
        if asset is None:
            if "/" in batch.asset:
                raise ValueError("an asset's name has no slash: it names parts of snapshots")
            units = units_of(batch, self._params.units)
            if units is None:
                return None
            if len(self._assets) >= MAX_ASSETS:
                raise ValueError(f"more than {MAX_ASSETS} assets in one partition")
            asset = self._assets[batch.asset] = Asset(batch.asset, units, self._params, self._epoch)
        return asset

    # --- state

    def snapshot(self) -> tuple[bytes, dict[str, bytes]]:
        """Return the state after the last record, and the parts finished since the last call."""
        assets = []
        parts: dict[str, bytes] = {}
        for name, asset in self._assets.items():
            heads = {}
            for owner, component in asset.stateful.items():
                state = component.snapshot()
                heads[owner] = state.head
                for part, content in state.parts.items():
                    parts[f"{name}/{owner}/{part}"] = content
            units = [asset.units.tick, asset.units.lot, asset.units.row_size]
            assets.append([name, units, heads])
        head = {"offsets": self.offsets, "trades": self.trades, "assets": assets}
        return json.dumps(head, separators=(",", ":")).encode(), parts

    def restore(self, head: bytes, parts: dict[str, bytes]) -> None:
        """Continue from a snapshot.

        Args:
            head: the state.
            parts: every part ever written for this partition that is still there.

        Raises:
            ValueError: the state is not one of this code, or a part is missing.
        """
        state: Plain = json.loads(head)
        self.offsets, self.trades = state["offsets"], state["trades"]
        own: dict[tuple[str, str], dict[str, bytes]] = {}
        for path, content in parts.items():
            name, owner, rest = path.split("/", 2)
            own.setdefault((name, owner), {})[rest] = content
        for name, (tick, lot, row_size), heads in state["assets"]:
            units = AssetUnits(tick=tick, lot=lot, row_size=row_size)
            asset = self._assets[name] = Asset(name, units, self._params, self._epoch)
            if list(asset.stateful) != list(heads):
                raise ValueError(f"the snapshot of {name} was made by other operators")
            for owner, component in asset.stateful.items():
                component.restore(heads[owner], own.get((name, owner), {}))

    def keeps(self, part: str) -> bool:
        """Say whether a part is still needed."""
        name, owner, rest = part.split("/", 2)
        asset = self._assets.get(name)
        return asset is not None and owner in asset.stateful and asset.stateful[owner].keeps(rest)


def _quality(batch: Any, finding: Finding) -> Output:
    record = QualityEvent(
        kind=finding.kind,
        venue=batch.venue,
        symbol=batch.symbol,
        asset=batch.asset,
        stream=batch.stream,
        session=batch.session,
        from_us=finding.from_us,
        to_us=finding.to_us,
        count=finding.times,
        detail=finding.detail,
        log_time_us=batch.receive_time_us,
    )
    return Output(QUALITY.name, batch.asset, record, finding.from_us)


def _dead_letter(cause: Cause, reason: str, detail: str, value: bytes, time_us: int) -> Output:
    origin = f"{cause.topic}/{cause.partition}/{cause.offset}"
    record = DeadLetter(
        origin=origin,
        reason=reason,
        detail=detail,
        receive_time_us=time_us,
        size_bytes=len(value),
        payload=value[:PAYLOAD_LIMIT_BYTES].decode("utf-8", "replace"),
    )
    return Output(DEADLETTER.name, origin, record, time_us)
