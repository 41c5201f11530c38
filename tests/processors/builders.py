"""Small logs of trade batches, and what an engine makes of them."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from processors.asset import EngineParams
from processors.engine import Engine
from processors.operator import Output
from processors.operators.footprint import FootprintParams
from processors.units import AssetUnits
from schemas.cvd import CvdSeries, CvdStep
from schemas.footprints import FootprintBar
from schemas.market import FeedState, Kind, Scope, TradeIds
from schemas.topics import TRADES
from schemas.trades import TRADES_SCHEMA, TradeBatch, TradeRow
from schemas.units import US_PER_SECOND

SECOND = US_PER_SECOND
MINUTE = 60 * SECOND
NOON = 1_704_110_400 * SECOND
"""2024-01-01 12:00 UTC."""

UNITS = AssetUnits(tick="0.01", lot="0.001", row_size="1")
PARAMS = EngineParams(
    toolkit=False,
    footprint=FootprintParams(wide_seconds=(300, 900, 3600), row_factors=(1, 5)),
    units={"BTC": UNITS},
)
BUY, SELL, UNKNOWN = 1, -1, 0


@dataclass(frozen=True)
class Instrument:
    """A feed of the tests: its grid, and what its trade ids promise."""

    venue: str
    kind: Kind
    symbol: str
    tick: str
    lot: str
    ids: TradeIds

    @property
    def name(self) -> str:
        return f"{self.venue}:{self.symbol}"


BINANCE = Instrument(
    "binance", Kind.LINEAR_PERPETUAL, "BTC-USDT-PERP", "0.1", "0.001", TradeIds.SEQUENTIAL
)
BYBIT = Instrument("bybit", Kind.LINEAR_PERPETUAL, "BTC-USDT-PERP", "0.1", "0.001", TradeIds.OPAQUE)
OKX = Instrument("okx", Kind.LINEAR_PERPETUAL, "BTC-USDT-PERP", "0.5", "0.01", TradeIds.SEQUENTIAL)
HYPERLIQUID = Instrument(
    "hyperliquid", Kind.LINEAR_PERPETUAL, "BTC-USDC-PERP", "1", "0.002", TradeIds.OPAQUE
)
BINANCE_SPOT = Instrument("binance", Kind.SPOT, "BTC-USDT", "0.01", "0.001", TradeIds.SEQUENTIAL)
PERPS = (BINANCE, BYBIT, OKX, HYPERLIQUID)
ALL = (*PERPS, BINANCE_SPOT)


@dataclass
class Stream:
    """One feed's connection: writes batches with rising sequence numbers and trade ids."""

    of: Instrument
    session: str = "s0"
    sequence: int = 0
    trade: int = 0
    skew_us: int = SECOND // 2

    def row(
        self, time_us: int, price: int, qty: int, side: int, *, flags: int = 0, again: bool = False
    ) -> TradeRow:
        """Make a trade on the instrument's own grid; `again` repeats the id before."""
        self.trade += 0 if again else 1
        trade_id: int | str = self.trade
        if self.of.ids is TradeIds.OPAQUE:
            trade_id = f"{self.of.venue}-{self.trade}"
        return (time_us, price, qty, side, trade_id, flags)

    def batch(
        self,
        receive_us: int,
        rows: Sequence[TradeRow] = (),
        *,
        state: FeedState = FeedState.LIVE,
        watermark_us: int | None = None,
        **changes: object,
    ) -> TradeBatch:
        """Make the next batch of the session."""
        batch = TradeBatch(
            schema=TRADES_SCHEMA,
            venue=self.of.venue,
            kind=self.of.kind,
            symbol=self.of.symbol,
            venue_symbol=self.of.symbol,
            asset="BTC",
            quote="USDT",
            session=f"{self.of.name}/{self.session}",
            sequence=self.sequence,
            receive_time_us=receive_us,
            watermark_us=receive_us - self.skew_us if watermark_us is None else watermark_us,
            feed_state=state,
            tick=self.of.tick,
            lot=self.of.lot,
            stream="trades",
            trade_ids=self.of.ids,
            rows=list(rows),
        )
        self.sequence += 1
        return msgspec.structs.replace(batch, **changes)

    def reconnect(self) -> None:
        """Begin a new session."""
        self.session, self.sequence = f"s{int(self.session[1:]) + 1}", 0

    def quiet(self, start_us: int, end_us: int, step_us: int = SECOND) -> list[TradeBatch]:
        """Make empty batches, received from the start up to and with the end."""
        return [self.batch(time_us) for time_us in range(start_us, end_us + 1, step_us)]


def merged(*streams: Iterable[TradeBatch]) -> list[TradeBatch]:
    """Put batches of several feeds in the order in which they were received."""
    batches = [batch for stream in streams for batch in stream]
    return sorted(batches, key=lambda batch: batch.receive_time_us)


