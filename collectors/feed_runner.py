"""One feed from its list of instruments to its connections, kept as the venue changes the list."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import aiohttp
import msgspec
import structlog

from collectors.catalogue import choose_instruments, fetch_instruments
from collectors.connection import ConnectGate
from collectors.group import Group, Surroundings
from collectors.meter import FeedMeter
from collectors.outbox.outbox import Outbox
from collectors.poller import Poller
from collectors.rest import OnFrame, RestClient
from collectors.venue import Feed, Plan, Request
from runtime.backoff import Backoff
from runtime.clock import Clock
from runtime.errors import PayloadError, RateLimited, RefusedError, TransportError
from runtime.metrics import CollectorMetrics
from schemas.instruments import Instrument
from schemas.market import FeedState

REFUSED_RETRY_SECONDS = 300.0
REFRESH_SECONDS = 600.0
LEAST_REFRESH_SECONDS = 5.0
NOT_LISTED = "not_listed"
"""The status of an instrument that the venue does not list, or not as trading, any more."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CollectorSettings:
    """What to collect, from where.

    `addresses` maps a feed to `(rest_url, ws_url)` instead of its own; `on_frame` sees every frame.
    `connections` per plan are 2 for a redundant pair. `refresh_seconds` is how often the list of
    instruments is asked for again.
    """

    assets: Sequence[str]
    quotes: Sequence[str]
    addresses: Mapping[str, tuple[str, str]]
    linger_us: int = 20_000
    connections: int = 1
    refresh_seconds: float = REFRESH_SECONDS
    on_frame: OnFrame | None = None


