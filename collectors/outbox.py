"""What was collected and is not yet in the log: in order, bounded, sent again until it is there."""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec
import structlog

from collectors.session import Drop
from runtime.backoff import Backoff
from runtime.bus.protocol import Outgoing, Sender
from runtime.errors import BusError, PayloadError
from schemas.instruments import Instrument
from schemas.ops import PAYLOAD_LIMIT_BYTES, DeadLetter, QualityEvent
from schemas.topics import DEADLETTER, INSTRUMENTS, QUALITY, TRADES
from schemas.trades import TradeBatch

MAX_RECORDS = 50_000
SEND_RECORDS = 1000

_log = structlog.get_logger(__name__)
_encode = msgspec.json.encode


@dataclass(slots=True)
class Outbox:
    """Records on their way to the log.

    `put_*` never waits: the sockets must be read. While the log is away records gather up to
    `max_records`; beyond, the oldest are given up and counted in `dropped`, and the hole shows in
    the sequence numbers of their sessions. One `run` sends, in order, and sends the same records
    again until the log has them.
    """

    bus: Sender
    backoff: Backoff
    max_records: int = MAX_RECORDS
    dropped: int = 0
    sent: int = 0
    _records: deque[Outgoing] = field(default_factory=deque, init=False)
    _filled: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    def put_batches(self, batches: Iterable[TradeBatch]) -> None:
        """Add trade batches."""
        for batch in batches:
            key = batch.asset.encode()
            self._put(Outgoing(TRADES.name, key, _encode(batch), batch.receive_time_us))

    def put_drops(self, origin: str, drops: Iterable[Drop]) -> None:
        """Add what could not be used to the dead letters."""
        for drop in drops:
            letter = DeadLetter(
                origin=origin,
                reason=drop.reason,
                detail=drop.detail[:500],
                receive_time_us=drop.receive_time_us,
                size_bytes=drop.size_bytes,
                payload=drop.frame[:PAYLOAD_LIMIT_BYTES].decode("utf-8", "replace"),
            )
            key = origin.encode()
            self._put(Outgoing(DEADLETTER.name, key, _encode(letter), drop.receive_time_us))

    def put_instruments(self, instruments: Iterable[Instrument], now_us: int) -> None:
        """Add instruments to the compacted topic."""
        for instrument in instruments:
            key = f"{instrument.venue}:{instrument.symbol}".encode()
            self._put(Outgoing(INSTRUMENTS.name, key, _encode(instrument), now_us))

    def put_quality(self, event: QualityEvent) -> None:
        """Add a fact about the data."""
        key = event.asset.encode()
        self._put(Outgoing(QUALITY.name, key, _encode(event), event.log_time_us))

    def _put(self, record: Outgoing) -> None:
        if len(self._records) >= self.max_records:
            self._records.popleft()
            self.dropped += 1
            if self.dropped == 1 or self.dropped % 10_000 == 0:
                _log.error("outbox_full_oldest_dropped", dropped=self.dropped)
        self._records.append(record)
        self._filled.set()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await self._filled.wait()
            await self._send_some()

    async def flush(self) -> None:
        """Send everything that is there now."""
        while self._records:
            await self._send_some()

    async def _send_some(self) -> None:
        chunk = [self._records.popleft() for _ in range(min(SEND_RECORDS, len(self._records)))]
        if not self._records:
            self._filled.clear()
        while chunk:
            try:
                await self.bus.send(chunk)
            except BusError as error:
                delay = self.backoff.next_seconds()
                _log.warning("log_away", error=str(error), retry_in_seconds=round(delay, 2))
                await asyncio.sleep(delay)
            except PayloadError as error:
                chunk = self._without_refused(chunk, error)
            else:
                self.backoff.reset()
                self.sent += len(chunk)
                return

    def _without_refused(self, chunk: list[Outgoing], error: PayloadError) -> list[Outgoing]:
        """Give up the largest record of a chunk that the log refuses for what is in it."""
        largest = max(chunk, key=lambda record: len(record.value or b""))
        self.dropped += 1
        _log.error("record_refused", topic=largest.topic, error=str(error), dropped=self.dropped)
        return [record for record in chunk if record is not largest]
