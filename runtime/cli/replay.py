"""`perptape replay`: recordings through parsers, engine and sink, as fast as they go."""

import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from runtime.backoff import Backoff
from runtime.bus.protocol import Bus, Outgoing, Sender
from runtime.cli.parts import engine_params, open_bus, open_sink, there_is_a_log
from runtime.cli.stages import stage
from runtime.cli.times import moment_us
from runtime.errors import ConfigurationError, PayloadError
from runtime.settings import Settings
from schemas.market import Kind

WORK_FLUSHES = 4
"""How often the log is written to, 500 records each time, before they are worked off."""

SLICE_BYTES = 2**28
"""So much in the log is stored before more is played."""

SCRATCH_BYTES = 2**30
"""What a partition of the log may keep: several times what a slice can be."""


def refuse_own_store(settings: Settings, desk: Settings) -> None:
    """Make sure that a replay is not into the store that a live log fills.

    A replay has a later epoch: its bars, partial at both ends, would take the place of whole ones.

    Args:
        settings: of the replay.
        desk: of everything else here.

    Raises:
        ConfigurationError: it is.
    """
    same_server = settings.clickhouse_url == desk.clickhouse_url
    same_folder = settings.store.resolve() == desk.store.resolve()
    if same_server and same_folder and there_is_a_log(desk):
        raise ConfigurationError(
            f"{desk.store_name} is the store of a live log: name another one with --store; "
            "`perptape rebuild` takes from recordings what is better than what a store has"
        )


async def run_replay(
    settings: Settings,
    console: Console,
    files: list[Path],
    *,
    format: str | None,
    venue: str | None,
    kinds: list[Kind],
    span: tuple[str | None, str | None] = (None, None),
    keep_log: bool = False,
) -> None:
    """Play recordings into a log of their own and store what comes out.

    `span` are the times of the first frame and of the first one that is left out again. A log that
    is not kept forgets what is stored.

    Raises:
        ConfigurationError: there is nothing to play, or the arguments do not fit together.
        PayloadError: a recording is broken; what was before the break is stored.
    """
    from_us, until_us = (None if one is None else moment_us(one) for one in span)
    one_each = zip(files, _one_each(kinds, len(files)), strict=True)
    source = stage("collectors.recorded.replay").Source
    replay = read_recordings(
        console, [source(path, format, venue, kind, from_us, until_us) for path, kind in one_each]
    )
    async with (
        open_bus(settings, partition_bytes=None if keep_log else SCRATCH_BYTES) as bus,
        open_sink(settings, bus) as sink,
    ):
        slices = _Slices(settings, bus, sink)
        broken = await play(replay, slices, console, slices.pause)
        await slices.end()
    rejected = ", ".join(f"{count} {reason}" for reason, count in sorted(replay.rejected.items()))
    console.print(
        f"{replay.frames:,} frames, {replay.trades:,} trades of "
        f"{len(replay.instruments)} instruments stored in {settings.store_name}"
        + (f"; dead letters: {rejected}" if rejected else "")
    )
    if broken is not None:
        raise broken


def read_recordings(console: Console, sources: list[Any]) -> Any:
    """Return recordings as they can be played, after a first look at what they hold.

    Raises:
        ConfigurationError: one is of unknown format, or does not say what it is of.
    """
    with console.status("reading what the recordings hold"):
        return stage("collectors.recorded.replay").Replay(sources)


class _Slices:
    """A log whose records are worked off and stored a slice at a time, before it forgets them."""

    def __init__(self, settings: Settings, bus: Bus, sink: Any) -> None:
        self._bus, self._sink = bus, sink
        self._host = stage("processors.host").BusHost(self, engine_params(settings))
        self._waiting_bytes = 0
        self._pauses = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    async def send(self, records: Sequence[Outgoing]) -> list[int]:
        """Append to the log, as the log itself does."""
        self._waiting_bytes += sum(len(record.value or b"") for record in records)
        return await self._bus.send(records)

    async def pause(self) -> None:
        """Work off what was played, and store it, where it is enough by now."""
        self._pauses += 1
        if self._pauses % WORK_FLUSHES == 0:
            await self._host.work_off()
        if self._waiting_bytes >= SLICE_BYTES:
            self._waiting_bytes = 0
            await self._sink.drain()

    async def end(self) -> None:
        """Work off and store the rest."""
        await self._host.drain()
        await self._host.close()
        await self._sink.drain()


async def play(
    replay: Any, bus: Sender, console: Console, pause: Callable[[], Awaitable[None]] | None = None
) -> PayloadError | None:
    """Play recordings into a log or the like; return what is broken in them, where they end.

    Args:
        replay: of `read_recordings`.
        bus: the log.
        console: for progress.
        pause: awaited now and then, when all that was played is in the log.
    """
    outbox = stage("collectors.outbox.outbox").Outbox(bus, Backoff(0.1, 5.0, lambda: 0.5))
    with _bar(console) as progress:
        task = progress.add_task("frames", total=replay.frames)
        try:
            await replay.run(outbox, lambda done, _: progress.update(task, completed=done), pause)
        except PayloadError as error:
            await outbox.flush()
            return error
    return None


def _one_each(kinds: list[Kind], files: int) -> list[Kind | None]:
    if len(kinds) <= 1:
        return [kinds[0] if kinds else None] * files
    if len(kinds) != files:
        raise ConfigurationError(f"--kind was given {len(kinds)} times for {files} files")
    return list(kinds)


def _bar(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), console=console)


@contextmanager
def log_for_replay(log: Path | None) -> Iterator[Path]:
    """Return the given log folder, or one that is thrown away afterwards.

    Recordings lie in the past: in the log of a live run their trades would be too late.
    """
    if log is not None:
        yield log
        return
    scratch = Path(tempfile.mkdtemp(prefix="perptape-replay-"))
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
