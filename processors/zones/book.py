"""One zone or level, and what a second's trades do to it."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from processors.plain import Plain
from processors.trades import Trade
from schemas.events import EventKind, EventState


class Tape:
    """The prices that one scope traded at in one second. They are sorted only when asked for."""

    def __init__(self, trades: Sequence[Sequence[Trade]]) -> None:
        self._prices: set[int] = set()
        for of_member in trades:
            self._prices.update([trade[3] for trade in of_member])
        self.empty = not self._prices
        self.low = min(self._prices, default=0)
        self.high = max(self._prices, default=0)
        self._sorted: list[int] | None = None

    def is_in(self, low: int, end: int) -> bool:
        """Say whether anything traded in `[low, end)`."""
        if self.high < low or self.low >= end:
            return False
        if self._sorted is None:
            self._sorted = sorted(self._prices)
        index = bisect_left(self._sorted, low)
        return index < len(self._sorted) and self._sorted[index] < end


@dataclass(slots=True, kw_only=True)
class Held:
    """One zone or level `[low, end)`, known since `since_us` from a bar that took `span_us`.

    `inside` says whether the last second that traded did so in the zone, `blind` whether trades
    may have been missed. `over` marks one that is followed no longer.
    """

    id: str
    kind: EventKind
    side: int
    low: int
    end: int
    since_us: int
    span_us: int
    inside: bool = False
    blind: bool = False
    over: bool = False
    tests: int = 0
    evidence: str = ""
    venues: list[str] = field(default_factory=list)
    values: dict[str, int | float | None] = field(default_factory=dict)

    def touch(self, tape: Tape) -> EventState | None:
        """Let the trades of a second come to it; return its new state if there is one."""
        if self.kind is EventKind.UNFINISHED_AUCTION:
            self.over = tape.high > self.low if self.side > 0 else tape.low < self.low
            return EventState.TRADED_THROUGH if self.over else None
        was, self.inside = self.inside, tape.is_in(self.low, self.end)
        if was or not self.inside:
            return None
        self.tests += 1
        return EventState.TESTED

    def is_beyond(self, close: int) -> bool:
        """Say whether a close lies beyond the far edge."""
        return close < self.low if self.side > 0 else close >= self.end

    def dump(self) -> Plain:
        """Return everything as plain values."""
        return asdict(self) | {"kind": self.kind.value}

    @staticmethod
    def load(state: Plain) -> "Held":
        """Take the values of `dump` back."""
        return Held(**state | {"kind": EventKind(state["kind"])})
