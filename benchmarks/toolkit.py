"""The order-flow toolkit: what each operator costs, and the whole engine on all topics.

One asset on seven instruments (four perpetual, three spot): trades in batches of 50, a book every
100 ms each, tickers and liquidations. Operators are handed the same seconds one after the other;
the engine is handed the records as they are in the topics. The size of each operator's state is
that of its snapshot at the end.

    python -m benchmarks.toolkit
"""

import random
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from benchmarks.operators import BATCH, write_log
from processors.asset import EngineParams
from processors.engine import Engine
from processors.feeds import Feeds
from processors.operator import Cause
from processors.seconds.joiner import Joiner
from processors.seconds.second import Second
from processors.toolkit import toolkit
from processors.units import DEFAULT_UNITS
from runtime.memory import relax_cycle_collection
from schemas.books import BANDS_BP, BOOKS_SCHEMA, TOP_LEVELS, BookBatch, BookState
from schemas.footprints import FootprintBar
from schemas.liquidations import (
    LIQUIDATIONS_SCHEMA,
    LiquidationBatch,
    LiquidationUnit,
    PriceKind,
    SamplingClass,
)
from schemas.market import FeedState, Kind
from schemas.tickers import TICKERS_SCHEMA, TickerBatch
from schemas.topics import BOOKS, LIQUIDATIONS, TICKERS, TRADES
from schemas.trades import TradeBatch

ASSET = "BTC"
SECONDS = 120
RATES = (700, 7_000)
START_US = 1_704_110_400_000_000
BOOK_US = 100_000
CHANGES = 10
US = 1_000_000


class Written(NamedTuple):
    """One record of a topic."""

    time_us: int
    topic: str
    value: bytes


