"""`perptape record`: raw frames with their receive time into compressed files, nothing else."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from runtime.bus.protocol import Outgoing
from runtime.cli.embedded import Market, collector_settings, simulated_market
from runtime.cli.stages import stage
from runtime.cli.up import stop_after, stop_on_signals
from runtime.clock import SystemClock
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
    stop = asyncio.Event()
    interrupted = stop_on_signals(stop)
    if simulated:
        async with simulated_market(settings, 1, 1.0) as market:
            await _record(settings, console, path, market, (stop, seconds))
    else:
        market = Market({}, SystemClock())
        await _record(settings, console, path, market, (stop, seconds))
    return interrupted.is_set()


async def _record(
    settings: Settings,
    console: Console,
    path: Path,
    market: Market,
    until: tuple[asyncio.Event, float | None],
) -> None:
    stop, seconds = until
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
    timer = asyncio.create_task(stop_after(seconds, stop)) if seconds is not None else None
    try:
        await collector.run(stop)
    finally:
        writer.close()
        if timer is not None:
            timer.cancel()
    console.print(f"{frames:,} frames in {path}")
