"""The main job on real frames: two recordings of the same minutes through every part there is.

Binance spot and USD-M BTCUSDT of 2024-08-08 are played by the simulator to the collectors over web
sockets, go through the log and the engine, and are stored. A subprocess asks the store, because the
embedded engine admits one folder per process.
"""

import asyncio
import gzip
import json
import subprocess
import sys
from decimal import Decimal

import pytest

from runtime.bus.embedded import EmbeddedBus
from runtime.clock import SystemClock, WarpedClock
from simulator.catalogue import instrument
from simulator.playback import PlaybackSource
from simulator.server import Simulator
from tests.captures import capture, needs_captures
from tests.integration.pipeline import Run, collect

FILES = {
    "binance.usdm-fills": "binance/usdm/hftbacktest_usdm_btcusdt_20240808.gz",
    "binance.spot": "binance/spot/hftbacktest_spot_btcusdt_20240808.gz",
}
TRADES = 31_070
TRADE_STREAMS = {"binance.usdm-fills": "btcusdt@trade", "binance.spot": "btcusdt@trade#us"}
SPEED = 25.0
LEAD_US = 75_000_000
"""Of recorded time, for collectors to subscribe in; who takes longer gets all the same at once."""

STORE_SCRIPT = """
import asyncio, sys
from pathlib import Path
from runtime.bus.embedded import EmbeddedBus
from sinks.clickhouse.client import open_store
from sinks.clickhouse.migrate import apply
from sinks.clickhouse.query import run_query
from sinks.clickhouse.sink import ClickHouseSink

async def store(log, folder):
    bus = await EmbeddedBus.open(log)
    target = open_store(folder)
    apply(target)
    await ClickHouseSink(bus, target).drain()
    target.close()
    await bus.close()

log, folder = Path(sys.argv[1]), Path(sys.argv[2])
asyncio.run(store(log, folder))
for sql in sys.argv[3:]:
    print(run_query(folder, sql, "json").replace(chr(10), " "))
"""

ROWS_SQL = """
SELECT toString(scope) AS scope, venue, symbol, toUnixTimestamp(bar_start) AS bar,
       toString(row_price) AS row,
       toString(sell_qty) AS sell, toString(buy_qty) AS buy
FROM footprint_rows
WHERE asset = 'BTC' AND interval_seconds = 60 AND row_size = 10 AND sell_qty + buy_qty > 0
ORDER BY ALL
"""
GROUPED_SQL = """
SELECT scope, venue, symbol, bar, toString(row) AS row, toString(sell) AS sell, toString(buy) AS buy
FROM (
    SELECT 'venue' AS scope, venue, symbol,
           toUnixTimestamp(toStartOfMinute(event_time)) AS bar, floor(price / 10) * 10 AS row,
           sumIf(qty, side = 'sell') AS sell, sumIf(qty, side = 'buy') AS buy
    FROM trades WHERE asset = 'BTC' AND order_class IN ('market', 'rpi', 'liquidation', 'unknown')
    GROUP BY ALL
    UNION ALL
    SELECT if(kind = 'spot', 'spot', 'perp') AS scope, '' AS venue, '' AS symbol,
           toUnixTimestamp(toStartOfMinute(event_time)) AS bar, floor(price / 10) * 10 AS row,
           sumIf(qty, side = 'sell') AS sell, sumIf(qty, side = 'buy') AS buy
    FROM trades WHERE asset = 'BTC' AND order_class IN ('market', 'rpi', 'liquidation', 'unknown')
    GROUP BY ALL
)
ORDER BY ALL
"""
TOTALS_SQL = """
SELECT kind, count() AS trades, toString(sum(qty)) AS qty, min(toUInt64(trade_id)) AS first,
       max(toUInt64(trade_id)) AS last
FROM trades GROUP BY kind ORDER BY kind
"""
LATE_SQL = "SELECT count() AS late FROM footprint_bars WHERE version > 1"


def first_receive_us() -> int:
    with gzip.open(capture(FILES["binance.spot"]), "rb") as file:
        return int(file.readline().split(b" ", 1)[0]) // 1000


def totals_of(name: str) -> dict[str, object]:
    count, qty, ids = 0, Decimal(0), []
    with gzip.open(capture(name), "rb") as file:
        for line in file:
            frame = json.loads(line.split(b" ", 1)[1])
            if frame.get("stream", "").endswith("@trade"):
                trade = frame["data"]
                count += 1
                qty += Decimal(trade["q"])
                ids.append(trade["t"])
    return {"trades": count, "qty": qty, "first": min(ids), "last": max(ids)}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[list[dict[str, object]]]:
    folder = tmp_path_factory.mktemp("recorded")

    async def play() -> Run:
        origin_us = first_receive_us()
        clock = WarpedClock(origin_us - LEAD_US, SPEED)
        sources = [
            PlaybackSource(
                feed=feed.removesuffix("-fills"),
                paths=[capture(name)],
                format="hftbacktest",
                start_us=origin_us,
                wait_for=[TRADE_STREAMS[feed]],
                instruments=[instrument(feed.removesuffix("-fills"), "BTC")],
            )
            for feed, name in FILES.items()
        ]
        bus = await EmbeddedBus.open(folder / "log")
        try:
            async with Simulator(sources, clock=clock, session_clock=SystemClock()) as simulator:
                return await collect(
                    bus,
                    simulator.addresses,
                    clock,
                    feeds=list(FILES),
                    assets=["BTC"],
                    until=lambda run: run.trades >= TRADES,
                )
        finally:
            await bus.close()

    run = asyncio.run(play())
    assert run.host.trades == TRADES
    asked = [ROWS_SQL, GROUPED_SQL, TOTALS_SQL, LATE_SQL]
    command = [sys.executable, "-c", STORE_SCRIPT, str(folder / "log"), str(folder / "store")]
    done = subprocess.run([*command, *asked], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@needs_captures
def test_every_recorded_trade_is_stored_once(answers: list[list[dict[str, object]]]) -> None:
    stored = {str(row["kind"]): row for row in answers[2]}
    for kind, feed in (("linear_perpetual", "binance.usdm-fills"), ("spot", "binance.spot")):
        expected = totals_of(FILES[feed])
        row = stored[kind]
        assert row["trades"] == expected["trades"]
        assert Decimal(str(row["qty"])) == expected["qty"]
        assert (row["first"], row["last"]) == (expected["first"], expected["last"])


@needs_captures
def test_footprint_rows_equal_a_group_by_over_the_trades(
    answers: list[list[dict[str, object]]],
) -> None:
    rows, grouped = answers[0], answers[1]
    assert len(rows) > 100
    assert {str(row["scope"]) for row in rows} == {"venue", "perp", "spot"}
    assert rows == grouped