def write_topics(rate: int) -> list[Written]:
    """Return the records of all topics in the order of their receipt.

    Args:
        rate: trades a second, over all instruments.
    """
    trades = write_log(rate * SECONDS // BATCH * BATCH, rate, 1, ASSET, START_US)
    batches = [msgspec.json.decode(value, type=TradeBatch) for value in trades]
    found = [
        Written(batch.receive_time_us, TRADES.name, value)
        for batch, value in zip(batches, trades, strict=True)
    ]
    heads = {(batch.venue, batch.symbol): batch for batch in batches}
    for number, head in enumerate(heads.values()):
        found += _books(head, random.Random(number))  # noqa: S311  # a seeded log
        if head.kind is not Kind.SPOT:
            found += _others(head, random.Random(number))  # noqa: S311
    return sorted(found)


def _header(head: TradeBatch, sequence: int, time_us: int) -> dict[str, Any]:
    return {
        "venue": head.venue,
        "kind": head.kind,
        "symbol": head.symbol,
        "venue_symbol": head.venue_symbol,
        "asset": head.asset,
        "quote": head.quote,
        "session": head.session,
        "sequence": sequence,
        "receive_time_us": time_us + 40_000,
        "watermark_us": time_us,
        "feed_state": FeedState.LIVE,
    }


def _books(head: TradeBatch, chance: random.Random) -> Iterator[Written]:
    """Return a book every 100 ms: some sizes change each time, sometimes the price."""
    mid = head.rows[0][1]
    bids = {mid - 1 - n: chance.randrange(1, 5000) for n in range(TOP_LEVELS)}
    asks = {mid + 1 + n: chance.randrange(1, 5000) for n in range(TOP_LEVELS)}
    for sequence in range(SECONDS * US // BOOK_US):
        time_us = START_US + (sequence + 1) * BOOK_US
        for side in (bids, asks):
            for price in chance.sample(sorted(side), CHANGES):
                side[price] = chance.randrange(1, 5000)
        step = chance.choice((-1, 0, 0, 0, 1))
        if step:
            bids = {price + step: size for price, size in bids.items()}
            asks = {price + step: size for price, size in asks.items()}
        best = (max(bids), min(asks))
        rows = [(width, 10**6, 10**6, 10**12, 10**12, 3) for width in BANDS_BP]
        record = BookBatch(
            schema=BOOKS_SCHEMA,
            tick=head.tick,
            lot=head.lot,
            stream="book",
            event_time_us=time_us - 1000,
            update_id=sequence,
            book_epoch=1,
            book_valid=True,
            book_state=BookState.LIVE,
            bids=sorted(bids.items(), reverse=True),
            asks=sorted(asks.items()),
            bands=rows,
            bid_levels=1000,
            ask_levels=1000,
            top_stream="book",
            top_epoch=1,
            tops=[(time_us - 1000, best[0], bids[best[0]], best[1], asks[best[1]])],
            **_header(head, sequence, time_us),
        )
        yield Written(record.receive_time_us, BOOKS.name, msgspec.json.encode(record))


def _others(head: TradeBatch, chance: random.Random) -> Iterator[Written]:
    for sequence in range(SECONDS):
        time_us = START_US + (sequence + 1) * US
        price = str(head.rows[0][1])
        header = _header(head, sequence, time_us)
        ticker = TickerBatch(
            schema=TICKERS_SCHEMA,
            stream="ticker",
            mark_price=price,
            mark_time_us=time_us,
            index_price=price,
            index_time_us=time_us,
            open_interest=str(50_000 + chance.randrange(100)),
            open_interest_time_us=time_us,
            **header,
        )
        rows = [(time_us - 500_000, price, chance.randrange(1, 999), chance.choice((1, -1)), 0, 0)]
        liquidations = LiquidationBatch(
            schema=LIQUIDATIONS_SCHEMA,
            lot=head.lot,
            stream="liquidations",
            price_kind=PriceKind.BANKRUPTCY,
            unit=LiquidationUnit.ORDER,
            sampling_class=SamplingClass.ALL,
            method="stream",
            rows=rows,
            **header,
        )
        yield Written(ticker.receive_time_us, TICKERS.name, msgspec.json.encode(ticker))
        yield Written(ticker.receive_time_us, LIQUIDATIONS.name, msgspec.json.encode(liquidations))


def seconds_of(records: Sequence[Written]) -> list[Second]:
    """Return the closed seconds that records come to, with their final bars."""
    units = DEFAULT_UNITS[ASSET]
    feeds = Feeds(units)
    joiner = Joiner(ASSET, units, feeds, 1)
    plain = Engine(EngineParams(), 1)
    found: list[Second] = []
    for offset, record in enumerate(records):
        cause = Cause(record.topic, 0, offset, 1)
        if record.topic == TRADES.name:
            for output in plain.process(record.topic, 0, offset, record.value):
                if isinstance(output.record, FootprintBar) and output.record.version == 1:
                    joiner.take_bar(output.record)
            accepted, _ = feeds.accept(msgspec.json.decode(record.value, type=TradeBatch))
            joiner.take_trades(accepted, cause)
        elif record.topic == BOOKS.name:
            joiner.take_book(msgspec.json.decode(record.value, type=BookBatch), cause)
        elif record.topic == LIQUIDATIONS.name:
            batch = msgspec.json.decode(record.value, type=LiquidationBatch)
            joiner.take_liquidations(batch, cause)
        else:
            joiner.take_ticker(msgspec.json.decode(record.value, type=TickerBatch), cause)
        found += joiner.due()
    return found


def operators(seconds: Sequence[Second]) -> list[tuple[str, float, int, int]]:
    """Return each operator's name, processor seconds, records and bytes of state."""
    found = []
    for operator in toolkit(ASSET, DEFAULT_UNITS[ASSET]):
        records = 0
        started = time.process_time()
        for second in seconds:
            records += len(operator.on_second(second))
        spent = time.process_time() - started
        state = operator.snapshot()
        size = len(msgspec.json.encode(state.head)) + sum(map(len, state.parts.values()))
        found.append((operator.name, spent, records, size))
    return found


def engine(records: Sequence[Written], *, with_toolkit: bool) -> float:
    """Return the processor seconds of an engine over all records."""
    made = Engine(EngineParams(toolkit=with_toolkit), 1)
    offsets = dict.fromkeys((TRADES.name, BOOKS.name, LIQUIDATIONS.name, TICKERS.name), 0)
    started = time.process_time()
    for record in records:
        made.process(record.topic, 0, offsets[record.topic], record.value)
        offsets[record.topic] += 1
    return time.process_time() - started


def main() -> None:
    """Print the tables."""
    relax_cycle_collection()
    for rate in RATES:
        records = write_topics(rate)
        seconds = seconds_of(records)
        trades, span = rate * SECONDS, len(seconds)
        print(f"{rate:,} trades/s and {10 * 7} books/s of one asset, {span} seconds")
        print(f"{'operator':<20}{'ms a second':>13}{'us a trade':>12}{'records':>9}{'state':>10}")
        for name, spent, count, size in operators(seconds):
            print(
                f"{name:<20}{spent / span * 1e3:>13.2f}{spent / trades * 1e6:>12.2f}{count:>9,}"
                f"{size / 1e3:>7,.0f} kB"
            )
        for label, on in (("engine without", False), ("engine with toolkit", True)):
            spent = engine(records, with_toolkit=on)
            print(
                f"{label:<20}{spent / SECONDS * 1e3:>13.2f}{spent / trades * 1e6:>12.2f}"
                f"   {trades / spent:,.0f} trades/s with {len(records) / spent:,.0f} records/s"
            )


if __name__ == "__main__":
    main()
