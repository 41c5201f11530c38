"""Faults of web sockets: what happens to the connections of one feed while they hold."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TypeVar

from schemas.units import US_PER_SECOND
from simulator.client import Client
from simulator.dialects.base import Frame
from simulator.fault_log import Applied
from simulator.faults import (
    EVERY_STREAM,
    Close,
    Fault,
    HalfOpen,
    Maintenance,
    MaxAge,
    SlowPongs,
    Throttle,
)
from simulator.timeline import Timeline

_AnyFault = TypeVar("_AnyFault", bound=Fault)


class ConnectionFaults:
    """The connection faults that hold on one feed.

    `timeline` is of the session's clock.
    """

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._applied: list[Applied] = []

    def begin(self, applied: Applied, clients: Iterable[Client], notice: Frame | None) -> None:
        """Let a fault act on these connections, and on later ones while it holds."""
        self._applied = [item for item in self._applied if item.holds]
        self._applied.append(applied)
        if isinstance(applied.fault, Maintenance):
            self._announce(applied, applied.fault, clients, notice)
        elif isinstance(applied.fault, Close | HalfOpen):
            for client in clients:
                self.meet(client)
            if applied.fault.until_us is None:
                applied.end()

    def meet(self, client: Client) -> None:
        """Close or silence a connection that has just opened or subscribed, where a fault says so.

        Invariants: the messages of before have been answered.
        """
        for applied, close in self._holding(Close, client):
            applied.touch()
            client.close(close.code)
        for applied, _ in self._holding(HalfOpen, client):
            applied.touch()
            client.fall_silent()

    def hear(self, client: Client, now_us: int) -> None:
        """Count a message of a client and close the connection where there are too many."""
        client.hear(now_us)
        for applied, throttle in self._holding(Throttle, client):
            if client.heard_within(throttle.messages, 1.0, now_us):
                applied.touch()
                client.close(throttle.code)

    def pong_delay_us(self, client: Client) -> int:
        """Return by how much the answer to a ping is late, counting it."""
        delays_us = [0]
        for applied, slow in self._holding(SlowPongs, client):
            applied.touch()
            delays_us.append(round(slow.seconds * US_PER_SECOND))
        return max(delays_us)

    def keep(self, clients: Iterable[Client], now_us: int) -> None:
        """Close connections that are too old."""
        for client in clients:
            for applied, limit in self._holding(MaxAge, client):
                if now_us - client.opened_us > limit.seconds * US_PER_SECOND:
                    applied.touch()
                    client.close(limit.code)

    def _announce(
        self, applied: Applied, fault: Maintenance, clients: Iterable[Client], notice: Frame | None
    ) -> None:
        told = [client for client in clients if client.open and _concerns(fault, client)]
        told = told[: fault.count]
        for client in told:
            if notice is not None:
                client.offer(client.session.render(notice))
        now_us = self._timeline.clock.now_us()
        close = partial(_close_told, applied, fault, told)
        self._timeline.at(now_us + round(fault.after_seconds * US_PER_SECOND), close)

    def _holding(
        self, kind: type[_AnyFault], client: Client
    ) -> Iterator[tuple[Applied, _AnyFault]]:
        """Find the faults of a kind that hold for a connection, while it is open."""
        for applied in self._applied:
            fault = applied.fault
            if not isinstance(fault, kind) or not applied.holds or not client.open:
                continue
            if _concerns(fault, client):
                yield applied, fault


def _concerns(fault: Fault, client: Client) -> bool:
    return fault.stream == EVERY_STREAM or any(map(fault.concerns, client.keys))


def _close_told(applied: Applied, fault: Maintenance, told: list[Client]) -> None:
    if applied.holds:
        for client in told:
            if client.open:
                client.close(fault.code)
                applied.touch()
        applied.end()