class FeedRunner:
    """Runs everything of one feed.

    Attributes:
        groups: by name, the connections that are open.
        problem: why there are no instruments, "" where there are.
    """

    def __init__(
        self,
        feed: Feed,
        settings: CollectorSettings,
        outbox: Outbox,
        clock: Clock,
        metrics: CollectorMetrics,
        backoff: Callable[[], Backoff],
    ) -> None:
        self.feed = feed
        self.groups: dict[str, Group] = {}
        self.problem = ""
        self._settings = settings
        self._outbox = outbox
        self._clock = clock
        self._meter = FeedMeter(metrics, feed)
        self._backoff = backoff
        self._gate = ConnectGate(feed.limits.connect_interval_seconds)
        self._shared = feed.memory()
        self._instruments: list[Instrument] = []
        self._told: dict[str, Instrument] = {}
        self._listed = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._number = 0

    async def run(self, http: aiohttp.ClientSession) -> None:
        """Collect until cancelled.

        A feed whose instruments cannot be had is asked again until they can.
        """
        own_rest_url, own_ws_url = self.feed.rest_url, ""
        rest_url, ws_url = self._settings.addresses.get(self.feed.name, (own_rest_url, own_ws_url))
        rest = RestClient(self.feed, rest_url, http, self._settings.on_frame)
        try:
            chosen = await self._ask_until_listed(rest)
            self._tell(chosen)
            await self._adopt(chosen, rest, ws_url)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._poller(rest).run())
                tasks.create_task(self._refresh(rest, ws_url))
                tasks.create_task(self._watch())
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _poller(self, rest: RestClient) -> Poller:
        return Poller(
            self.feed,
            rest,
            instruments=lambda: self._instruments,
            groups=self.groups.values,
            on_answer=lambda request, body: self._record(rest, request, body),
        )

    async def _watch(self) -> None:
        """Raise what a group raises: an error of ours, never of a venue."""
        while True:
            for task in tuple(self._tasks.values()):
                if task.done() and not task.cancelled():
                    task.result()
            await asyncio.sleep(0.2)

    def tick(self, now_us: int) -> None:
        """Let time pass."""
        for group in self.groups.values():
            group.tick(now_us)

    def give_up(self, why: str) -> None:
        """End all connections for a reason of ours; others are opened."""
        for group in self.groups.values():
            group.give_up(why)

    async def _adopt(self, chosen: list[Instrument], rest: RestClient, ws_url: str) -> None:
        """Collect these instruments from now on: connections that stay as they are go on.

        A connection of a stream with all instruments in it does not stay as it is.
        """
        self._instruments = chosen
        around = self._surroundings(rest)
        wanted = self.feed.plan(self.feed.streams(chosen))
        replaced = [
            name
            for name, group in self.groups.items()
            if group.plan not in wanted or None in [one.instrument for one in group.plan.streams]
        ]
        memories = [self.groups[name].memory for name in replaced]
        for name in replaced:
            task = self._tasks.pop(name)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            del self.groups[name]
        running = [group.plan for group in self.groups.values()]
        for plan in wanted:
            if plan not in running:
                self._begin(plan, around, ws_url).memory.inherit(memories, plan.streams)

    def _tell(self, instruments: list[Instrument]) -> None:
        """Put on record what is new about instruments."""
        new = [one for one in instruments if one != self._told.get(one.symbol)]
        self._outbox.put_instruments(new, self._clock.now_us())
        self._told |= {one.symbol: one for one in new}

    def _begin(self, plan: Plan, around: Surroundings, ws_url: str) -> Group:
        name = f"{self.feed.name}/{self._number}"
        self._number += 1
        self.groups[name] = group = Group(around, plan, name, ws_url, self._settings.connections)
        self._tasks[name] = asyncio.create_task(group.run())
        return group

    def _surroundings(self, rest: RestClient) -> Surroundings:
        return Surroundings(
            feed=self.feed,
            outbox=self._outbox,
            clock=self._clock,
            rest=rest,
            gate=self._gate,
            meter=self._meter,
            backoff=self._backoff,
            linger_us=self._settings.linger_us,
            shared=self._shared,
            instruments=tuple(self._instruments),
            on_listed=self._listed.set,
            on_frame=self._settings.on_frame,
        )

    def _record(self, rest: RestClient, request: Request, body: bytes) -> int:
        """Stamp an answer, and record it where that is wanted."""
        now_us = self._clock.now_us()
        rest.record(request, "http", now_us, body)
        return now_us

    async def _list(self, rest: RestClient) -> list[Instrument]:
        return await fetch_instruments(
            self.feed, rest, lambda request, body: self._record(rest, request, body)
        )

    async def _ask_until_listed(self, rest: RestClient) -> list[Instrument]:
        """Ask until the feed lists something that is wanted."""
        backoff = self._backoff()
        assets, quotes = self._settings.assets, self._settings.quotes
        while True:
            try:
                chosen = choose_instruments(await self._list(rest), assets, quotes)
                if chosen:
                    self.problem = ""
                    return chosen
                self.problem = f"none of {', '.join(assets)} is listed"
                delay = REFUSED_RETRY_SECONDS
            except RateLimited as error:
                delay = error.retry_after_seconds or backoff.next_seconds()
                self.problem = str(error)
            except (TransportError, PayloadError) as error:
                self.problem, delay = str(error), backoff.next_seconds()
            except RefusedError as error:
                self.problem, delay = str(error), REFUSED_RETRY_SECONDS
            _log.warning(
                "no_instruments", feed=self.feed.name, problem=self.problem, retry_in_seconds=delay
            )
            await asyncio.sleep(delay)

    async def _refresh(self, rest: RestClient, ws_url: str) -> None:
        """Ask for the list again and again, and at once when the venue says that it changed."""
        while True:
            await asyncio.sleep(LEAST_REFRESH_SECONDS)
            with_hint = asyncio.create_task(self._listed.wait())
            await asyncio.wait({with_hint}, timeout=self._settings.refresh_seconds)
            with_hint.cancel()
            self._listed.clear()
            await self._compare(rest, ws_url)

    async def _compare(self, rest: RestClient, ws_url: str) -> None:
        """Adopt what changed; what is not listed any more is said to be so, and kept open."""
        try:
            listed = await self._list(rest)
        except (TransportError, RefusedError, PayloadError) as error:
            _log.warning("list_not_refreshed", feed=self.feed.name, problem=str(error))
            return
        chosen = choose_instruments(listed, self._settings.assets, self._settings.quotes)
        now = {one.symbol: one for one in chosen}
        for group in self.groups.values():
            for one in self._instruments:
                group.memory.mark(one.symbol, None if one.symbol in now else FeedState.NOT_LISTED)
            group.ask_for_all()
        next_list = [now.get(one.symbol, one) for one in self._instruments]
        known = {one.symbol for one in next_list}
        next_list += [one for one in chosen if one.symbol not in known]
        gone = [one for one in self._instruments if one.symbol not in now]
        self._tell([*chosen, *(msgspec.structs.replace(one, status=NOT_LISTED) for one in gone)])
        if next_list != self._instruments:
            changed = [one.symbol for one in next_list if one not in self._instruments]
            _log.info("instruments_changed", feed=self.feed.name, symbols=changed)
            await self._adopt(next_list, rest, ws_url)
