"""Footprint and CVD operators in `Engine.process`, beside a plain dict loop without any output.

One asset, seven feeds (four perpetual, three spot), batches of 50 trades, at two rates of log time:
the slower the log, the more records go out for a trade. `limit` decodes the same batches and adds
every trade to a dict of rows, which is the least that any footprint must do. Rounds are interleaved
so that both see the same machine; figures are medians.

    python -m benchmarks.operators
"""

import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from processors.asset import EngineParams
from processors.engine import Engine
from processors.units import DEFAULT_UNITS
from runtime.memory import relax_cycle_collection
from schemas.market import FeedState, Kind, TradeIds
from schemas.trades import TRADES_SCHEMA, TradeBatch, TradeRow
from schemas.units import plain

BATCH = 50
TRADES = 100_000
ROUNDS = 5
RATES = (500, 5_000)
START_US = 1_704_110_400_000_000
ROW = 10.0

_PERP, _SPOT = Kind.LINEAR_PERPETUAL, Kind.SPOT
_FEEDS = (
    ("binance", _PERP, "BTC-USDT-PERP", "0.1", "0.001", TradeIds.SEQUENTIAL),
    ("bybit", _PERP, "BTC-USDT-PERP", "0.1", "0.001", TradeIds.OPAQUE),
    ("okx", _PERP, "BTC-USDT-PERP", "0.1", "0.0001", TradeIds.SEQUENTIAL),
    ("hyperliquid", _PERP, "BTC-USDC-PERP", "1", "0.00001", TradeIds.SEQUENTIAL),
    ("binance", _SPOT, "BTC-USDT", "0.01", "0.00001", TradeIds.SEQUENTIAL),
    ("bybit", _SPOT, "BTC-USDT", "0.1", "0.000001", TradeIds.OPAQUE),
    ("okx", _SPOT, "BTC-USDT", "0.1", "0.00000001", TradeIds.SEQUENTIAL),
)


@dataclass
class _Feed:
    """One feed of the log while it is written: trades wait until there are 50 of them."""

    asset: str
    venue: str
    kind: Kind
    symbol: str
    tick: str
    lot: str
    ids: TradeIds
    sequence: int = 0
    trade: int = 0

    def row(self, source: random.Random, time_us: int, price: float) -> TradeRow:
        self.trade += 1
        trade_id = self.trade if self.ids is TradeIds.SEQUENTIAL else f"{self.trade:032x}"
        ticks = round(price / float(self.tick))
        return (time_us, ticks, source.randrange(1, 1000), source.choice((1, -1)), trade_id, 0)

    def batch(self, rows: list[TradeRow]) -> TradeBatch:
        time_us = rows[-1][0]
        self.sequence += 1
        return TradeBatch(
            schema=TRADES_SCHEMA,
            venue=self.venue,
            kind=self.kind,
            symbol=self.symbol,
            venue_symbol=self.symbol,
            asset=self.asset,
            quote="USDT",
            session=f"{self.venue}/{self.symbol}",
            sequence=self.sequence - 1,
            receive_time_us=time_us + 50_000,
            watermark_us=time_us - 450_000,
            feed_state=FeedState.LIVE,
            tick=self.tick,
            lot=self.lot,
            stream="trades",
            trade_ids=self.ids,
            rows=rows,
        )


def write_log(
    trades: int, rate: int, seed: int = 1, asset: str = "BTC", start_us: int = START_US
) -> list[bytes]:
    """Return a log of one asset: a random walk, trades within a twentieth of a row of it.

    Prices and ticks are in proportion to the asset's rows, so that bars have as many rows as BTC's.
    """
    source = random.Random(seed)  # noqa: S311  # a seeded log
    scale = Decimal(DEFAULT_UNITS[asset if asset in DEFAULT_UNITS else "BTC"].row_size) / 10
    feeds = [
        _Feed(asset, venue, kind, symbol, plain(Decimal(tick) * scale), lot, ids)
        for venue, kind, symbol, tick, lot, ids in _FEEDS
    ]
    price, unit, time_us = 60_000.0 * float(scale), float(scale), start_us
    log = []
    for _ in range(trades // BATCH):
        feed = source.choice(feeds)
        price += source.gauss(0, 0.5) * unit
        rows = []
        for _ in range(BATCH):
            time_us += 1_000_000 // rate
            rows.append(feed.row(source, time_us, price + source.gauss(0, 0.25) * unit))
        log.append(msgspec.json.encode(feed.batch(rows)))
    return log


def operators(log: list[bytes]) -> float:
    """Return the seconds in which an engine works a log off."""
    engine = Engine(EngineParams(toolkit=False), 1)
    started = time.perf_counter()
    for offset, value in enumerate(log):
        engine.process("md.norm.trades.v1", 0, offset, value)
    passed = time.perf_counter() - started
    if engine.trades != len(log) * BATCH:
        raise RuntimeError(f"{engine.trades} trades of {len(log) * BATCH} were counted")
    return passed


def limit(log: list[bytes]) -> float:
    """Return the seconds in which the trades are decoded and added to rows, and nothing else."""
    decode = msgspec.json.Decoder(TradeBatch).decode
    rows: dict[tuple[str, int], list[int]] = {}
    started = time.perf_counter()
    for value in log:
        batch = decode(value)
        name, step = batch.venue + batch.symbol, round(ROW / float(batch.tick))
        for _, price, qty, side, _, _ in batch.rows:
            cell = rows.setdefault((name, price // step), [0, 0, 0])
            cell[side] += qty
    return time.perf_counter() - started


def run(trades: int = TRADES, rounds: int = ROUNDS) -> list[dict[str, object]]:
    """Measure operators and limit at every rate; the cycle collector is set as in the program."""
    relax_cycle_collection()
    found: list[dict[str, object]] = []
    for rate in RATES:
        log = write_log(trades, rate)
        ways: dict[str, Callable[[list[bytes]], float]] = {"limit": limit, "operators": operators}
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                seconds[name].append(way(log))
        middle = {name: statistics.median(values) for name, values in seconds.items()}
        for name, value in middle.items():
            found.append(
                {
                    "path": name,
                    "log_trades_per_second": rate,
                    "trades_per_second": trades / value,
                    "best_trades_per_second": trades / min(seconds[name]),
                    "ratio_to_limit": middle["limit"] / value,
                }
            )
    return found


def main() -> None:
    """Print the table."""
    print(f"{'path':<12}{'log rate':>10}{'trades/s':>14}{'best':>14}{'/limit':>9}")
    for row in run():
        print(
            f"{row['path']:<12}{row['log_trades_per_second']:>10,}"
            f"{row['trades_per_second']:>14,.0f}{row['best_trades_per_second']:>14,.0f}"
            f"{row['ratio_to_limit']:>9.3f}"
        )


if __name__ == "__main__":
    main()
