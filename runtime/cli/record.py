"""`perptape record`: raw frames with their receive time into compressed files, nothing else."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from runtime.bus.protocol import Outgoing
from runtime.cli.market import Market, open_market
from runtime.cli.parts import collector_settings
from runtime.cli.running import run_until_stopped, stopping_after
from runtime.cli.stages import stage
from runtime.recordings import RecordedFrame, RecordingWriter
from runtime.settings import Settings

ROTATE_BYTES = 256 * 2**20
ROTATE_SECONDS = 3600.0


class _Nowhere:
    """A log that keeps nothing: recording wants the frames, not what is made of them."""

    async def send(self, records: Sequence[Outgoing]) -> list[int]:
        """Take records and forget them."""
        return [0] * len(records)


async def run_record(
    settings: Settings, console: Console, path: Path, *, simulated: bool, seconds: float | None
) -> bool:
    """Record until interrupted or for `seconds`; return whether it was interrupted."""
    async with open_market(settings, simulated=simulated) as market:

        async def work(stop: asyncio.Event) -> None:
            async with stopping_after(seconds, stop):
                await _record(settings, console, path, market, stop)

        return await run_until_stopped(work)


async def _record(
    settings: Settings, console: Console, path: Path, market: Market, stop: asyncio.Event
) -> None:
    single = path.name.endswith(".zst")
    if not single:
        await asyncio.to_thread(path.mkdir, parents=True, exist_ok=True)
    rotation = {} if single else {"rotate_bytes": ROTATE_BYTES, "rotate_seconds": ROTATE_SECONDS}
    writer = RecordingWriter(path, now_us=market.clock.now_us, **rotation)  # type: ignore[arg-type]
    frames = 0

    def on_frame(frame: RecordedFrame) -> None:
        nonlocal frames
        frames += 1
        writer.write(frame)

    collector = stage("collectors.collector").Collector(
        stage("collectors.registry").choose_feeds(settings.feeds),
        collector_settings(settings, market, on_frame),
        _Nowhere(),
        market.clock,
    )
    console.print(f"recording {', '.join(settings.assets)} to {path}   Stop: Ctrl-C")
    try:
        await collector.run(stop)
    finally:
        writer.close()
    console.print(f"{frames:,} frames in {path}")
