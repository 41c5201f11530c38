"""Walls: absorbed ones are found with price, side and states, pulled ones are not taken for them.

Tolerances: a candidate is known with a second of the hits, which last 14 s; its price is that of
the wall, to the tick of its venue (the bid's price is the tick below).
"""

import pytest

from processors.units import DEFAULT_UNITS
from schemas.events import EventKind, EventSide, EventState, FlowEvent
from schemas.imbalance import ImbalanceStep, InstrumentImbalance, ScopeImbalance
from schemas.lineage import Status
from schemas.market import Scope
from schemas.units import US_PER_SECOND, steps_in
from simulator.model import SimTrade
from simulator.scenarios.acts.wall import SpoofedWall
from simulator.scenarios.catalogue import scenario
from simulator.scenarios.truth import Truth
from tests.scenarios.finding import (
    assert_nothing_else,
    assert_price,
    assert_steps,
    events,
    name,
    perpetuals,
    whose,
)
from tests.scenarios.playing import (
    FEEDS,
    MOST_EVENTS,
    SEED,
    START_US,
    Player,
    middle,
    played,
    truths,
)
from tests.scenarios.tape import Outage, name_of

VENUE_TICK = steps_in("0.1", DEFAULT_UNITS["BTC"].tick)


def walls() -> Player:
    return played("walls")


@pytest.mark.parametrize("number", range(3), ids=["bid", "ask", "broken"])
def test_a_wall_that_is_hit_is_absorption_at_its_price(number: int) -> None:
    truth = truths("walls")[number]
    [scope] = whose(truth)
    found = events(walls(), truth, scope)
    assert_steps(found, truth.steps)
    for event in found:
        edge = event.low_ticks if truth.side == "sell" else (event.high_ticks or 0) - 1
        assert_price(edge, truth.prices["wall"], "BTC", VENUE_TICK)
    candidate = found[0]
    assert candidate.values["venues_absorbing"] == 1
    assert candidate.values["venues_expected"] == 4
    assert candidate.venues == [scope]
    assert candidate.values["book_level"] == 1
    refill = candidate.values["refill"]
    assert refill is not None
    assert refill >= 2
    assert candidate.status is Status.COMPLETE


@pytest.mark.parametrize("number", range(3), ids=["bid", "ask", "broken"])
def test_no_other_perpetual_and_not_the_other_side(number: int) -> None:
    assert_nothing_else(walls(), truths("walls")[number])


def test_a_venue_that_dies_while_its_wall_is_hit_leaves_a_suspended_event() -> None:
    truth = truths("walls")[0]
    [scope] = whose(truth)
    before = middle("walls")
    [candidate] = events(before, truth, scope)
    assert candidate.state is EventState.CANDIDATE
    away = Outage("binance", before.now_us, before.now_us + 60 * US_PER_SECOND)
    after = before.without(away).run(away.until_us + 20 * US_PER_SECOND)
    [_, suspended] = events(after, truth, scope)
    assert (suspended.id, suspended.state) == (candidate.id, EventState.SUSPENDED)
    assert suspended.status is Status.PARTIAL
    assert suspended.values["rate_now_usd_cents"] is None
    assert suspended.values["delta_lots"] is None
    assert suspended.null_reasons["delta_lots"] == "gap"


# --- pulled


def spoofs() -> Player:
    return played("spoofs")


def prints_at(truth: Truth) -> list[SimTrade]:
    """Return the market's own prints on the wall's venue at its price or beyond, while it stood."""
    one = scenario("spoofs")
    market = one.market(SEED, START_US, ("BTC",), feeds=FEEDS, slot_us=100_000)
    [feed], (price, _) = truth.feeds, truth.prices["wall"]
    sign = 1 if truth.side == "buy" else -1
    return [
        event
        for event in market.events(truth.span_us[1], MOST_EVENTS)
        if isinstance(event, SimTrade)
        and event.feed == feed
        and event.time_us >= truth.span_us[0]
        and not event.block
        and (event.price_ticks * float(event.instrument.tick) - price) * sign <= 0
    ]


def books(player: Player, venue: str, first_us: int, last_us: int) -> list[InstrumentImbalance]:
    return [
        one
        for step in player.of(ImbalanceStep)
        if first_us <= step.step_start_us < last_us
        for one in step.instruments
        if one.venue == venue and one.symbol.endswith("PERP")
    ]


def perps(player: Player, first_us: int, last_us: int) -> list[ScopeImbalance]:
    return [
        one
        for step in player.of(ImbalanceStep)
        if first_us <= step.step_start_us < last_us
        for one in step.scopes
        if one.scope is Scope.PERP
    ]


