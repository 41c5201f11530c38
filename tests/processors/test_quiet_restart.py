"""A start without a usable snapshot: nothing is said again by those who know less by now."""

import sqlite3
from collections.abc import Mapping
from pathlib import Path

import msgspec

from processors.host import BusHost
from runtime.bus.embedded import EmbeddedBus
from runtime.bus.log_file import FILE_NAME, OFFSET_BITS
from schemas.footprints import FootprintBar
from schemas.topics import CVD, FOOTPRINTS, SNAPSHOTS, TRADES
from tests.processors.builders import PARAMS, Runner, finals
from tests.processors.test_host import BUS, MARKET, append, encoded, final_bars, read

BATCHES = MARKET.but(seconds=190).batches()
HALF = len(BATCHES) * 2 // 3


async def work_off(bus: EmbeddedBus) -> None:
    host = BusHost(bus, PARAMS)
    await host.drain()
    await host.close()


def forget(folder: Path, topic: str, share: float) -> None:
    """Remove the oldest records of every partition of a topic, as retention does."""
    with sqlite3.connect(folder / FILE_NAME) as log:
        found = log.execute("SELECT tp, next_offset FROM partitions WHERE topic = ?", (topic,))
        for number, end in found.fetchall():
            first = number << OFFSET_BITS
            last = first + int(end * share)
            log.execute("DELETE FROM records WHERE id >= ? AND id < ?", (first, last))
    log.close()


async def test_what_the_log_no_longer_has_whole_is_not_sent_again(tmp_path: Path) -> None:
    wanted = finals(Runner().feed(BATCHES).outputs)
    async with await EmbeddedBus.open(tmp_path, settings=BUS) as bus:
        await append(bus, encoded(BATCHES[:HALF]))
        await work_off(bus)
        said = await read(bus, FOOTPRINTS.name), await read(bus, CVD.name)
    forget(tmp_path, TRADES.name, 0.3)
    forget(tmp_path, SNAPSHOTS.name, 1.0)
    async with await EmbeddedBus.open(tmp_path, settings=BUS) as bus:
        await work_off(bus)
        assert (await read(bus, FOOTPRINTS.name), await read(bus, CVD.name)) == said

        await append(bus, encoded(BATCHES[HALF:]))
        await work_off(bus)
        found = await final_bars(bus)

    assert len(wanted_rows := rows(wanted)) > 10
    assert {name: rows(found).get(name) for name in wanted_rows} == wanted_rows


def rows(records: Mapping[tuple[object, ...], bytes]) -> dict[tuple[object, ...], object]:
    """Return what was traded in the minutes; marks look back at what the log no longer has."""
    bars = {
        name: msgspec.json.decode(value, type=FootprintBar)
        for name, value in records.items()
        if name[0] == "bar"
    }
    return {
        name: ([(one.row_ticks, one.sell_lots, one.buy_lots) for one in bar.rows], bar.completeness)
        for name, bar in bars.items()
        if bar.interval_seconds == 60
    }


async def test_what_was_not_acknowledged_yet_is_sent(tmp_path: Path) -> None:
    async with await EmbeddedBus.open(tmp_path, settings=BUS) as bus:
        await append(bus, encoded(BATCHES))
        await work_off(bus)
        bars = await final_bars(bus)
        everything = len(await read(bus, FOOTPRINTS.name))
        await bus.set_positions("processors", {(TRADES.name, n): 0 for n in range(12)})
    forget(tmp_path, SNAPSHOTS.name, 1.0)
    async with await EmbeddedBus.open(tmp_path, settings=BUS) as bus:
        await work_off(bus)
        assert len(await read(bus, FOOTPRINTS.name)) == 2 * everything
        assert await final_bars(bus) == bars
