"""`perptape deadletter`: what could not be used, and sending it to its topic once more."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from runtime.bus.protocol import Bus, Outgoing, Record
from runtime.cli.options import FAILED, BusOption, LogOption, execute
from runtime.cli.parts import open_bus
from runtime.errors import BusError, ConfigurationError
from runtime.settings import Settings, load_settings
from schemas.ops import DeadLetter
from schemas.topics import DEADLETTER, TOPICS
from schemas.units import US_PER_SECOND

SILENT_SECONDS = 10.0
_decode = msgspec.json.Decoder(DeadLetter).decode
ReasonOption = Annotated[str | None, typer.Option("--reason", help="Only those with this reason.")]
deadletter_app = typer.Typer(help="What could not be used.", no_args_is_help=True)


@deadletter_app.command("list")
def deadletter_list(
    reason: ReasonOption = None,
    limit: Annotated[int, typer.Option("--limit", help="The newest so many.", min=1)] = 50,
    bus: BusOption = None,
    log: LogOption = None,
) -> None:
    """Show what could not be used, and why."""
    settings = load_settings(bus=bus, log=log)
    work = run_list(settings, Console(), reason=reason, limit=limit)
    execute(settings, work)


@deadletter_app.command("replay")
def deadletter_replay(
    reason: ReasonOption = None,
    origin: Annotated[
        str | None, typer.Option("--origin", help="Only this record: topic/partition/offset.")
    ] = None,
    bus: BusOption = None,
    log: LogOption = None,
) -> None:
    """Send records behind dead letters to their topics again, e.g. after a fault was mended."""
    settings = load_settings(bus=bus, log=log)
    work = run_replay(settings, Console(), reason=reason, origin=origin)
    if not execute(settings, work):
        raise typer.Exit(FAILED)


async def run_list(settings: Settings, console: Console, *, reason: str | None, limit: int) -> None:
    """Print the newest dead letters."""
    letters: list[DeadLetter] = []
    async with open_bus(settings) as bus:
        async for letter in read_letters(bus, reason):
            letters = [*letters[-(limit - 1) :], letter] if limit > 1 else [letter]
    table = Table(box=None)
    for name in ("received", "reason", "origin", "bytes", "detail"):
        table.add_column(name, overflow="fold")
    for letter in letters:
        moment = datetime.fromtimestamp(letter.receive_time_us / US_PER_SECOND, UTC)
        table.add_row(
            f"{moment:%Y-%m-%d %H:%M:%S}",
            letter.reason,
            letter.origin,
            f"{letter.size_bytes:,}",
            letter.detail,
        )
    console.print(table if letters else "no dead letters")


async def run_replay(
    settings: Settings, console: Console, *, reason: str | None, origin: str | None
) -> bool:
    """Send the records behind dead letters to their topics once more; say what could not be.

    A record that is used by then is known by its identity where others had used it before.

    Raises:
        ConfigurationError: neither a reason nor an origin was given.
    """
    if reason is None and origin is None:
        raise ConfigurationError(
            "say which: --reason WORD, --origin TOPIC/PARTITION/OFFSET or both"
        )
    sent, failed = 0, []
    async with open_bus(settings) as bus:
        origins: dict[str, DeadLetter] = {}
        async for letter in read_letters(bus, reason):
            if origin is None or letter.origin == origin:
                origins[letter.origin] = letter
        for name in origins:
            record = await _original(bus, name)
            if record is None or record.value is None:
                failed.append(name)
                continue
            again = Outgoing(
                record.topic, record.key, record.value, record.timestamp_us, record.partition
            )
            await bus.send([again])
            sent += 1
    for name in failed:
        console.print(f"{name}: not a record of the log, or no longer in it", highlight=False)
    console.print(f"{sent} sent once more, {len(failed)} could not be", highlight=False)
    return not failed


async def read_letters(bus: Bus, reason: str | None = None) -> AsyncIterator[DeadLetter]:
    """Yield the dead letters that the log holds now, oldest first; unreadable ones are left out.

    Raises:
        BusError: the log cannot be read.
    """
    async for record in _read(bus, DEADLETTER.name, range(DEADLETTER.partitions)):
        try:
            letter = _decode(record.value or b"")
        except msgspec.MsgspecError:
            continue
        if reason is None or letter.reason == reason:
            yield letter


async def _read(bus: Bus, topic: str, partitions: range) -> AsyncIterator[Record]:
    ends = await bus.end_offsets(topic)
    consumer = await bus.consumer([topic], partitions=partitions)
    try:
        while any(consumer.position(topic, number) < ends[number] for number in partitions):
            records = await consumer.poll(500, SILENT_SECONDS)
            if not records:
                raise BusError(f"nothing more comes from {topic} before its end")
            for record in records:
                yield record
    finally:
        await consumer.close()


async def _original(bus: Bus, origin: str) -> Record | None:
    """Return the record that `topic/partition/offset` names, None where it is not there."""
    topic, _, rest = origin.partition("/")
    number, _, offset = rest.partition("/")
    if topic not in TOPICS or not number.isdigit() or not offset.isdigit():
        return None
    if int(number) >= TOPICS[topic].partitions:
        return None
    if int(offset) >= (await bus.end_offsets(topic))[int(number)]:
        return None
    consumer = await bus.consumer([topic], partitions=[int(number)])
    try:
        consumer.seek(topic, int(number), int(offset))
        records = await consumer.poll(1, SILENT_SECONDS)
    finally:
        await consumer.close()
    found = records[0] if records else None
    return found if found is not None and found.offset == int(offset) else None
