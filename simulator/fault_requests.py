"""Faults of handshakes and REST calls: refused, unanswered, late or wrong."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import TypeVar

from runtime.clock import Clock
from schemas.units import US_PER_SECOND
from simulator.dialects.base import RestReply
from simulator.fault_log import Applied
from simulator.faults import Refuse, RequestFault, RestHang, RestSlow, RestWrong

MAX_WAITING = 1024

_AnyFault = TypeVar("_AnyFault", bound=RequestFault)


class RequestFaults:
    """The request faults that hold on one feed.

    At most 1,024 calls wait; further ones are cut where they would have to. `clock` is the
    session's.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._applied: list[tuple[Applied, Random]] = []
        self._waiting = 0

    def begin(self, applied: Applied, rng: Random) -> None:
        """Let a fault act on the requests to come."""
        self._applied = [item for item in self._applied if item[0].holds]
        self._applied.append((applied, rng))

    def refusal(self, path: str, *, handshake: bool) -> Refuse | None:
        """Return how a request is refused, None where it is not."""
        for applied, refuse, _ in self._holding(Refuse, path):
            if refuse.handshakes if handshake else refuse.rest:
                applied.touch()
                return refuse
        return None

    async def disturb(self, path: str, reply: RestReply) -> RestReply | None:
        """Return what a REST call is answered, when it is; None where it never is."""
        for applied, wrong, rng in self._holding(RestWrong, path):
            applied.touch()
            reply = replace(reply, body=_wrong(wrong, reply.body, rng))
        for applied, slow, _ in tuple(self._holding(RestSlow, path)):
            applied.touch()
            if not await self._wait(applied, slow.seconds):
                return None
        for applied, _, _ in self._holding(RestHang, path):
            applied.touch()
            await self._wait(applied, None)
            return None
        return reply

    async def _wait(self, applied: Applied, seconds: float | None) -> bool:
        """Wait for the end of a fault, or until so much time has passed; no where it is full."""
        if self._waiting >= MAX_WAITING:
            return False
        self._waiting += 1
        waits = [asyncio.create_task(_released(applied))]
        if seconds is not None:
            due_us = self._clock.now_us() + round(seconds * US_PER_SECOND)
            waits.append(asyncio.create_task(self._sleep_until(due_us)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._waiting -= 1
            for wait in waits:
                wait.cancel()
        return True

    async def _sleep_until(self, time_us: int) -> None:
        await self._clock.sleep_until_us(time_us)

    def _holding(
        self, kind: type[_AnyFault], path: str
    ) -> Iterator[tuple[Applied, _AnyFault, Random]]:
        for applied, rng in self._applied:
            fault = applied.fault
            if isinstance(fault, kind) and applied.holds and path.startswith(fault.path):
                yield applied, fault, rng


async def _released(applied: Applied) -> None:
    await applied.released.wait()


def _wrong(fault: RestWrong, body: bytes, rng: Random) -> bytes:
    if fault.body is not None:
        return fault.body
    return body[: rng.randrange(1, len(body))] if len(body) > 1 else b""
