"""What was collected and is not yet in the log: in order, bounded, sent again until it is there.

Records wait in memory first. With a spool, once more than `memory_records` wait or the log has been
away for `away_seconds`, what waits goes to the disk in order, and everything after it goes through
the disk too, until that is drained: then memory again. What an earlier process left there is sent
before anything new. So a log that is away or slow loses nothing while the spool has room.

What is lost: records beyond the bounds (the spool's, or `max_records` in memory where there is no
spool or the disk refuses), the oldest first, each put on record as a gap of its asset. A kill loses
what is in memory; while records go through the spool, none that a `put` has returned for.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice

import msgspec
import structlog

from collectors.outbox.losses import Losses
from collectors.outbox.spool import Spool
from collectors.session.outcome import Drop
from runtime.backoff import Backoff
from runtime.bus.protocol import Outgoing, Sender
from runtime.errors import BusError, PayloadError, StoreError
from schemas.books import BookBatch
from schemas.instruments import Instrument
from schemas.liquidations import LiquidationBatch
from schemas.ops import PAYLOAD_LIMIT_BYTES, DeadLetter, QualityEvent
from schemas.tickers import TickerBatch
from schemas.topics import (
    BOOKS,
    DEADLETTER,
    INSTRUMENTS,
    LIQUIDATIONS,
    QUALITY,
    TICKERS,
    TRADES,
    Topic,
)
from schemas.trades import BatchHeader, TradeBatch

TOPIC_OF_BATCH: Mapping[type[BatchHeader], Topic] = {
    TradeBatch: TRADES,
    BookBatch: BOOKS,
    LiquidationBatch: LIQUIDATIONS,
    TickerBatch: TICKERS,
}
"""Where batches of each type go."""

MAX_RECORDS = 50_000
MEMORY_RECORDS = 5_000
AWAY_SECONDS = 2.0
SEND_RECORDS = 1000
SPOOL_RECORDS = 500
SPOOL_RETRY_SECONDS = 5.0

_MEMORY_FULL = "the log was away and memory full"
_LOG_EVERY = 10_000
_log = structlog.get_logger(__name__)
_encode = msgspec.json.encode


@dataclass(slots=True)
class _Flight:
    """Records that are being sent. `end` is the spool's count behind them, None if not in it."""

    records: list[Outgoing]
    since: float
    end: int | None = None


