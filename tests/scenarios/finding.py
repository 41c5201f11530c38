"""Compare the flow events of a player with the truth of its scenario."""

from collections.abc import Sequence

from processors.units import DEFAULT_UNITS
from schemas.events import FlowEvent
from schemas.market import Scope
from schemas.units import US_PER_MINUTE, steps_in
from simulator.scenarios.parts import PERPETUALS
from simulator.scenarios.truth import Step, Truth
from tests.scenarios.playing import Player
from tests.scenarios.tape import name_of

AROUND_US = US_PER_MINUTE
OTHER = {"buy": "sell", "sell": "buy"}


def name(event: FlowEvent) -> str:
    """Return whose event it is: `venue:symbol`, or the aggregate."""
    return f"{event.venue}:{event.symbol}" if event.scope is Scope.VENUE else event.scope.value


def perpetuals(asset: str) -> list[str]:
    return [name_of(feed, asset) for feed in PERPETUALS]


def whose(truth: Truth) -> list[str]:
    """Return the scopes that a truth holds for."""
    names = [name_of(feed, truth.asset) for feed in truth.feeds]
    return [*names, Scope.PERP.value] if truth.aggregate else names


def events(player: Player, truth: Truth, scope: str, side: str | None = None) -> list[FlowEvent]:
    """Return the events of a truth's kind and time in one scope, state after state."""
    start_us, end_us = truth.span_us
    return [
        event
        for event in player.of(FlowEvent)
        if event.kind.value == truth.found.value
        and event.form == truth.form
        and event.asset == truth.asset
        and event.side.value == (side or truth.side)
        and name(event) == scope
        and event.start_us < end_us
        and event.end_us > start_us
    ]


def assert_steps(found: Sequence[FlowEvent], steps: Sequence[Step]) -> None:
    """Hold the states of one event, in order, against those that it has to go through."""
    assert [event.state.value for event in found] == [step.state for step in steps]
    assert len({event.id for event in found}) == 1
    for event, step in zip(found, steps, strict=True):
        assert step.from_us <= event.event_time_us <= step.until_us, (event, step)


def assert_price(ticks: object, bounds: tuple[float, float], asset: str, slack: int = 0) -> None:
    """Hold a price in ticks of the asset against bounds in quote coins."""
    assert isinstance(ticks, int)
    per_unit = steps_in("1", DEFAULT_UNITS[asset].tick)
    low, high = (round(bound * per_unit) for bound in bounds)
    assert low - slack <= ticks <= high + slack, (ticks, bounds)


def assert_nothing_else(player: Player, truth: Truth) -> None:
    """Hold that no other perpetual has such an event then, and none the other side."""
    wanted = whose(truth)
    for scope in [*perpetuals(truth.asset), Scope.PERP.value]:
        assert events(player, truth, scope, OTHER[truth.side]) == [], scope
        if scope not in wanted:
            assert events(player, truth, scope) == [], scope
