"""The recordings that the toolkit is tried on, each through parsers, sessions and an engine.

Outcome markets and liquidation fills are not recordings of perpetuals' connections: frames of the
first go through a session of their own, and rows of the second become liquidation batches beside a
quiet tape.
"""

import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
import zstandard

from collectors.outbox.outbox import TOPIC_OF_BATCH
from collectors.session.outcome import Outcome
from collectors.session.session import Session
from collectors.venue import Channel
from collectors.venues.hyperliquid import PERP
from processors.asset import EngineParams
from processors.units import AssetUnits
from schemas.instruments import make_instrument
from schemas.liquidations import LiquidationUnit, PriceKind
from schemas.market import FeedState, Kind, TradeIds
from schemas.trades import TRADES_SCHEMA, BatchHeader, TradeBatch
from schemas.units import US_PER_SECOND
from tests.captures import capture
from tests.golden.played import (
    BYBIT,
    HYPERLIQUID,
    MARKS,
    SPOT,
    USDM,
    Record,
    Worked,
    played,
    prolonged,
    worked,
)
from tests.golden.recorded import zst_lines
from tests.processors.seconds.market import book_batch, liquidation_batch

OUTCOMES = "hyperliquid/hip4_france_sweden_ws_"
FILLS = "hyperliquid/quasareum_liquidation_fills_11h.csv.zst"
TAIL_SECONDS = 70
FRANCE = "#6740"
BUSIEST_HOUR = 495_711
"""2026-07-20 15:00 UTC, in hours since 1970."""

OUTCOME_UNITS = AssetUnits(tick="0.00001", lot="0.1", row_size="0.005")


class Fill(NamedTuple):
    """One liquidation fill as the file has it: microseconds, and dollars."""

    time_us: int
    coin: str
    notional: Decimal


def _with_tail(records: Sequence[Record], params: EngineParams | None = None) -> Worked:
    """Work records off, and so much quiet after them that their last minute closes."""
    run = worked(prolonged(records, TAIL_SECONDS), params)
    run.until_us = max(one.batch.receive_time_us for one in records)
    return run


@lru_cache(1)
def binance() -> Worked:
    """Return spot and perpetual of the same six minutes of 2024-08-08."""
    return _with_tail(played(USDM, SPOT))


@lru_cache(1)
def marks() -> Worked:
    """Return a perpetual with mark price, index and funding."""
    return _with_tail(played(MARKS))


@lru_cache(1)
def bybit(asset: str = "BTC") -> Worked:
    """Return spot and perpetual with tickers."""
    records = [one for one in played(BYBIT) if one.batch.asset == asset]
    return _with_tail(records)


@lru_cache(1)
def hyperliquid() -> Worked:
    """Return a perpetual of twenty levels."""
    return _with_tail(played(HYPERLIQUID))


def outcome_frames() -> list[tuple[int, bytes]]:
    """Return when frames of books, best prices and trades came, while there are books."""
    found = []
    for name in ("l2book", "bbo", "trades"):
        for line in zst_lines(f"{OUTCOMES}{name}.jsonl.zst"):
            at = datetime.fromisoformat(line["ts"])
            found.append((round(at.timestamp() * 1e6), name, json.dumps(line["payload"]).encode()))
    last_us = max(at_us for at_us, name, _ in found if name == "l2book")
    return [(at_us, frame) for at_us, _, frame in sorted(found) if at_us <= last_us]


@lru_cache(1)
def outcomes(coin: str = FRANCE) -> Worked:
    """Return one outcome market as if it were a perpetual of an asset `FRANCE`."""
    frames = outcome_frames()
    instrument = make_instrument(
        venue="hyperliquid", kind=Kind.LINEAR_PERPETUAL, venue_symbol=coin, asset="FRANCE",
        quote="USDC", venue_tick="0.00001", venue_lot="0.1",
    )  # fmt: skip
    channels = (Channel.TRADES, Channel.BOOK, Channel.TOP)
    streams = [one for one in PERP.streams([instrument]) if one.channel in channels]
    session = Session(PERP, streams, "outcomes", frames[0][0], instruments=[instrument])
    batches: list[BatchHeader] = []
    for at_us, frame in frames:
        if f'"{coin}"'.encode() in frame:
            batches += _taken(session.on_frame(frame, at_us))
    batches += _taken(session.on_tick(frames[-1][0] + US_PER_SECOND))
    params = EngineParams(toolkit=True, units={"FRANCE": OUTCOME_UNITS})
    return _with_tail([_record(batch) for batch in batches], params)


