"""Divergences at pivots: known three minutes after the second one, on every perpetual and over all.

Times are exact, as bars are. Prices are the lows (highs) of both pivots: those of the path, with
what a venue's basis may be off it.
"""

import pytest

from schemas.events import EventState
from schemas.lineage import Status
from schemas.units import US_PER_MINUTE
from tests.scenarios.finding import assert_price, events, whose
from tests.scenarios.outages import assert_dead_minute
from tests.scenarios.playing import middle, played, truths
from tests.scenarios.tape import Outage


@pytest.mark.parametrize("number", range(2), ids=["bullish", "bearish"])
def test_a_divergence_is_found_on_every_perpetual_and_over_all(number: int) -> None:
    truth = truths("divergence")[number]
    for scope in whose(truth):
        [event] = [
            event
            for event in events(played("divergence"), truth, scope)
            if (event.start_us, event.end_us) == truth.span_us
            and event.state is EventState.CONFIRMED
        ]
        assert truth.steps[0].from_us == event.event_time_us
        for price in ("first", "second"):
            ticks = event.values[f"{price}_price_ticks"]
            assert_price(ticks, truth.prices[price], "BTC")
        assert event.values["bars_between"] == 9
        cvd = event.values["cvd_change_lots"]
        assert cvd is not None
        assert (cvd > 0) == (truth.side == "sell")
        if scope == "perp":
            assert (event.values["venues_agree"], event.values["venues_complete"]) == (4, 4)
            assert event.values["strong"] == 1
            assert event.status is Status.COMPLETE


@pytest.mark.parametrize("number", range(2), ids=["bullish", "bearish"])
def test_no_other_divergence_ends_at_the_same_pivot(number: int) -> None:
    truth = truths("divergence")[number]
    other = {"buy": "sell", "sell": "buy"}[truth.side]
    for scope in whose(truth):
        for side in (truth.side, other):
            ends = {
                (event.start_us, event.id)
                for event in events(played("divergence"), truth, scope, side)
                if event.end_us == truth.span_us[1]
            }
            assert len(ends) == (side == truth.side), (scope, side)


def test_a_venue_that_dies_between_the_pivots_is_not_in_the_divergence() -> None:
    truth = truths("divergence")[0]
    before = middle("divergence")
    away = Outage("okx", before.now_us, before.now_us + US_PER_MINUTE)
    after = before.without(away).run(truth.steps[0].from_us + US_PER_MINUTE)
    assert_dead_minute(after, "okx:BTC-USDT-PERP", before.now_us)
    named = {scope: events(after, truth, scope) for scope in whose(truth)}
    ends = {
        scope: [event for event in found if (event.start_us, event.end_us) == truth.span_us]
        for scope, found in named.items()
    }
    assert ends.pop("okx:BTC-USDT-PERP") == []
    [every] = ends.pop("perp")
    assert every.state is EventState.CONFIRMED
    assert every.status is Status.PARTIAL
    assert (every.values["venues_agree"], every.values["venues_complete"]) == (3, 3)
    assert "okx:BTC-USDT-PERP" in every.venues_expected
    assert "okx:BTC-USDT-PERP" not in every.venues
    assert all(len(found) == 1 for found in ends.values())


def test_a_venue_that_dies_after_it_suspends_what_rests_on_it() -> None:
    truth = truths("divergence")[0]
    known_us = truth.steps[0].from_us
    before = middle("divergence").without().run(known_us + 20_000_000)
    away = Outage("okx", known_us + US_PER_MINUTE, known_us + 2 * US_PER_MINUTE)
    after = before.without(away).run(known_us + 3 * US_PER_MINUTE)
    for scope in ("okx:BTC-USDT-PERP", "perp"):
        *_, last = [
            event
            for event in events(after, truth, scope)
            if (event.start_us, event.end_us) == truth.span_us
        ]
        assert last.state is EventState.SUSPENDED
        assert last.status is Status.PARTIAL
        assert last.values["cvd_since_lots"] is None
        assert last.null_reasons["cvd_since_lots"] == "gap"
    others = events(after, truth, "binance:BTC-USDT-PERP")
    assert EventState.SUSPENDED not in {event.state for event in others}
