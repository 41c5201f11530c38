"""A collector on all venues for a long time, with faults: memory stays flat, gaps are explained.

    python -m pytest -m long tests/long/test_soak.py

`PERPTAPE_SOAK_SECONDS` and `PERPTAPE_SOAK_SPEED` say for how long and at which multiple of real
time. Venues and collector are processes of their own, so that what is measured is the collector's.
The simulated venues need a tenth of a core for each multiple, and the collector a sixth: on two
shared cores more than 3 is too much, and the test says so.
"""

import asyncio
import json
import os
import re
import statistics
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from collectors.registry import all_feeds

ROOT = Path(__file__).parents[2]
SECONDS = float(os.environ.get("PERPTAPE_SOAK_SECONDS", "1800"))
SPEED = float(os.environ.get("PERPTAPE_SOAK_SPEED", "2"))
SEED = 3
START_SECONDS = 30.0
END_SECONDS = 60.0
WARM_UP_SHARE = 0.2
GROWTH_LIMIT = 0.05
BEHIND_SECONDS = 2.0
LOG_LIMIT_BYTES = 3 * 2**30
RECOVERY_SECONDS = 45.0
"""How long after its end a fault explains what is found: connections come back within this."""

OPEN_GAP_US = 200_000_000
"""A gap that was noticed so shortly before the end may still be open then."""

IDS = {
    "binance.usdm": re.compile(r'"a":(\d+)'),
    "binance.spot": re.compile(r'"t":(\d+)'),
    "okx.swap": re.compile(r'"tradeId":"(\d+)"'),
    "okx.spot": re.compile(r'"tradeId":"(\d+)"'),
}
"""How a lost trade frame of the feeds without holes in their ids tells its ids."""

TRADE_STREAM = re.compile(r"@aggTrade$|@trade$|^trades")

Json = dict[str, Any]


@dataclass
class Soak:
    """What the two processes have said."""

    venues: list[Json]
    collector: list[Json]

    @property
    def samples(self) -> list[Json]:
        return [line["sample"] for line in self.collector if "sample" in line]

    @property
    def events(self) -> list[Json]:
        return [line["event"] for line in self.collector if "event" in line]

    @property
    def faults(self) -> list[Json]:
        return [line["fault"] for line in self.venues if "fault" in line]

    @property
    def behind_us(self) -> list[int]:
        return [line["behind_us"] for line in self.venues if "behind_us" in line]

    def after_warm_up(self) -> list[Json]:
        return self.samples[int(len(self.samples) * WARM_UP_SHARE) :]


