"""How long feeds have been away, and whether that suspends the state machine.

A feed is away since the end of the last second at whose end it was live or quiet. Price is lost
with the trades of the reference instrument. Liquidations are lost where every feed that tells all
of them is away; where no such feed is listed, every other one. Source: definitions 5.10.
"""

from processors.plain import Plain
from processors.seconds.presence import stream_of
from processors.seconds.second import MemberSecond, Second
from schemas.liquidations import SamplingClass
from schemas.market import COVERING_STATES, FeedState
from schemas.units import US_PER_SECOND


class Watch:
    """The trade and liquidation feeds of an asset's perpetuals. Holds three values of each."""

    def __init__(self, stale_seconds: int, state: Plain = None) -> None:
        self._stale_us = stale_seconds * US_PER_SECOND
        prices, liquidations, samplings = state or ({}, {}, {})
        self._prices: dict[str, int] = dict(prices)
        self._liquidations: dict[str, int] = dict(liquidations)
        self.samplings = {name: SamplingClass(one) for name, one in samplings.items()}
        self.states: dict[str, FeedState] = {}
        self.price_states: dict[str, FeedState] = {}
        self._end_us = 0

    def take(self, second: Second, perps: list[MemberSecond]) -> list[str]:
        """Take one second in; return the instruments that sample otherwise than before."""
        changed = []
        self._end_us = second.end_us
        self.states.clear()
        self.price_states.clear()
        for member in perps:
            name = member.name
            if member.sampling is not None:
                if self.samplings.get(name, member.sampling) is not member.sampling:
                    changed.append(name)
                self.samplings[name] = member.sampling
            if (stream := stream_of(member, "trade_stream")) is not None:
                self.price_states[name] = stream.state
                self._note(self._prices, name, stream.state, second)
            stream = stream_of(member, "liquidation_stream")
            if stream is not None and self.samplings.get(name) is not SamplingClass.UNAVAILABLE:
                self.states[name] = stream.state
                self._note(self._liquidations, name, stream.state, second)
        return changed

    def _note(self, seen: dict[str, int], name: str, state: FeedState, second: Second) -> None:
        if state in COVERING_STATES:
            seen[name] = second.end_us
        else:
            seen.setdefault(name, second.start_us)

    def priced(self, name: str) -> bool:
        """Say whether the trades of an instrument are there, or were not long ago."""
        return name in self.price_states and self._near(self._prices[name])

    def telling(self) -> tuple[str, ...]:
        """Return the instruments whose liquidations are there, or were not long ago, by name."""
        return tuple(sorted(one for one in self.states if self._near(self._liquidations[one])))

    def suspended(self, reference: str | None) -> str:
        """Say what is missing, empty where nothing is.

        Args:
            reference: the instrument that prices are from, if there is one.
        """
        if reference is None or not self.priced(reference):
            return "price_feed"
        every = [one for one in self.states if self.samplings.get(one) is SamplingClass.ALL]
        expected = every or self.states
        told = any(self._near(self._liquidations[one]) for one in expected)
        return "" if told else "liquidation_feeds"

    def _near(self, seen_us: int) -> bool:
        return self._end_us - seen_us <= self._stale_us

    def dump(self) -> Plain:
        """Return everything as plain values for a snapshot, taken between two seconds."""
        samplings = {name: one.value for name, one in self.samplings.items()}
        return [self._prices, self._liquidations, samplings]
