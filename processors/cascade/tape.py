"""The trades of one instrument in seconds and minutes: price, flow, true ranges and levels.

Minutes are made from the seconds' own trades, not taken from footprint bars: they then follow the
same seconds and the same gaps as everything else here, whatever rows and intervals are configured.
Holds the minutes of an hour and the flow of 60 seconds, some kilobytes.
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from processors.cascade.params import CascadeParams
from processors.measures.pivots import is_pivot
from processors.measures.true_range import Prices, TrueRanges
from processors.plain import Plain
from processors.seconds.presence import stream_of
from processors.seconds.second import MemberSecond
from schemas.cascades import CascadeBar, CascadeLevel
from schemas.units import US_PER_DAY, US_PER_MINUTE, US_PER_SECOND

FLOW_SECONDS = 60


class Flow(NamedTuple):
    """Some trades: prices in ticks, aggressor notional in ticks x lots.

    `sideless` is what has no aggressor, or one that is not known (`MemberSecond.sideless`).
    """

    high: int | None
    low: int | None
    last: int | None
    delta: int
    bought: int
    sold: int
    sideless: int

    def closing(self, sign: int) -> int:
        """Return what may have closed shorts (sign 1) or longs (-1): that side's, and no side's."""
        return (self.bought if sign > 0 else self.sold) + self.sideless


NO_FLOW = Flow(None, None, None, 0, 0, 0, 0)


def flow_of(member: MemberSecond) -> Flow:
    """Return what the trades of a second come to."""
    columns = member.columns
    if not columns.size:
        return NO_FLOW._replace(sideless=member.taken_over)
    delta, notional = columns.deltas[-1], columns.aggressor_notional
    taken = (*notional, member.sideless)
    return Flow(columns.high, columns.low, columns.prices[-1], delta, *taken)


class Minute(NamedTuple):
    """One minute of one instrument; prices None where nothing traded."""

    start_us: int
    high: int | None
    low: int | None
    close: int | None
    delta: int
    notional: int
    complete: bool


class Tape:
    """One instrument's trades as the cascade needs them."""

    def __init__(self, params: CascadeParams, state: Plain = None) -> None:
        self._side_bars = params.pivot_bars
        self._kept = params.leader_minutes
        self._open: list[Plain] | None
        self._day: list[Plain] | None
        self._next_us: int
        minutes, self._open, flows, self.last, self._next_us, levels, self._day = (
            state[:7] if state else ((), None, (), None, 0, {}, None)
        )
        self._minutes = deque((Minute(*one) for one in minutes), maxlen=self._kept)
        self._flows: deque[tuple[int, int, int, bool]] = deque(
            (b, s, u, ok) for b, s, u, ok in flows
        )
        self._bought = sum(flow[0] for flow in self._flows)
        self._sold = sum(flow[1] for flow in self._flows)
        self._levels = {name: CascadeLevel(*level) for name, level in levels.items()}
        self._ranges = TrueRanges(60, params.atr_bars, state=state[7] if state else None)

    last: int | None

    def take(self, start_us: int, member: MemberSecond) -> tuple[Flow, CascadeBar | None]:
        """Take one second in; return its trades, and the minute that it closes."""
        flow = flow_of(member)
        stream = stream_of(member, "trade_stream")
        complete = stream is not None and stream.complete
        if start_us != self._next_us:
            self._jump(start_us)
        self._next_us = start_us + US_PER_SECOND
        if flow.last is not None or not complete:
            self.last = flow.last
        self._roll(flow, complete)
        opened = self._into_minute(start_us, flow, complete)
        bar = self._close(opened) if self._next_us % US_PER_MINUTE == 0 else None
        return flow, bar

    def _jump(self, start_us: int) -> None:
        """Drop what a hole in time has broken: flow, last price, the open minute if it is another.

        Minutes that the clock has left behind go with them.
        """
        self._flows.clear()
        self._bought = self._sold = 0
        self.last = None
        if self._open and self._open[0] != start_us - start_us % US_PER_MINUTE:
            self._minutes.append(_minute(self._open))
            self._open = None
        oldest_us = start_us - self._kept * US_PER_MINUTE
        while self._minutes and self._minutes[0].start_us < oldest_us:
            self._minutes.popleft()

    def _roll(self, flow: Flow, complete: bool) -> None:
        self._flows.append((flow.bought, flow.sold, flow.sideless, complete))
        self._bought += flow.bought
        self._sold += flow.sold
        if len(self._flows) > FLOW_SECONDS:
            bought, sold, _, _ = self._flows.popleft()
            self._bought -= bought
            self._sold -= sold

    def _into_minute(self, start_us: int, flow: Flow, complete: bool) -> list[Plain]:
        if self._open is None:
            self._open = [start_us - start_us % US_PER_MINUTE, None, None, None, 0, 0, 0]
        one = self._open
        if flow.high is not None and flow.low is not None:
            one[1] = flow.high if one[1] is None else max(one[1], flow.high)
            one[2] = flow.low if one[2] is None else min(one[2], flow.low)
            one[3] = flow.last
        one[4] += flow.delta
        one[5] += flow.bought + flow.sold
        one[6] += complete
        return one

    def _close(self, opened: list[Plain]) -> CascadeBar:
        minute = _minute(opened)
        self._minutes.append(minute)
        self._open = None
        self._into_ranges(minute)
        self._find_pivots()
        self._into_day(minute)
        return CascadeBar(
            start_us=minute.start_us,
            high_ticks=minute.high,
            low_ticks=minute.low,
            close_ticks=minute.close,
            delta_lots=minute.delta,
            is_complete=minute.complete,
        )

    # --- what it is asked

    def flow60(self, sign: int) -> int:
        """Return aggressor notional over 60 s: of buyers with sign 1, of sellers with -1."""
        return self._bought if sign > 0 else self._sold

    def closing60(self, sign: int) -> int:
        """Return what may have closed positions in a direction over 60 s: with what has no side."""
        return self.flow60(sign) + sum(flow[2] for flow in self._flows)

    @property
    def traded(self) -> bool:
        """Whether no trade of the last 60 s can be missing."""
        return len(self._flows) == FLOW_SECONDS and all(flow[3] for flow in self._flows)

    @property
    def notional(self) -> int:
        """What traded in the minutes that are kept, and in the open one."""
        return sum(one.notional for one in self._minutes) + (self._open[5] if self._open else 0)

    def true_ranges(self, now_us: int) -> int | None:
        """Return the sum over the last minutes in ticks, None unless all of them are whole."""
        average = self._ranges.average(now_us)
        return None if average is None else average[0]

    def levels(self, sign: int) -> list[CascadeLevel]:
        """Return the levels that a rise (sign 1) or a fall (-1) may cross."""
        names = ("pivot_high", "day_high") if sign > 0 else ("pivot_low", "day_low")
        return [self._levels[name] for name in names if name in self._levels]

    # --- minutes

    def _into_ranges(self, minute: Minute) -> None:
        """Let a whole minute count for the true range."""
        if not minute.complete:
            return
        prices = None
        if minute.high is not None and minute.low is not None and minute.close is not None:
            prices = Prices(minute.high, minute.low, minute.close)
        self._ranges.take(minute.start_us, prices)

    def _newest(self, count: int) -> list[Minute] | None:
        """Return the newest minutes where they follow one another and all are complete."""
        bars = list(self._minutes)[-count:]
        if len(bars) < count or not all(bar.complete for bar in bars):
            return None
        unbroken = bars[-1].start_us - bars[0].start_us == (count - 1) * US_PER_MINUTE
        return bars if unbroken else None

    def _find_pivots(self) -> None:
        """Confirm a pivot that has enough minutes on both sides (definitions 5.5)."""
        bars = self._newest(2 * self._side_bars + 1)
        if bars is None:
            return
        known_us = bars[-1].start_us + US_PER_MINUTE
        highs = [bar.high for bar in bars if bar.high is not None]
        lows = [-bar.low for bar in bars if bar.low is not None]
        for name, prices, sign in (("pivot_high", highs, 1), ("pivot_low", lows, -1)):
            if len(prices) == len(bars) and is_pivot(
                prices, self._side_bars, 1, self._side_bars, self._side_bars
            ):
                ticks = sign * prices[self._side_bars]
                self._levels[name] = CascadeLevel("pivot", ticks, known_us)

    def _into_day(self, minute: Minute) -> None:
        """Keep the extremes of the last whole day of UTC; a day with a hole has none."""
        day_us = minute.start_us - minute.start_us % US_PER_DAY
        if self._day is None or self._day[0] != day_us:
            self._day = [day_us, None, None, 0]
            for name in ("day_high", "day_low"):
                if name in self._levels and self._levels[name].known_us != day_us:
                    del self._levels[name]
        day = self._day
        if minute.high is not None and minute.low is not None:
            day[1] = minute.high if day[1] is None else max(day[1], minute.high)
            day[2] = minute.low if day[2] is None else min(day[2], minute.low)
        day[3] += minute.complete
        if minute.start_us + US_PER_MINUTE == day_us + US_PER_DAY:
            for name, ticks in (("day_high", day[1]), ("day_low", day[2])):
                self._levels.pop(name, None)
                if day[3] == US_PER_DAY // US_PER_MINUTE and ticks is not None:
                    self._levels[name] = CascadeLevel("prior_day", ticks, day_us + US_PER_DAY)

    def dump(self) -> Plain:
        """Return everything as plain values for a snapshot."""
        levels = {
            name: [level.kind, level.ticks, level.known_us] for name, level in self._levels.items()
        }
        history = [list(self._minutes), self._open, list(self._flows)]
        return [*history, self.last, self._next_us, levels, self._day, self._ranges.dump()]


def _minute(opened: Sequence[Plain]) -> Minute:
    start_us, high, low, close, delta, notional, seconds = opened
    return Minute(start_us, high, low, close, delta, notional, seconds == 60)
