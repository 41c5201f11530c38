"""`perptape lag`: how far each group of readers is behind the end of the log."""

from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from runtime.bus.committed import committed_by
from runtime.bus.protocol import Bus
from runtime.cli.parts import open_bus
from runtime.cli.stages import stage
from runtime.settings import Settings
from schemas.topics import ALERTS, TRADES

STORE, WEBHOOK = "sink.clickhouse", "sink.webhook"


def readers(settings: Settings) -> tuple[str, ...]:
    """Return the groups that are at work with these settings: without an address nobody posts."""
    posted = bool(settings.alert_webhook_url.get_secret_value())
    return ("processors", STORE, *([WEBHOOK] if posted else []))


def read_by(group: str) -> tuple[str, ...]:
    """Return the topics that a group commits to; the processors read more, by the trades' time."""
    if group == STORE:
        return tuple(stage("sinks.clickhouse.batches").SPLITTERS)
    return (ALERTS.name,) if group == WEBHOOK else (TRADES.name,)


@dataclass(frozen=True, slots=True)
class Lag:
    """Where a group stands in one partition; `committed` is None where it never committed."""

    group: str
    topic: str
    partition: int
    committed: int | None
    end: int

    @property
    def records(self) -> int:
        """Records that are not yet acknowledged."""
        return self.end - (self.committed or 0)


async def lags(bus: Bus, group: str) -> list[Lag]:
    """Return where a group stands, by topic and partition.

    Raises:
        BusError: the log cannot be read.
    """
    found: list[Lag] = []
    for topic in read_by(group):
        ends = await bus.end_offsets(topic)
        committed = await committed_by(bus, group, topic, range(len(ends)))
        found += [Lag(group, topic, number, at, ends[number]) for number, at in committed.items()]
    return found


async def run_lag(settings: Settings, console: Console, *, every: bool) -> None:
    """Print the lag of every group by topic, or by partition."""
    table = Table(box=None)
    for name in ("group", "topic", "partition"):
        table.add_column(name)
    for name in ("acknowledged", "end", "lag"):
        table.add_column(name, justify="right")
    async with open_bus(settings) as bus:
        for group in readers(settings):
            found = await lags(bus, group)
            for topic in read_by(group):
                mine = [lag for lag in found if lag.topic == topic]
                for lag in mine if every else []:
                    known = "never" if lag.committed is None else f"{lag.committed:,}"
                    table.add_row(
                        group, topic, str(lag.partition), known, f"{lag.end:,}", f"{lag.records:,}"
                    )
                if not every:
                    table.add_row(
                        group,
                        topic,
                        "all",
                        f"{sum(lag.committed or 0 for lag in mine):,}",
                        f"{sum(lag.end for lag in mine):,}",
                        f"{sum(lag.records for lag in mine):,}",
                    )
    console.print(table)
