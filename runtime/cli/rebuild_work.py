"""Trades in, final bars beside the tables: the work of `perptape rebuild`.

It takes what collectors send, so that a recording is played into it as into a log.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from runtime.bus.protocol import Outgoing
from runtime.cli.backfill import known_units
from runtime.cli.parts import engine_params
from runtime.cli.stages import stage
from runtime.settings import Settings
from schemas.lineage import InputRange
from schemas.topics import FOOTPRINTS, TRADES
from schemas.trades import TradeBatch

WAITING_ROWS = 50_000
"""How many trades are held before they are stored; bars go with them."""

_decode = msgspec.json.Decoder(TradeBatch).decode
_encode = msgspec.json.encode


class DayOfBars:
    """Works trades of a day off, and puts them and their final bars beside the tables.

    Args:
        settings: of grids and bars.
        store: what grids the assets have.
        beside: takes the blocks.
        span_us: begin and end of the day; trades and bars outside are left out.
        epoch: leads the revisions.
        inputs: what the bars are made of.

    Attributes:
        unusable: how many batches could not be used.
    """

    def __init__(
        self,
        settings: Settings,
        store: Any,
        beside: Any,
        span_us: tuple[int, int],
        epoch: int,
        inputs: Sequence[InputRange],
    ) -> None:
        load = stage("sinks.clickhouse.backfill.load")
        self._params = engine_params(settings)
        self._store = store
        self._span_us = span_us
        self._epoch = epoch
        self._inputs = list(inputs)
        self._trades = load.Blocks(beside, TRADES.name, load.BLOCK_ROWS)
        self._bars = load.Blocks(beside, FOOTPRINTS.name, load.BLOCK_BARS)
        self._rebuilds: dict[str, Any] = {}
        self._waiting: tuple[list[Any], list[Any]] = ([], [])
        self._rows = self._number = 0
        self.unusable = 0

    async def send(self, records: Sequence[Outgoing]) -> list[int]:
        """Take what collectors send; all but trades is left out.

        Raises:
            StoreError: what it leads to could not be stored.
        """
        for record in records:
            if record.topic == TRADES.name and record.value is not None:
                self.take(record.value)
        return [0] * len(records)

    def take(self, value: bytes) -> None:
        """Work one batch off; batches of an asset come in the order of its log.

        One that cannot be used is counted and left out, as the engine does.

        Raises:
            StoreError: what it leads to could not be stored.
        """
        try:
            batch = _decode(value)
            rebuild = self._rebuild(batch)
            bars = rebuild.take(batch) if rebuild is not None else []
        except (msgspec.MsgspecError, ValueError, ArithmeticError):
            self.unusable += 1
            return
        self._number += 1
        source = stage("sinks.clickhouse.rows").Source(self._epoch, 0, self._number)
        from_us, until_us = self._span_us
        rows = [row for row in batch.rows if from_us <= row[0] < until_us]
        trades, made = self._waiting
        if rows:
            kept = msgspec.structs.replace(batch, rows=rows)
            trades += stage("sinks.clickhouse.rows_trades").pieces_of(kept, source)
        for bar in bars:
            if from_us <= bar.bar_start_us and bar.bar_end_us <= until_us:
                told = _encode(msgspec.structs.replace(bar, inputs=self._inputs))
                made += stage("sinks.clickhouse.rows_footprints").footprint_pieces(told, source)
        self._rows += len(rows) + len(bars)
        if self._rows >= WAITING_ROWS:
            self.flush()

    def flush(self) -> None:
        """Store what waits.

        Raises:
            StoreError: not stored.
        """
        trades, bars = self._waiting
        self._trades.put(trades)
        self._bars.put(bars)
        self._waiting, self._rows = ([], []), 0

    def _rebuild(self, batch: TradeBatch) -> Any:
        """Return what makes an asset's bars, None before the first trade of an unknown grid."""
        found = self._rebuilds.get(batch.asset)
        if found is None:
            known = known_units(self._params, self._store, batch.asset)
            units = stage("processors.units").units_of(batch, known)
            if units is None:
                return None
            made = stage("processors.rebuild").Rebuild
            found = made(batch.asset, units, self._params.footprint, self._epoch)
            self._rebuilds[batch.asset] = found
        return found