def _taken(out: Outcome) -> list[BatchHeader]:
    return [batch for batch in out.batches if type(batch) in TOPIC_OF_BATCH]


def _record(batch: BatchHeader) -> Record:
    return Record(TOPIC_OF_BATCH[type(batch)].name, msgspec.json.encode(batch), batch)


def fills(coin: str, hour: int = BUSIEST_HOUR) -> list[Fill]:
    """Return the liquidation fills of a coin in an hour by time (the file is by episode)."""
    with capture(FILLS).open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as raw:
        lines = io.TextIOWrapper(raw, encoding="utf-8").read().splitlines()[1:]
    rows = [line.split(",") for line in lines]
    found = [Fill(int(row[0]) * 1000, row[1], Decimal(row[4])) for row in rows]
    return sorted(
        one for one in found if one.coin == coin and one.time_us // (3600 * US_PER_SECOND) == hour
    )


@lru_cache(3)
def liquidated(coin: str) -> Worked:
    """Return the liquidation fills of the busiest hour, beside a tape that stands still.

    The file has no side: all are called longs. It has dollars alone: they are the quantity, at 1.
    The price stands at 1, so that open interest and price move no cascade on.
    """
    start_us = BUSIEST_HOUR * 3600 * US_PER_SECOND
    by_second: dict[int, list[Fill]] = {}
    for one in fills(coin):
        by_second.setdefault(one.time_us // US_PER_SECOND, []).append(one)
    records = []
    for number, second in enumerate(range(-60, 3600 + 2 * TAIL_SECONDS)):
        at_us = start_us + (second + 1) * US_PER_SECOND
        said = _header(coin, number, at_us)
        rows = by_second.get(at_us // US_PER_SECOND - 1, [])
        records += [_record(one) for one in _second(said, rows, at_us)]
    units = {coin: AssetUnits(tick="0.01", lot="0.000001", row_size="1")}
    return worked(records, EngineParams(toolkit=True, units=units))


def _second(said: dict[str, Any], rows: Iterable[Fill], at_us: int) -> Iterator[BatchHeader]:
    seen: Counter[tuple[int, int]] = Counter()
    told = []
    for one in rows:
        lots = int(one.notional.scaleb(6))
        told.append((one.time_us, "1", lots, 1, seen[one.time_us, lots], 0))
        seen[one.time_us, lots] += 1
    batch = liquidation_batch(said, told)
    yield msgspec.structs.replace(
        batch, lot="0.000001", price_kind=PriceKind.MARK, unit=LiquidationUnit.FILL
    )
    still = (at_us - US_PER_SECOND, 100, 1, 1 if at_us // US_PER_SECOND % 2 else -1, str(at_us), 0)
    yield TradeBatch(
        schema=TRADES_SCHEMA, tick="0.01", lot="0.000001", stream="trades",
        trade_ids=TradeIds.OPAQUE, rows=[still], **said,
    )  # fmt: skip
    yield book_batch(said, at_us - US_PER_SECOND, [(99, 1)], [(101, 1)])


def _header(coin: str, sequence: int, at_us: int) -> dict[str, Any]:
    return {
        "venue": "hyperliquid",
        "kind": Kind.LINEAR_PERPETUAL,
        "symbol": f"{coin}-USDC-PERP",
        "venue_symbol": coin,
        "asset": coin,
        "quote": "USDC",
        "session": "fills",
        "sequence": sequence,
        "receive_time_us": at_us,
        "watermark_us": at_us,
        "feed_state": FeedState.LIVE,
    }


def runs() -> Iterator[tuple[str, Worked]]:
    """Yield every recording by name."""
    yield "Binance spot and USD-M, 2024-08-08 23:54 to 24:00", binance()
    yield "Binance USD-M with mark and funding, 2023-04-04 23:58 to 24:00", marks()
    yield "Bybit spot and linear, 2026-08-09 21:27", bybit()
    yield "Hyperliquid BTC, 2025-01-26 19:14", hyperliquid()
    yield "Hyperliquid outcome market, 2026-06-30 21:00 to 21:04", outcomes()
    for coin in ("BTC", "ETH"):
        yield f"Hyperliquid liquidation fills, {coin}, 2026-07-20 15h", liquidated(coin)
