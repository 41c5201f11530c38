"""Keeps a ladder on the screen: asks the store, redraws, and outlives a store that is away."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from rich.console import Console

from runtime.errors import PerptapeError
from sinks.terminal.model import LadderView
from sinks.terminal.queries import Missing, Reader, Selection, read, select
from sinks.terminal.screen import Picture, Screen, narrowest_bars, screen_for


@dataclass(slots=True)
class _Source:
    """The store as the watcher sees it: opened when needed, opened anew after an error."""

    open: Callable[[], Reader]
    wanted: Selection
    reader: Reader | None = None
    known: LadderView | None = None

    def read(self, bars: int) -> LadderView | Missing:
        """Ask for the picture: the whole store at first, then the known series from its end on.

        Raises:
            PerptapeError: the store cannot be asked now; the next call opens it anew.
        """
        selection, since_us = self.wanted, 0
        if self.known is not None and self.known.bars:
            since_us = self.known.bars[-1].bar_start_us
            selection = replace(selection, symbol=self.known.symbol, row_size=self.known.row_size)
        try:
            if self.reader is None:
                self.reader = self.open()
            view = read(self.reader, selection, bars, since_us)
        except PerptapeError:
            self.close()
            raise
        self.known = view if isinstance(view, LadderView) else None
        if self.reader.exclusive:
            self.close()  # between two questions the store is free for `perptape up`
        return view

    def close(self) -> None:
        """Let the reader go."""
        reader, self.reader = self.reader, None
        if reader is not None:
            reader.close()


def _ask(picture: Picture, source: _Source, bars: int, now: float) -> None:
    """Ask the source for a picture."""
    picture.show(source.read(bars), now)


def _try(picture: Picture, source: _Source, bars: int, now: float) -> None:
    """Ask the source; an error keeps the last picture and becomes a notice.

    That includes a store that is not there yet, or held by a process that does not serve it yet.
    """
    try:
        _ask(picture, source, bars, now)
    except PerptapeError as error:
        picture.problem = f"no answer from the store, trying again: {error}"


async def _finish(work: Callable[[], None]) -> None:
    """Run blocking work in a thread and, even when cancelled, wait for its end."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


async def watch(
    asset: str,
    store: Path | str,
    *,
    scope: str = "perp",
    venue: str = "",
    interval_seconds: int = 60,
    row_size: str | None = None,
    bars: int | None = None,
    refresh_seconds: float = 1.0,
    once: bool = False,
    seconds: float | None = None,
    console: Console,
    open_store: Callable[[Path | str], Reader] | None = None,
) -> None:
    """Show the newest footprint bars of an asset until cancelled.

    On a terminal the ladder is redrawn in place and stays there at the end. Elsewhere a fresh one
    is printed at each change, at most every 10 s. While the store does not answer the last picture
    stays, with a notice.

    Args:
        asset: base coin, in any case.
        store: the store's directory, or the http(s) address of a server.
        scope: `perp` or `spot` over all venues, or `venue` for one.
        venue: with scope `venue`, its name, or `name:SYMBOL` for one instrument of several.
        interval_seconds: length of a bar.
        row_size: height of a row in quote; the smallest there is where it is None.
        bars: how many at most; what the width holds where it is None.
        refresh_seconds: time between two questions to the store.
        once: draw a single time and return.
        seconds: return after this long.
        console: where to draw.
        open_store: how to reach the store; by default the store's own way in.

    Raises:
        ConfigurationError: the request contradicts itself, or with `once`, there is no store.
        StoreError: with `once`, the store does not answer.
    """
    selection = select(asset, scope, venue, interval_seconds, row_size)
    opener = open_store or _open_reader
    source = _Source(lambda: opener(store), selection)
    screen = screen_for(console, once=once)
    try:
        with screen:
            if once:
                picture = Picture()
                count = bars or narrowest_bars(console)
                await _finish(partial(_ask, picture, source, count, 0.0))
                screen.draw(picture, 0.0)
            else:
                await _keep(source, screen, bars, refresh_seconds, seconds)
    finally:
        source.close()


async def _keep(
    source: _Source,
    screen: Screen,
    bars: int | None,
    refresh_seconds: float,
    seconds: float | None,
) -> None:
    """Ask and draw in turn until the time is over."""
    picture, clock = Picture(), asyncio.get_running_loop().time
    end = None if seconds is None else clock() + seconds
    while True:
        count = bars or narrowest_bars(screen.console)
        await _finish(partial(_try, picture, source, count, clock()))
        screen.draw(picture, clock())
        left = refresh_seconds if end is None else min(refresh_seconds, end - clock())
        if left <= 0:
            return
        await asyncio.sleep(left)


def _open_reader(store: Path | str) -> Reader:
    # The engine is slow to load, and none is needed where another reader is given.
    from sinks.clickhouse.access import open_reader  # noqa: PLC0415

    return open_reader(store)
