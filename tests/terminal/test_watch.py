"""The watcher: what it draws when, and that it outlives a store that is away."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from runtime.errors import ConfigurationError, StoreError
from sinks.terminal.screen import PRINT_SECONDS, STILL_SECONDS, LiveScreen, Picture, PrintedScreen
from sinks.terminal.watch import watch
from tests.terminal.stub import StubReader
from tests.terminal.views import market_view, worked_view

STORE = Path("unused")
DEADLINE_SECONDS = 60.0


def console_of(*, terminal: bool = False, encoding: str = "utf-8") -> tuple[Console, StringIO]:
    class Pipe(StringIO):
        @property
        def encoding(self) -> str:  # type: ignore[override]
            return encoding

    pipe = Pipe()
    console = Console(
        file=pipe,
        width=100,
        height=40,
        force_terminal=terminal,
        color_system=None,
        legacy_windows=False,
    )
    return console, pipe


@asynccontextmanager
async def watching(reader: StubReader, console: Console) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(
        watch("btc", STORE, console=console, refresh_seconds=0.001, open_store=lambda _: reader)
    )
    try:
        yield task
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():
            await asyncio.sleep(0)


async def test_once_prints_the_ladder_and_closes_the_store() -> None:
    console, pipe = console_of()
    reader = StubReader(worked_view())
    await watch("btc", STORE, once=True, console=console, open_store=lambda _: reader)
    assert "▼380" in pipe.getvalue()
    assert "\x1b" not in pipe.getvalue()
    assert not [line for line in pipe.getvalue().splitlines() if line != line.rstrip()]
    assert reader.closed == 1


async def test_once_fits_a_terminal_and_prints_more_into_a_pipe() -> None:
    for terminal, cut in ((True, True), (False, False)):
        console, pipe = console_of(terminal=terminal)
        console.height = 20
        reader = StubReader(market_view())
        await watch("btc", STORE, once=True, console=console, open_store=lambda _, r=reader: r)  # type: ignore[misc]
        assert ("more rows above" in pipe.getvalue()) is cut
        assert (pipe.getvalue().count("\n") <= 20) is cut


async def test_once_says_what_is_awaited() -> None:
    console, pipe = console_of()
    await watch("sol", STORE, once=True, console=console, open_store=lambda _: StubReader(None))
    assert pipe.getvalue() == (
        "waiting for the first footprint of SOL: 1m bars over all perp venues\n"
    )


async def test_once_fails_with_the_store() -> None:
    console, _ = console_of()
    reader = StubReader(worked_view(), failing=1)
    with pytest.raises(StoreError):
        await watch("btc", STORE, once=True, console=console, open_store=lambda _: reader)


async def test_once_takes_no_more_bars_than_asked() -> None:
    console, pipe = console_of()
    reader = StubReader(market_view())
    await watch("btc", STORE, once=True, bars=2, console=console, open_store=lambda _: reader)
    assert pipe.getvalue().count("final") == 1
    assert pipe.getvalue().count("live") == 1


async def test_it_ends_after_its_time() -> None:
    console, pipe = console_of()
    reader = StubReader(worked_view())
    async with asyncio.timeout(DEADLINE_SECONDS):
        await watch(
            "btc",
            STORE,
            seconds=0.02,
            refresh_seconds=0.001,
            console=console,
            open_store=lambda _: reader,
        )
    assert len(reader.asked) > 6
    assert pipe.getvalue().count("POC") == 1
    assert reader.closed == 1


async def test_a_terminal_is_redrawn_in_place_when_something_changes() -> None:
    console, pipe = console_of(terminal=True)
    reader = StubReader(None)
    async with watching(reader, console):
        await until(lambda: "waiting for the first" in pipe.getvalue())
        reader.view = worked_view()
        await until(lambda: "64,121.5" in pipe.getvalue())
        bar = replace(worked_view().bars[0], close=worked_view().row_size * 3205)
        reader.view = replace(worked_view(), bars=(bar,))
        await until(lambda: "last 64,100" in pipe.getvalue())
    assert "\x1b[?1049h" not in pipe.getvalue(), "no alternate screen: the last ladder stays"
    assert reader.closed == 1


async def test_a_store_that_is_away_keeps_the_last_picture_with_a_notice() -> None:
    console, pipe = console_of(terminal=True)
    reader = StubReader(worked_view())
    notice = "no answer from the store, trying again: connection refused"
    async with watching(reader, console):
        await until(lambda: "64,121.5" in pipe.getvalue())
        reader.failing = 10**9
        await until(lambda: notice in pipe.getvalue())
        last = pipe.getvalue().rpartition("last 64,121.5")[2]
        assert notice in last
        assert "▼380" in last
        reader.failing = 0
        await until(lambda: notice not in pipe.getvalue().rpartition("last 64,121.5")[2])
    assert reader.closed > 1, "a reader that failed is opened anew"


async def test_a_store_that_cannot_be_opened_yet_is_tried_again() -> None:
    console, pipe = console_of(terminal=True)
    tries = 0

    def open_late(_: Path | str) -> StubReader:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise StoreError("no such socket")
        return StubReader(worked_view())

    await watch(
        "btc", STORE, seconds=0.05, refresh_seconds=0.001, console=console, open_store=open_late
    )
    assert tries == 3
    assert pipe.getvalue().index("no such socket") < pipe.getvalue().index("64,121.5")


async def test_a_store_that_is_not_there_is_awaited_but_not_for_once() -> None:
    console, pipe = console_of()

    def refuse(_: Path | str) -> StubReader:
        raise ConfigurationError("there is no store in data")

    await watch("btc", STORE, seconds=0.01, console=console, open_store=refuse)
    assert pipe.getvalue() == (
        "no answer from the store, trying again: there is no store in data\n"
    )
    with pytest.raises(ConfigurationError, match="there is no store"):
        await watch("btc", STORE, once=True, console=console, open_store=refuse)


async def test_a_request_that_makes_no_sense_ends_it_at_once() -> None:
    console, _ = console_of()
    with pytest.raises(ConfigurationError, match="needs a venue"):
        await watch("btc", STORE, scope="venue", console=console)


async def test_after_the_first_picture_only_news_are_asked_for() -> None:
    console, _ = console_of()
    view = market_view()
    reader = StubReader(view)
    async with watching(reader, console):
        await until(lambda: len(reader.asked) > 12)
    choices = [parameters for sql, parameters in reader.asked if "GROUP BY" in sql]
    assert choices[0]["since"] == 0
    assert choices[1]["since"] == view.bars[-1].bar_start_us


def test_a_pipe_gets_a_fresh_ladder_at_a_change_and_not_too_often() -> None:
    console, pipe = console_of()
    screen, picture = PrintedScreen(console), Picture()

    def ladders() -> int:
        return pipe.getvalue().count("POC")

    picture.show(worked_view(), 0.0)
    screen.draw(picture, 0.0)
    screen.draw(picture, PRINT_SECONDS)
    assert ladders() == 1, "nothing changed"
    picture.show(market_view(), PRINT_SECONDS + 1)
    screen.draw(picture, PRINT_SECONDS - 0.1)
    assert ladders() == 1, "too soon"
    screen.draw(picture, PRINT_SECONDS)
    assert ladders() == 2


def test_a_picture_without_news_says_for_how_long() -> None:
    console, pipe = console_of(terminal=True)
    picture = Picture()
    picture.show(worked_view(), 100.0)
    with LiveScreen(console) as screen:
        screen.draw(picture, 100.0 + STILL_SECONDS - 1)
        assert "nothing new" not in pipe.getvalue()
        screen.draw(picture, 100.0 + STILL_SECONDS + 2)
    assert "nothing new for 17 s" in pipe.getvalue()


async def test_a_console_without_unicode_gets_ascii() -> None:
    console, pipe = console_of(encoding="ascii")
    reader = StubReader(worked_view())
    await watch("btc", STORE, once=True, console=console, open_store=lambda _: reader)
    assert pipe.getvalue().isascii()
    assert "v380" in pipe.getvalue()


async def test_a_folder_that_nobody_serves_is_let_go_between_two_questions(tmp_path: Path) -> None:
    reader = StubReader(worked_view(), exclusive=True)
    await watch(
        "BTC",
        tmp_path,
        refresh_seconds=0.01,
        seconds=0.1,
        console=Console(file=StringIO(), width=100),
        open_store=lambda _: reader,
    )
    assert reader.closed >= 2