@asynccontextmanager
async def process(name: str, *words: str, into: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a module of this folder until the end of the block; its standard input ends it."""
    with into.open("wb") as output:
        started = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"tests.long.{name}", *words),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=output,
        )
        assert started.stdin is not None
        try:
            yield started
            started.stdin.close()
            async with asyncio.timeout(END_SECONDS):
                await started.wait()
        finally:
            if started.returncode is None:
                started.kill()
                await started.wait()


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def lines(path: Path) -> list[Json]:
    return [json.loads(line) for line in text_of(path).splitlines()]


async def soaked(folder: Path) -> Soak:
    """Run venues and collector for the time that is wanted; both must live until its end."""
    told_by_venues, told_by_collector = folder / "venues.jsonl", folder / "collector.jsonl"
    speed = str(SPEED)
    async with process("soak_venues", speed, str(SEED), into=told_by_venues) as venues:
        async with asyncio.timeout(START_SECONDS):
            while not text_of(told_by_venues).endswith("\n"):
                await asyncio.sleep(0.1)
        words = (str(folder), speed, text_of(told_by_venues).splitlines()[0])
        async with process("soak_collector", *words, into=told_by_collector) as collector:
            both = [asyncio.create_task(one.wait()) for one in (venues, collector)]
            ended, _ = await asyncio.wait(
                both, timeout=SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            assert not ended, "a process ended before its time"
    assert collector.returncode == 0
    assert venues.returncode == 0
    return Soak(lines(told_by_venues), lines(told_by_collector))


def growth(samples: Sequence[Json], name: str = "rss_bytes") -> float:
    """Return by which share memory grew over these samples, along the line that fits best."""
    times = [one["at"] for one in samples]
    slope, start = statistics.linear_regression(times, [one[name] for one in samples])
    return float(slope * (times[-1] - times[0]) / (start + slope * times[0]))


def key_of(event: Json) -> tuple[Any, ...]:
    names = ("venue", "symbol", "stream", "from_us", "to_us", "first_id", "last_id")
    return tuple(event[name] for name in names)


def feed_of(event: Json) -> str:
    """Return the feed of a session's event, or of a connection's."""
    return str(event["session"] or event["stream"]).partition("/")[0]


def explained(event: Json, faults: Sequence[Json]) -> bool:
    """Say whether some fault of the event's feed held during its time, or shortly before."""
    recovery_us = RECOVERY_SECONDS * SPEED * 1e6
    return any(
        fault["feed"] == feed_of(event)
        and event["from_us"] <= fault["to_us"] + recovery_us
        and event["to_us"] >= fault["from_us"]
        for fault in faults
    )


def gaps_without_end(soak: Soak, until_us: int) -> list[Json]:
    ends = {key_of(one) for one in soak.events if one["kind"] in ("gap_repaired", "gap_permanent")}
    return [
        one
        for one in soak.events
        if one["kind"] == "gap"
        and key_of(one) not in ends
        and one["log_time_us"] < until_us - OPEN_GAP_US
    ]


def losses_without_gap(soak: Soak) -> list[tuple[str, str, int]]:
    """Return the trades that a fault lost, by id, and that no gap of their stream has."""
    gaps = [one for one in soak.events if one["kind"] == "gap" and one["first_id"] is not None]
    found = []
    for fault in soak.faults:
        for stream, frame in fault["lost"]:
            if fault["feed"] not in IDS or not TRADE_STREAM.search(stream):
                continue
            mine = [gap for gap in gaps if feed_of(gap) == fault["feed"]]
            for text in IDS[fault["feed"]].findall(frame):
                number = int(text)
                covered = any(
                    gap["first_id"] <= number <= gap["last_id"] and gap["stream"] in stream
                    for gap in mine
                )
                if not covered:
                    found.append((fault["feed"], stream, number))
    return found


def rate(samples: Sequence[Json], name: str) -> float:
    first, last = samples[0], samples[-1]
    return float((last[name] - first[name]) / (last["at"] - first["at"]))


def table(soak: Soak) -> str:
    """Return the figures as rows of Markdown."""
    samples = soak.after_warm_up()
    first, last = samples[0], samples[-1]
    age = (last["age_seconds"] - first["age_seconds"]) / max(1, last["aged"] - first["aged"])
    findings = last["findings"]
    kinds = [fault["kind"] for fault in soak.faults]
    rows = {
        "length": f"{SECONDS:.0f} s at {SPEED:g}x",
        "faults": ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds))),
        "frames": f"{rate(samples, 'frames'):,.0f} /s",
        "records": f"{rate(samples, 'records'):,.0f} /s",
        "trades": f"{rate(samples, 'trades'):,.0f} /s",
        "processor time": f"{rate(samples, 'cpu_seconds'):.0%} of a core",
        "memory after warm-up": f"{first['rss_bytes'] / 2**20:.0f} MiB",
        "memory at the end": f"{last['rss_bytes'] / 2**20:.0f} MiB",
        "growth after warm-up": f"{growth(samples):+.1%}",
        "Python's blocks: after warm-up, at the end, growth": (
            f"{first['blocks']:,}, {last['blocks']:,}, {growth(samples, 'blocks'):+.1%}"
        ),
        "trade age, mean, in real time": f"{age / SPEED * 1000:.0f} ms",
        "loop lag, p99 (median sample)": (
            f"{statistics.median(one['loop_p99_ms'] for one in samples):.0f} ms"
        ),
        "loop lag, most": f"{max(one['loop_max_ms'] for one in samples):.0f} ms",
        "market behind its clock, most": f"{max(soak.behind_us) / SPEED / 1e6:.2f} s of real time",
        "reconnects": f"{last['reconnects']:.0f}",
        "gaps found, repaired, permanent": ", ".join(
            str(findings.get(kind, 0)) for kind in ("gap", "gap_repaired", "gap_permanent")
        ),
        "books invalid, most at once": f"{max(one['invalid_books'] for one in samples):.0f}",
        "records spooled, most": f"{max(one['spooled'] for one in samples):,}",
        "records dropped": f"{last['dropped']}",
        "log on disk, most": f"{max(one['log_bytes'] for one in samples) / 2**20:.0f} MiB",
    }
    return "\n".join(f"| {name} | {value} |" for name, value in rows.items())


@pytest.mark.long
async def test_memory_is_flat_and_every_gap_is_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soak = await soaked(tmp_path)
    with capsys.disabled():
        sys.stdout.write(f"\n{table(soak)}\n")

    late_us = statistics.median(soak.behind_us[len(soak.behind_us) // 2 :])
    assert late_us < BEHIND_SECONDS * SPEED * 1e6, "the venues are too slow for this speed"
    assert len(soak.samples) > SECONDS / 20
    assert soak.faults
    last = soak.samples[-1]
    assert last["connected"] >= len([one for one in all_feeds().values() if one.default])
    assert last["dropped"] == 0
    assert last["rejected"] == {}
    assert max(one["log_bytes"] for one in soak.samples) < LOG_LIMIT_BYTES

    gaps = [one for one in soak.events if one["kind"] == "gap"]
    ends = [one for one in soak.events if one["kind"] in ("disconnected", "stale", "refused")]
    assert [one for one in gaps if not explained(one, soak.faults)] == []
    assert [one for one in ends if not explained(one, soak.faults)] == []
    until_us = max(one["log_time_us"] for one in soak.events)
    assert gaps_without_end(soak, until_us) == []
    assert losses_without_gap(soak) == []
    assert growth(soak.after_warm_up()) < GROWTH_LIMIT
