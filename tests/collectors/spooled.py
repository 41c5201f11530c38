"""Records for tests of the spool, and what is to be on record when some are lost."""

import resource
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import msgspec

from runtime.bus.protocol import Outgoing
from schemas.market import FeedState, Kind, TradeIds
from schemas.ops import QualityEvent
from schemas.topics import TRADES
from schemas.trades import TRADES_SCHEMA, TradeBatch

BASE_US = 1_600_000_000_000_000
ASSETS = (b"BTC", b"ETH", b"SOL")
Gap = tuple[int, int, int]


def record(number: int, size: int = 20) -> Outgoing:
    """Return the record of a number; its value begins with it."""
    value = b"%08d" % number + b"." * (size - 8)
    return Outgoing(TRADES.name, ASSETS[number % len(ASSETS)], value, BASE_US + number)


def batch(number: int) -> TradeBatch:
    """Return the trade batch of a number."""
    asset = ASSETS[number % len(ASSETS)].decode()
    time_us = BASE_US + number
    return TradeBatch(
        schema=TRADES_SCHEMA,
        venue="binance",
        kind=Kind.SPOT,
        symbol=f"{asset}-USDT-SPOT",
        venue_symbol=f"{asset}USDT",
        asset=asset,
        quote="USDT",
        session="s",
        sequence=number,
        receive_time_us=time_us,
        watermark_us=time_us,
        feed_state=FeedState.LIVE,
        tick="0.01",
        lot="0.001",
        stream="trade",
        trade_ids=TradeIds.SEQUENTIAL,
        rows=[(time_us, number, 1, 1, number, 0)],
    )


def number_of(outgoing: Outgoing) -> int:
    return outgoing.timestamp_us - BASE_US


def numbers(records: Iterable[Outgoing]) -> list[int]:
    """Return the numbers of the records that are not on record of something else."""
    return [number_of(one) for one in records if one.topic == TRADES.name]


def gaps_of(lost: Iterable[Outgoing]) -> dict[str, Gap]:
    """Return count and bounds, per asset, of what was lost."""
    gaps: dict[str, Gap] = {}
    for one in lost:
        time_us = one.timestamp_us
        count, from_us, to_us = gaps.get(one.key.decode(), (0, time_us, time_us))
        gaps[one.key.decode()] = (count + 1, min(from_us, time_us), max(to_us, time_us))
    return gaps


def gaps_on_record(records: Iterable[Outgoing]) -> dict[str, Gap]:
    """Return count and bounds, per asset, of what records say was lost, summed up."""
    gaps: dict[str, Gap] = {}
    for one in records:
        if one.topic == TRADES.name:
            continue
        assert one.value is not None
        event = msgspec.json.decode(one.value, type=QualityEvent)
        assert (event.kind, event.stream) == ("gap", "outbox")
        assert event.asset.encode() == one.key
        count, from_us, to_us = gaps.get(event.asset, (0, event.from_us, event.to_us))
        bounds = min(from_us, event.from_us), max(to_us, event.to_us)
        gaps[event.asset] = (count + event.count, *bounds)
    return gaps


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """Have the system refuse to write further than this into any file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
