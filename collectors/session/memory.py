"""What outlives a session of one plan: which trades and liquidations came already, open gaps."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from collectors.grid import Steps
from collectors.session.lanes.liquidations import LiquidationMemory
from collectors.session.seen import GaplessSeen, RecentSeen, Seen
from collectors.venue import Channel, Gap, Stream
from schemas.market import FeedState


class Memory:
    """The memory of one plan over its sessions.

    Attributes:
        covered_us: up to when the last session that ended had everything.
        sessions: how many there were.
        forced: by symbol, feed states that hold whatever a connection says.
    """

    def __init__(self) -> None:
        self.covered_us = 0
        self._trades: dict[str, Seen] = {}
        self._liquidations: dict[str, LiquidationMemory] = {}
        self._prices: dict[str, Steps] = {}
        self.sessions = 0
        self.forced: dict[str, FeedState] = {}
        self.unsettled: list[Gap] = []
        """Gaps on record whose repair was cut off with the last connection of a session."""

    def inherit(self, others: Iterable["Memory"], streams: Sequence[Stream]) -> None:
        """Go on from the memories of plans that this one, with these streams, replaces.

        Several plans may go on from the same ones; a gap goes to that of its instrument only.
        """
        taken = list(others)
        own = {
            one.instrument.symbol: one
            for one in streams
            if one.channel is Channel.TRADES and one.instrument is not None
        }
        for other in taken:
            self._trades |= other._trades
            self._liquidations |= other._liquidations
            self._prices |= other._prices
            self.sessions += other.sessions
            self.forced |= other.forced
            for gap in other.unsettled:
                instrument = gap.stream.instrument
                if instrument is not None and instrument.symbol in own:
                    self.unsettled.append(replace(gap, stream=own[instrument.symbol]))
        self.covered_us = min((other.covered_us for other in taken), default=0)

    def take_unsettled(self) -> list[Gap]:
        """Return the gaps whose repair is to begin again, each once."""
        taken, self.unsettled = self.unsettled, []
        return taken

    def mark(self, symbol: str, state: FeedState | None) -> None:
        """Force the feed state of an instrument (halted, not listed), or let it be again."""
        if state is None:
            self.forced.pop(symbol, None)
        else:
            self.forced[symbol] = state

    def force(self, states: Mapping[str, FeedState]) -> None:
        """Force these feed states and no others."""
        self.forced.clear()
        self.forced.update(states)

    def listed(self, streams: Iterable[Stream]) -> list[Stream]:
        """Return the streams without those of instruments that the venue does not list any more.

        Most venues refuse to serve these.
        """
        gone = {name for name, state in self.forced.items() if state is FeedState.NOT_LISTED}
        return [
            one for one in streams if one.instrument is None or one.instrument.symbol not in gone
        ]

    def prices(self, venue_tick: str) -> Steps:
        """Return what turns texts of prices into ticks; books on one grid share it."""
        if venue_tick not in self._prices:
            self._prices[venue_tick] = Steps(venue_tick)
        return self._prices[venue_tick]

    def trades(self, symbol: str, *, gapless: bool) -> Seen:
        """Return which trades of an instrument came already."""
        if symbol not in self._trades:
            self._trades[symbol] = GaplessSeen() if gapless else RecentSeen()
        return self._trades[symbol]

    def liquidations(self, symbol: str) -> LiquidationMemory:
        """Return which liquidations of an instrument came already."""
        return self._liquidations.setdefault(symbol, {})