@pytest.mark.parametrize("number", range(2), ids=["bid", "ask"])
def test_a_spoofed_wall_leans_on_the_book_and_not_on_what_has_rested(number: int) -> None:
    """It leans the weighted imbalance at once, and no size of it has rested for 30 s."""
    truth = truths("spoofs")[number]
    venue, sign = truth.feeds[0].split(".")[0], 1 if truth.side == "buy" else -1
    shown_us, gone_us = truth.span_us
    standing = books(spoofs(), venue, shown_us + 2 * US_PER_SECOND, gone_us - US_PER_SECOND)
    assert len(standing) >= 9
    for one in standing:
        assert (one.weighted_obi or 0) * sign > 0.5
        [longest] = [row for row in one.persistent if row.window_seconds == 30]
        fleeting = longest.bid_fleeting if sign > 0 else longest.ask_fleeting
        assert longest.obi is not None
        assert longest.obi * sign < 0.5
        assert (fleeting or 0) > 0.9


@pytest.mark.parametrize("number", range(2), ids=["bid", "ask"])
def test_a_spoofed_wall_is_seen_to_be_pulled_when_it_is(number: int) -> None:
    """What is removed jumps by the wall within the second after it, none of it traded."""
    truth = truths("spoofs")[number]
    assert prints_at(truth) == []
    gone_us = truth.steps[-1].from_us
    pulls = [
        one.bid_pull if truth.side == "buy" else one.ask_pull
        for one in books(
            spoofs(),
            truth.feeds[0].split(".")[0],
            gone_us - 2 * US_PER_SECOND,
            gone_us + 2 * US_PER_SECOND,
        )
    ]
    removed = [pull.removed_lots for pull in pulls if pull is not None]
    traded = [pull.traded_lots for pull in pulls if pull is not None]
    wall_lots = SpoofedWall().usd / truth.prices["wall"][0] * 10**8
    assert len(removed) == 4
    assert removed[1] - removed[0] < 0.2 * wall_lots
    assert removed[3] - removed[1] > 0.9 * wall_lots
    assert traded[3] - traded[1] < 0.01 * wall_lots


def band(one: InstrumentImbalance) -> float:
    """Return the imbalance within ten basis points, which hold the wall."""
    [obi] = [row.obi for row in one.bands if row.half_width_bp == 10]
    assert obi is not None
    return obi


@pytest.mark.parametrize("number", range(2), ids=["bid", "ask"])
def test_one_spoofed_venue_is_the_extreme_and_the_median_stays_among_the_others(
    number: int,
) -> None:
    """5.6: of four venues the median is most robust against one; the sum goes with it."""
    truth = truths("spoofs")[number]
    venue, sign = truth.feeds[0].split(".")[0], 1 if truth.side == "buy" else -1
    shown_us, gone_us = truth.span_us
    for step in spoofs().of(ImbalanceStep):
        if not shown_us + 2 * US_PER_SECOND <= step.step_start_us < gone_us - US_PER_SECOND:
            continue
        obi = {one.venue: band(one) for one in step.instruments if one.scope is Scope.PERP}
        leaning = obi.pop(venue)
        assert leaning * sign > max(value * sign for value in obi.values())
        [every] = [one.all[0] for one in step.scopes if one.scope is Scope.PERP]
        assert every.median is not None
        assert every.sum_depth is not None
        assert min(obi.values()) <= every.median <= max(obi.values())
        assert every.sum_depth * sign > every.median * sign


def test_a_pulled_wall_is_no_absorption() -> None:
    kinds = {(event.kind, event.side) for event in spoofs().of(FlowEvent)}
    assert not {(EventKind.ABSORPTION, side) for side in EventSide} & kinds


def test_a_venue_that_dies_with_its_wall_standing_has_no_book_and_pulls_nothing() -> None:
    truth = truths("spoofs")[0]
    _, gone_us = truth.span_us
    before = middle("spoofs")
    away = Outage("bybit", before.now_us, gone_us + 60 * US_PER_SECOND)
    after = before.without(away).run(gone_us + 50 * US_PER_SECOND)
    first_us, last_us = before.now_us + US_PER_SECOND, gone_us + 2 * US_PER_SECOND
    dead = books(after, "bybit", first_us, last_us)
    assert dead
    for one in dead:
        assert one.status is Status.GAP
        assert (one.best_bid_ticks, one.bid_pull, one.weighted_obi) == (None, None, None)
        assert one.null_reasons["book"] == "feed_down"
    for scope in perps(after, first_us, last_us):
        assert scope.completeness.status is Status.PARTIAL
        assert "bybit:BTC-USDT-PERP" not in scope.completeness.venues_complete
        for band in (*scope.all, *scope.common):
            assert "bybit:BTC-USDT-PERP" not in band.venues
            assert len(band.venues) == 3


def test_truths_name_the_perpetuals_as_records_do() -> None:
    seen = {name(event) for event in walls().of(FlowEvent)}
    assert set(perpetuals("BTC")) <= seen
    assert name_of("binance.spot", "BTC") in seen
