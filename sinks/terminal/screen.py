"""Where a ladder is drawn: in place on a terminal, one after the other in a pipe or file."""

from dataclasses import dataclass, replace
from typing import Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from sinks.terminal.ladder import draw
from sinks.terminal.look import ASCII, QUIET, UNICODE, WARNING, Look
from sinks.terminal.model import LadderView
from sinks.terminal.queries import Missing

PRINT_SECONDS = 10.0
"""Least time between two ladders in a pipe."""
PRINT_LINES = 60
"""How tall a ladder may be where there is no screen to fit."""
STILL_SECONDS = 15.0
"""After so long without a change the terminal says so."""
NARROWEST_BAR = 14
_HEAT_COLOURS = {"256", "truecolor"}


def narrowest_bars(console: Console) -> int:
    """Return how many bars could fit the width at most."""
    return max(1, console.width // NARROWEST_BAR)


def look_for(console: Console) -> Look:
    """Choose characters the console can encode, and heat only where its colours are fine enough."""
    look = ASCII if console.options.ascii_only else UNICODE
    return replace(look, heat=console.color_system in _HEAT_COLOURS)


@dataclass(slots=True)
class Picture:
    """What is known, and what there is to say about it."""

    view: LadderView | Missing | None = None
    problem: str = ""
    changed_at: float = 0.0

    def show(self, view: LadderView | Missing, now: float) -> None:
        """Take a new answer of the store; what was wrong is over."""
        self.problem = ""
        if view != self.view:
            self.view, self.changed_at = view, now

    def lines(self, width: int, height: int, look: Look, notice: str = "") -> list[Text]:
        """Draw what there is, or say what is awaited, and below it a problem or else the notice."""
        words, style = (self.problem, WARNING) if self.problem else (notice, QUIET)
        below = [Text(words, style=style)] if words else []
        if isinstance(self.view, LadderView):
            return [*draw(self.view, width, height - len(below), look), *below]
        if isinstance(self.view, Missing):
            return [Text(self.view.reason), *below]
        return below


class Screen(Protocol):
    """Something to draw pictures on; entered before the first and left after the last."""

    console: Console

    def draw(self, picture: Picture, now: float) -> None:
        """Draw a picture as it is at a moment of the event loop's clock."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class LiveScreen:
    """A terminal: each picture replaces the one before, and the last stays."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._look = look_for(console)
        self._live = Live(console=console, auto_refresh=False, screen=False)

    def draw(self, picture: Picture, now: float) -> None:
        """Replace what is on the screen; say so where nothing has moved for long."""
        still = int(now - picture.changed_at)
        notice = f"nothing new for {still} s" if still >= STILL_SECONDS else ""
        width, height = self.console.size
        lines = picture.lines(width, height - 1, self._look, notice)
        self._live.update(Group(*lines), refresh=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()


class PrintedScreen:
    """A pipe or file: a fresh picture after each change, with time in between."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._look = look_for(console)
        self._printed: tuple[object, str] | None = None
        self._printed_at = 0.0

    def draw(self, picture: Picture, now: float) -> None:
        """Print a picture that has changed, unless the last one is too recent."""
        content = (picture.view, picture.problem)
        soon = self._printed is not None and now - self._printed_at < PRINT_SECONDS
        if content == self._printed or soon:
            return
        if self._printed is not None:
            self.console.print()
        height = self.console.height - 1 if self.console.is_terminal else PRINT_LINES
        for line in picture.lines(self.console.width, height, self._look):
            if not self._look.heat:
                line.rstrip()
            self.console.print(line, soft_wrap=True)
        self._printed, self._printed_at = content, now

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


def screen_for(console: Console, *, once: bool) -> Screen:
    """Choose the way to draw: in place on a terminal, unless it is for one time only."""
    return LiveScreen(console) if console.is_terminal and not once else PrintedScreen(console)
