"""A clock that tests move by hand, and a client that waits with a deadline."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from websockets.asyncio.client import ClientConnection, connect

from schemas.market import Side
from simulator import Simulator
from simulator.flow import Cascade
from simulator.market import ScriptedMarket
from simulator.model import SimEvent

START_US = 1_795_132_800_000_000
DEADLINE_SECONDS = 60.0


class Everything:
    """Every stream is wanted."""

    def __contains__(self, key: object) -> bool:
        return True


def market_events(
    seed: int, seconds: float, assets: tuple[str, ...] = ("BTC", "SOL"), *, falls: bool = False
) -> list[SimEvent]:
    """Return everything of a market's first seconds, with a cascade of sellers if it falls."""
    market = ScriptedMarket(seed, assets, START_US)
    if falls:
        market.cascade(Cascade(START_US, Side.SELL, build_seconds=seconds))
    return market.events(START_US + round(seconds * 1e6), 10**7)


class ManualClock:
    """Stands still until it is moved; wakes sleepers in the order of their times."""

    def __init__(self, now_us: int = START_US) -> None:
        self._now_us = now_us
        self._sleepers: list[tuple[int, asyncio.Future[None]]] = []

    def now_us(self) -> int:
        return self._now_us

    async def sleep_until_us(self, time_us: int) -> None:
        if time_us <= self._now_us:
            return
        woken = asyncio.get_running_loop().create_future()
        self._sleepers.append((time_us, woken))
        await woken

    async def advance(self, seconds: float) -> None:
        """Move on, stopping at each sleeper's time and letting it run."""
        end_us = self._now_us + round(seconds * 1e6)
        while due := [item for item in self._sleepers if item[0] <= end_us]:
            time_us, woken = min(due, key=lambda item: item[0])
            self._sleepers.remove((time_us, woken))
            self._now_us = max(self._now_us, time_us)
            if not woken.done():
                woken.set_result(None)
            for _ in range(3):
                await asyncio.sleep(0)
        self._now_us = end_us


class Peer:
    """A client of one simulated connection; every wait ends at a deadline."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def send(self, message: object) -> None:
        await self.socket.send(message if isinstance(message, str) else json.dumps(message))

    async def text(self) -> str:
        data = await asyncio.wait_for(self.socket.recv(), DEADLINE_SECONDS)
        assert isinstance(data, str)
        return data

    async def json(self) -> Any:
        return json.loads(await self.text())

    async def until(self, wanted: Callable[[Any], bool]) -> Any:
        while not wanted(message := await self.json()):
            pass
        return message

    async def pending(self) -> list[Any]:
        """Return what has been sent so far: everything before the answer to a protocol ping."""
        await asyncio.wait_for(await self.socket.ping(), DEADLINE_SECONDS)
        messages = []
        for _ in range(len(self.socket.recv_messages.frames)):
            messages.append(await self.json())
        return messages

    async def closed(self) -> int | None:
        await asyncio.wait_for(self.socket.wait_closed(), DEADLINE_SECONDS)
        return self.socket.close_code


def dial(address: str) -> connect:
    return connect(address, compression=None, proxy=None, ping_interval=None, max_queue=None)


async def get_json(address: str, body: object = None) -> Any:
    async with aiohttp.ClientSession() as session:
        call = session.get(address) if body is None else session.post(address, json=body)
        async with call as response:
            response.raise_for_status()
            return await response.json()


@dataclass
class Stage:
    simulator: Simulator
    clock: ManualClock

    def address(self, feed: str, path: str) -> str:
        return self.simulator.addresses[feed][1] + path

    def rest(self, feed: str, path: str) -> str:
        return self.simulator.addresses[feed][0] + path

    @asynccontextmanager
    async def peer(self, feed: str, path: str) -> AsyncIterator[Peer]:
        async with dial(self.address(feed, path)) as socket:
            yield Peer(socket)
