"""The operators of one partition: records in, records out, state to and from a snapshot.

Pure: the engine's time is the time in its records. Every asset has its own feeds and operators, so
that which assets share a partition changes nothing. The host (`processors.host`) moves records,
keeps the order of sending and saves snapshots.
"""

import json
from decimal import Decimal

import msgspec

from processors.feeds import Feeds, Finding
from processors.operator import Cause, Operator, Output, Stateful
from processors.operators.cvd import CvdOperator
from processors.operators.footprint import FootprintOperator, FootprintParams, params_hash
from processors.plain import Plain
from processors.trades import CheckedBatch
from processors.units import DEFAULT_UNITS, AssetUnits, fallback_units
from schemas.ops import PAYLOAD_LIMIT_BYTES, DeadLetter, QualityEvent
from schemas.topics import DEADLETTER, QUALITY
from schemas.trades import TRADES_SCHEMA, TradeBatch

MAX_ASSETS = 2000
"""A partition with more assets than this is fed by something that makes names up."""

_decode = msgspec.json.Decoder(CheckedBatch).decode


class EngineParams(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of all operators; `units` overrides or adds to the grids known for assets."""

    footprint: FootprintParams = FootprintParams()
    units: dict[str, AssetUnits] = {}


class Asset:
    """One asset's feeds and operators; all of them have a state."""

    def __init__(self, name: str, units: AssetUnits, params: EngineParams) -> None:
        self.units = units
        self.feeds = Feeds(units)
        self.operators: list[Operator] = [
            FootprintOperator(name, units, params.footprint),
            CvdOperator(name, units, params_hash(units)),
        ]
        self.stateful: dict[str, Stateful] = {
            part.name: part for part in (self.feeds, *self.operators)
        }


class Engine:
    """Runs the operators of one partition of the trades topic."""

    def __init__(self, params: EngineParams, epoch: int) -> None:
        self._params = params
        self._epoch = epoch
        self._assets: dict[str, Asset] = {}
        self.last_offset = -1
        self.trades = 0

    def process(self, topic: str, partition: int, offset: int, value: bytes) -> list[Output]:
        """Work one record off; a record that cannot be used becomes a dead letter.

        Records at or below `last_offset` were worked off before and yield nothing.
        """
        if offset <= self.last_offset:
            return []
        self.last_offset = offset
        cause = Cause(topic, partition, offset, self._epoch)
        try:
            batch = _decode(value)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            return [_dead_letter(cause, "unreadable_record", str(error), value, 0)]
        if batch.schema != TRADES_SCHEMA:
            detail = f"expected schema {TRADES_SCHEMA}, was {batch.schema[:40]}"
            return [_dead_letter(cause, "unknown_schema", detail, value, batch.receive_time_us)]
        try:
            asset = self._asset(batch)
            if asset is None:
                return []
            accepted, findings = asset.feeds.accept(batch)
        except (ValueError, ArithmeticError) as error:
            letter = _dead_letter(cause, "unusable_batch", str(error), value, batch.receive_time_us)
            return [letter]
        self.trades += len(accepted.block.trades) if accepted.block else 0
        outputs = [_quality(batch, finding) for finding in findings]
        for operator in asset.operators:
            outputs += operator.on_batch(accepted, cause)
        for operator in asset.operators:
            outputs += operator.on_time(asset.feeds, cause)
        return outputs

    def waiting(self, topic: str, partition: int) -> list[Output]:
        """Return the provisional outputs that are held back for their pace; nothing changes."""
        cause = Cause(topic, partition, self.last_offset, self._epoch)
        return [
            output
            for asset in self._assets.values()
            for operator in asset.operators
            for output in operator.waiting(asset.feeds, cause)
        ]

    def _asset(self, batch: TradeBatch) -> Asset | None:
        """Return the asset of a batch, None before the first trade of one whose grid is unknown."""
        asset = self._assets.get(batch.asset)
        if asset is None:
            if "/" in batch.asset:
                raise ValueError("an asset's name has no slash: it names parts of snapshots")
            units = self._units(batch)
            if units is None:
                return None
            if len(self._assets) >= MAX_ASSETS:
                raise ValueError(f"more than {MAX_ASSETS} assets in one partition")
            asset = self._assets[batch.asset] = Asset(batch.asset, units, self._params)
        return asset

    def _units(self, batch: TradeBatch) -> AssetUnits | None:
        units = self._params.units.get(batch.asset) or DEFAULT_UNITS.get(batch.asset)
        if units is not None or not batch.rows:
            return units
        tick, lot = Decimal(batch.tick), Decimal(batch.lot)
        if tick <= 0 or lot <= 0 or batch.rows[0][1] <= 0:
            raise ValueError("tick, lot and price must be above zero")
        return fallback_units(batch.rows[0][1] * tick, lot)

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
        head = {"last_offset": self.last_offset, "trades": self.trades, "assets": assets}
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
        self.last_offset, self.trades = state["last_offset"], state["trades"]
        own: dict[tuple[str, str], dict[str, bytes]] = {}
        for path, content in parts.items():
            name, owner, rest = path.split("/", 2)
            own.setdefault((name, owner), {})[rest] = content
        for name, (tick, lot, row_size), heads in state["assets"]:
            units = AssetUnits(tick=tick, lot=lot, row_size=row_size)
            asset = self._assets[name] = Asset(name, units, self._params)
            if list(asset.stateful) != list(heads):
                raise ValueError(f"the snapshot of {name} was made by other operators")
            for owner, component in asset.stateful.items():
                component.restore(heads[owner], own.get((name, owner), {}))

    def keeps(self, part: str) -> bool:
        """Say whether a part is still needed."""
        name, owner, rest = part.split("/", 2)
        asset = self._assets.get(name)
        return asset is not None and owner in asset.stateful and asset.stateful[owner].keeps(rest)


def _quality(batch: TradeBatch, finding: Finding) -> Output:
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
