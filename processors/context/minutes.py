"""What open interest did in each minute, and the minute's bar: what positions are estimated from.

State: the last good ticker of every perpetual and one number each of the minute before.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from processors.context.polls import Polls
from processors.context.ticker import TickerMemory
from processors.plain import Plain
from processors.seconds.presence import MinuteWindow, members_of
from processors.seconds.second import Second
from processors.units import AssetUnits
from schemas.footprints import FootprintBar
from schemas.lineage import Completeness, Status
from schemas.market import COVERING_STATES, Scope
from schemas.units import US_PER_MINUTE

MINUTE_SECONDS = 60


class InterestMove(NamedTuple):
    """Open interest of the perpetuals that are known at both ends of a minute, in lots.

    `venues` are those, `unknown` the others. Without any, start and end are 0 and mean nothing.
    """

    start: int
    end: int
    venues: list[str]
    unknown: list[str]

    @property
    def change(self) -> int | None:
        """The change, None where nobody is known."""
        return self.end - self.start if self.venues else None


class Minute(NamedTuple):
    """One minute that is over; `bar` is None where no final bar of all perpetuals came.

    It is complete where the tickers of all and the trades of the bar are.
    """

    start_us: int
    move: InterestMove
    bar: FootprintBar | None
    completeness: Completeness


class Minutes:
    """Closes minutes, each with the second that ends it; without that second there is none.

    No difference is taken across a minute that has no end.

    Args:
        units: of the asset; the bars are those of its finest rows.
        polls: how often venues are asked.
    """

    def __init__(self, units: AssetUnits, polls: Polls) -> None:
        self._units = units
        self._polls = polls
        self._tickers: dict[str, TickerMemory] = {}
        self._before: dict[str, int] = {}
        self._before_us = 0
        self._window = MinuteWindow("ticker_stream")

    def take(self, second: Second) -> Minute | None:
        """Take one second in; return the minute that it ends, if it ends one."""
        self._window.take(second)
        members = members_of(second, Scope.PERP, "ticker_stream")
        for member in members:
            known = self._tickers.get(member.name)
            if known is None:
                known = self._tickers[member.name] = TickerMemory(self._units.lot)
            stream = member.ticker_stream
            there = stream is not None and stream.state in COVERING_STATES
            known.take(member.ticker, second.end_us, member.ticker_refused, there=there)
        if second.end_us % US_PER_MINUTE:
            return None
        names = [member.name for member in members]
        self._tickers = {name: self._tickers[name] for name in names}
        move = self._move({member.name: member.key.venue for member in members}, second.end_us)
        minute_us = second.end_us - US_PER_MINUTE
        bar = bar_of_minute(second.bars, minute_us, self._units.row_ticks)
        return Minute(minute_us, move, bar, _with_bar(self._window.record(names), bar))

    def _move(self, venues: dict[str, str], end_us: int) -> InterestMove:
        now = {}
        for name, venue in venues.items():
            interest = self._polls.interest(venue, self._tickers[name], end_us)
            if interest is not None:
                now[name] = interest.lots
        then = self._before if self._before_us == end_us - US_PER_MINUTE else {}
        known = [name for name in now if name in then]
        self._before, self._before_us = now, end_us
        return InterestMove(
            start=sum(then[name] for name in known),
            end=sum(now[name] for name in known),
            venues=known,
            unknown=[name for name in venues if name not in known],
        )

    def dump(self) -> Plain:
        """Return everything as plain values for a snapshot."""
        tickers = [[name, known.dump()] for name, known in self._tickers.items()]
        return [tickers, self._before, self._before_us, self._window.dump()]

    def load(self, state: Plain) -> None:
        """Take the values of `dump` back."""
        tickers, before, self._before_us, window = state
        self._tickers = {name: TickerMemory(self._units.lot, known) for name, known in tickers}
        self._before = dict(before)
        self._window = MinuteWindow("ticker_stream", window)


def _with_bar(tickers: Completeness, bar: FootprintBar | None) -> Completeness:
    whole = bar is not None and bar.completeness.status is Status.COMPLETE
    if whole or tickers.status is not Status.COMPLETE:
        return tickers
    return msgspec.structs.replace(tickers, status=Status.PARTIAL)


def bar_of_minute(
    bars: Iterable[FootprintBar], start_us: int, row_ticks: int
) -> FootprintBar | None:
    """Return the bar of one minute of all perpetuals with rows of a size, None without one."""
    wanted = (Scope.PERP, row_ticks, MINUTE_SECONDS, start_us)
    for bar in bars:
        if (bar.scope, bar.row_ticks, bar.interval_seconds, bar.bar_start_us) == wanted:
            return bar
    return None