@dataclass(slots=True)
class Outbox:
    """Records on their way to the log.

    `put_*` never waits for the log: the sockets must be read. One `run` sends, in order, and sends
    the same records again until the log has them.

    Args:
        bus: the log.
        backoff: delays between tries.
        spool: where records go while the log is away; closed by `close`.
        memory_records: with a spool, how many may wait before they go to it.
        max_records: how many may wait in memory where there is no spool or the disk refuses.
        away_seconds: how long the log may keep records waiting before they go to the spool.
        monotonic: seconds that only rise.
    """

    bus: Sender
    backoff: Backoff
    spool: Spool | None = None
    memory_records: int = MEMORY_RECORDS
    max_records: int = MAX_RECORDS
    away_seconds: float = AWAY_SECONDS
    monotonic: Callable[[], float] = time.monotonic
    sent: int = field(default=0, init=False)
    _refused: int = field(default=0, init=False)
    _memory: deque[Outgoing] = field(default_factory=deque, init=False)
    _flight: _Flight | None = field(default=None, init=False)
    _filled: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _losses: Losses = field(default_factory=Losses, init=False)
    _spool_again: float = field(default=float("-inf"), init=False)

    def __post_init__(self) -> None:
        if self.spool is None:
            return
        self._losses = self.spool.losses
        if self._losses or self.spool.records:
            self._spill()  # what was found damaged is on record before anything else happens
            self._filled.set()

    @property
    def dropped(self) -> int:
        """How many records were given up."""
        return self._losses.total + self._refused

    @property
    def spooled(self) -> int:
        """How many records are on disk."""
        return 0 if self.spool is None else self.spool.records

    @property
    def spool_bytes(self) -> int:
        """What they take there."""
        return 0 if self.spool is None else self.spool.size_bytes

    @property
    def waiting(self) -> int:
        """How many records are in memory only."""
        flight = self._flight
        flying = len(flight.records) if flight is not None and flight.end is None else 0
        return flying + len(self._memory)

    def put_batches(self, batches: Iterable[BatchHeader]) -> None:
        """Add batches to the topics of their types."""
        self._put(
            Outgoing(
                TOPIC_OF_BATCH[type(batch)].name,
                batch.asset.encode(),
                _encode(batch),
                batch.receive_time_us,
            )
            for batch in batches
        )

    def put_drops(self, origin: str, drops: Iterable[Drop]) -> None:
        """Add what could not be used to the dead letters."""
        self._put(_dead_letter(origin, drop) for drop in drops)

    def put_instruments(self, instruments: Iterable[Instrument], now_us: int) -> None:
        """Add instruments to the compacted topic."""
        self._put(
            Outgoing(
                INSTRUMENTS.name,
                f"{instrument.venue}:{instrument.symbol}".encode(),
                _encode(instrument),
                now_us,
            )
            for instrument in instruments
        )

    def put_quality(self, event: QualityEvent) -> None:
        """Add a fact about the data."""
        key = event.asset.encode()
        self._put([Outgoing(QUALITY.name, key, _encode(event), event.log_time_us)])

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await self._filled.wait()
            await self._send_some()

    async def flush(self, deadline_seconds: float | None = None) -> None:
        """Send everything that is there now.

        What could not be sent by the deadline stays in the spool for the next start, and is lost
        where there is none; how much that is, is logged. Without a deadline it tries for ever.
        """
        try:
            async with asyncio.timeout(deadline_seconds):
                while self._flight is not None or self._memory or self.spooled:
                    await self._send_some()
        except TimeoutError:
            self._spill()
            level = "error" if self.waiting else "warning"
            getattr(_log, level)("outbox_not_sent", spooled=self.spooled, lost=self.waiting)

    def close(self) -> None:
        """Put what still waits into the spool, and close that."""
        if self.spool is not None:
            self._spill()
            self.spool.close()

    def _put(self, records: Iterable[Outgoing]) -> None:
        self._memory.extend(records)
        self._settle()
        if self._memory:
            self._filled.set()

    def _settle(self) -> None:
        """Move what waits to where it is to wait; give up what exceeds the memory."""
        if self._must_spool() and self.monotonic() >= self._spool_again:
            self._spill()
        excess = len(self._memory) - self.max_records
        if excess > 0:
            before = self.dropped
            self._losses.add([self._memory.popleft() for _ in range(excess)], _MEMORY_FULL)
            if not before or before // _LOG_EVERY != self.dropped // _LOG_EVERY:
                _log.error("outbox_full_oldest_dropped", dropped=self.dropped)

    def _must_spool(self) -> bool:
        if self.spool is None:
            return False
        if self.spool.records or len(self._memory) > self.memory_records:
            return True
        flight = self._flight
        return flight is not None and self.monotonic() - flight.since >= self.away_seconds

    def _spill(self) -> None:
        """Append all that waits to the spool, beginning with what is in flight."""
        spool, flight = self.spool, self._flight
        if spool is None:
            return
        self._filled.set()
        try:
            if flight is not None and flight.end is None and flight.records:
                first = spool.first
                taken = spool.append(flight.records)
                flight.end = first + taken
                spool.read(taken)  # from now on it knows that we have them
                self._memory.extendleft(reversed(flight.records[taken:]))  # what the disk refused
                flight.records = flight.records[:taken]
            self._append_memory(spool)
            if self._losses:
                self._memory.extend(self._losses.take())
                self._append_memory(spool)
        except StoreError as error:
            self._spool_again = self.monotonic() + SPOOL_RETRY_SECONDS
            _log.error("spool_refused", error=str(error), waiting=len(self._memory))

    def _append_memory(self, spool: Spool) -> None:
        while self._memory:
            for _ in range(spool.append(list(islice(self._memory, SPOOL_RECORDS)))):
                self._memory.popleft()

    async def _send_some(self) -> None:
        """Send the oldest records until the log has them."""
        try:
            flight = self._flight = self._flight or self._take_off()
        except StoreError as error:
            await self._pause("spool_unreadable", error)
            return
        if flight is None:
            self._filled.clear()
            return
        while flight.records:
            try:
                await self.bus.send(flight.records)
            except BusError as error:
                await self._pause("log_away", error)
            except PayloadError as error:
                self._without_refused(flight, error)
            else:
                self.backoff.reset()
                self.sent += len(flight.records)
                break
        self._land(flight)

    def _take_off(self) -> _Flight | None:
        now = self.monotonic()
        if self.spool is not None:
            records = self.spool.read(SEND_RECORDS)
            if records:
                return _Flight(records, now, self.spool.first + len(records))
        records = [self._memory.popleft() for _ in range(min(SEND_RECORDS, len(self._memory)))]
        return _Flight(records, now) if records else None

    def _land(self, flight: _Flight) -> None:
        """Forget what the log has, and put on record what was lost meanwhile."""
        self._flight = None
        if self.spool is not None and flight.end is not None:
            try:
                self.spool.commit(flight.end - self.spool.first)
            except StoreError as error:  # they are sent again, and known by their identity
                _log.warning("spool_unreadable", error=str(error))
        if self._losses:
            self._put(self._losses.take())

    async def _pause(self, what: str, error: Exception) -> None:
        self._settle()
        delay = self.backoff.next_seconds()
        _log.warning(what, error=str(error), retry_in_seconds=round(delay, 2))
        await asyncio.sleep(delay)

    def _without_refused(self, flight: _Flight, error: PayloadError) -> None:
        """Give up the largest record of a flight that the log refuses for what is in it."""
        largest = max(flight.records, key=lambda record: len(record.value or b""))
        self._refused += 1
        _log.error("record_refused", topic=largest.topic, error=str(error), dropped=self.dropped)
        flight.records = [record for record in flight.records if record is not largest]


def _dead_letter(origin: str, drop: Drop) -> Outgoing:
    letter = DeadLetter(
        origin=origin,
        reason=drop.reason,
        detail=drop.detail[:500],
        receive_time_us=drop.receive_time_us,
        size_bytes=drop.size_bytes,
        payload=drop.frame[:PAYLOAD_LIMIT_BYTES].decode("utf-8", "replace"),
    )
    return Outgoing(DEADLETTER.name, origin.encode(), _encode(letter), drop.receive_time_us)
