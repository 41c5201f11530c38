"""Trends that exhaust: the sequence form with the close of its third minute, on every perpetual.

The time is exact, as bars are. The price is the extreme of three minutes: that of the path, with
what a venue's basis may be off it.
"""

import pytest

from schemas.events import EventKind, EventSide, FlowEvent
from schemas.lineage import Status
from schemas.market import Scope
from schemas.units import US_PER_SECOND
from tests.scenarios.finding import (
    assert_nothing_else,
    assert_price,
    assert_steps,
    events,
    whose,
)
from tests.scenarios.outages import bars_of
from tests.scenarios.playing import START_US, middle, minute_us, played, truths
from tests.scenarios.tape import Outage


@pytest.mark.parametrize("number", range(2), ids=["up", "down"])
def test_a_trend_that_exhausts_is_found_on_every_perpetual_and_over_all(number: int) -> None:
    truth = truths("trend")[number]
    for scope in whose(truth):
        found = events(played("trend"), truth, scope)
        assert_steps(found, truth.steps)
        [event] = found
        assert (event.start_us, event.end_us) == truth.span_us
        assert_price(event.low_ticks, truth.prices["extreme"], "BTC")
        first, last = event.values["first_delta_lots"], event.values["last_delta_lots"]
        assert first is not None
        assert last is not None
        assert 0 < last / first <= 0.5
        assert (first > 0) == (truth.side == "buy")
        assert event.status is Status.COMPLETE


@pytest.mark.parametrize("number", range(2), ids=["up", "down"])
def test_the_other_side_of_a_trend_is_not_exhausted(number: int) -> None:
    assert_nothing_else(played("trend"), truths("trend")[number])


def test_a_calm_market_around_the_trends_has_no_sequence_of_all_perpetuals() -> None:
    found = [
        event
        for event in played("trend").of(FlowEvent)
        if (event.kind, event.form) == (EventKind.EXHAUSTION, "sequence")
        and event.scope is Scope.PERP
    ]
    assert [event.side for event in found] == [EventSide.BUY, EventSide.SELL]


def test_a_venue_that_dies_in_the_second_minute_is_not_in_what_is_found() -> None:
    """5.8: partial bars never count, so neither it nor the aggregate says anything."""
    truth = truths("trend")[0]
    before = middle("trend")
    away = Outage("bybit", before.now_us, before.now_us + 20 * US_PER_SECOND)
    after = before.without(away).run(minute_us(10))
    named = {scope: events(after, truth, scope) for scope in whose(truth)}
    assert named.pop("bybit:BTC-USDT-PERP") == []
    assert named.pop("perp") == []
    for found in named.values():
        assert_steps(found, truth.steps)
    second_us = START_US + 7 * 60 * US_PER_SECOND
    [bar] = bars_of(after, "perp", second_us)
    assert bar.completeness.status is Status.PARTIAL
    assert bar.completeness.venues_partial == ["bybit:BTC-USDT-PERP"]