@dataclass
class Runner:
    """An engine with the log that it has read and all that it said."""

    params: EngineParams = PARAMS
    engine: Engine = field(init=False)
    offset: int = 0
    outputs: list[Output] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.engine = Engine(self.params, 1)

    def feed(self, batches: Iterable[TradeBatch]) -> "Runner":
        """Let the engine work batches off."""
        for batch in batches:
            value = msgspec.json.encode(batch)
            self.outputs += self.engine.process(TRADES.name, 0, self.offset, value)
            self.offset += 1
        return self

    def bars(self, **wanted: object) -> list[FootprintBar]:
        """Return the newest final record of every bar, those whose fields are as wanted."""
        newest = {
            identity(o.record): o.record
            for o in self.outputs
            if isinstance(o.record, FootprintBar) and o.record.is_final
        }
        return [bar for bar in newest.values() if _is(bar, wanted)]

    def bar(self, **wanted: object) -> FootprintBar:
        """Return the newest final record of just one bar; base interval and rows by default."""
        wanted = {"interval_seconds": 60, "row_size": "1", **wanted}
        (found,) = self.bars(**wanted)
        return found

    def steps(self) -> dict[int, CvdStep]:
        """Return the final CVD steps by start."""
        return {
            o.record.step_start_us: o.record
            for o in self.outputs
            if isinstance(o.record, CvdStep) and o.record.is_final
        }

    def series(self, step_start_us: int, scope: Scope, what: str) -> CvdSeries:
        """Return one series of a final step, named by venue or composition."""
        (found,) = [
            series
            for series in self.steps()[step_start_us].series
            if series.scope is scope and what in {series.venue, series.composition}
        ]
        return found

    def records(self, kind: type[msgspec.Struct]) -> list[msgspec.Struct]:
        """Return all records of one kind."""
        return [output.record for output in self.outputs if isinstance(output.record, kind)]


def _is(bar: FootprintBar, wanted: dict[str, object]) -> bool:
    return all(getattr(bar, name) == value for name, value in wanted.items())


def identity(record: msgspec.Struct) -> tuple[object, ...]:
    """Return what makes a footprint bar or a CVD step that one."""
    if isinstance(record, CvdStep):
        return ("cvd", record.asset, record.step_start_us)
    assert isinstance(record, FootprintBar)
    return (
        "bar",
        record.asset,
        record.scope,
        record.venue,
        record.symbol,
        record.interval_seconds,
        record.row_size,
        record.bar_start_us,
    )


def content(record: msgspec.Struct) -> bytes:
    """Return a record without what says how it was reached.

    In how many steps late trades corrected a bar is of that kind, that they did is not.
    """
    without: dict[str, object] = {"revision": 0, "inputs": [], "log_time_us": 0}
    if isinstance(record, FootprintBar):
        without["version"] = min(record.version, 2)
    return msgspec.json.encode(msgspec.structs.replace(record, **without))


def finals(outputs: Iterable[Output]) -> dict[tuple[object, ...], bytes]:
    """Return the content of the newest final record of every identity."""
    return {
        identity(output.record): content(output.record)
        for output in outputs
        if isinstance(output.record, FootprintBar | CvdStep) and output.record.is_final
    }


@dataclass(frozen=True)
class Market:
    """A random market of several feeds, in batches as they arrive."""

    seed: int = 1
    instruments: tuple[Instrument, ...] = ALL
    start_us: int = NOON
    seconds: int = 400
    rate: float = 4.0
    late: float = 0.0
    repeat: float = 0.0
    hole: float = 0.0
    drop_batch: float = 0.0

    def batches(self) -> list[TradeBatch]:
        """Return the log; every feed says something at least every second."""
        source = random.Random(self.seed)
        return merged(*(list(self._feed(of, source)) for of in self.instruments))

    def _feed(self, of: Instrument, source: random.Random) -> Iterable[TradeBatch]:
        stream = Stream(of, trade=source.randrange(1000))
        base = int(60_000 / float(of.tick))
        ticks = max(1, int(1 / float(of.tick)))
        now = self.start_us + source.randrange(SECOND)
        seen: list[TradeRow] = []
        last = now
        while now < self.start_us + self.seconds * SECOND:
            now += source.randrange(50_000, 900_000)
            rows: list[TradeRow] = []
            for _ in range(int(source.expovariate(1 / self.rate) * (now - last) / SECOND)):
                if seen and source.random() < self.repeat:
                    rows.append(source.choice(seen))
                    continue
                time_us = source.randrange(last - SECOND // 10, now - SECOND // 10)
                if source.random() < self.late:
                    time_us -= source.choice((3, 8, 40, 100, 200)) * SECOND
                if source.random() < 0.05:
                    time_us -= time_us % SECOND
                price = base + source.randrange(-5 * ticks, 5 * ticks + 1)
                side = source.choice((BUY, SELL, BUY, SELL, BUY, SELL, UNKNOWN))
                flags = source.choice((0,) * 20 + (3, 5, 2, 16))
                rows.append(stream.row(time_us, price, source.randrange(1, 500), side, flags=flags))
            seen = (seen + [row for row in rows if row not in seen])[-50:]
            last = now
            batch = stream.batch(now, rows)
            if source.random() >= self.drop_batch:
                yield batch
            if source.random() < self.hole:
                yield stream.batch(now + 1, state=FeedState.DOWN, watermark_us=batch.watermark_us)
                now += source.randrange(1, 45) * SECOND
                last = now
                stream.reconnect()

    def but(self, **changes: object) -> "Market":
        """Return a market that differs."""
        return replace(self, **changes)  # type: ignore[arg-type]
