"""Scenarios: what acts do to the market that they are played in, on all that its venues say."""

from collections import defaultdict

import pytest

from runtime.errors import ConfigurationError
from schemas.market import Side
from simulator.catalogue import OPENING_PRICES
from simulator.market import ScriptedMarket
from simulator.model import SimBookUpdate, SimEvent, SimLiquidation, SimTicker, SimTop, SimTrade
from simulator.scenarios.acts.cascade import LiquidationCascade
from simulator.scenarios.acts.wall import HitWall, SpoofedWall
from simulator.scenarios.catalogue import SCENARIOS, scenario
from simulator.scenarios.parts import Parts, Path, Push
from simulator.scenarios.scenario import Scenario
from simulator.scenarios.script import Script

START_US = 1_800_000_000_000_000
SECOND, MINUTE = 1_000_000, 60_000_000
PERPS = ("binance.usdm", "bybit.linear", "okx.swap", "hyperliquid.perp")
FEEDS = (*PERPS, "binance.spot")


def events_of(one: Scenario, seconds: int, *, slot_us: int = 100_000) -> list[SimEvent]:
    market = one.market(4, START_US, ("BTC",), feeds=FEEDS, slot_us=slot_us)
    return market.events(START_US + seconds * SECOND, 10**7)


def test_a_calm_scenario_is_the_seeded_market() -> None:
    calm = scenario("calm").market(4, START_US, ("BTC", "ETH"))
    plain = ScriptedMarket(4, ("BTC", "ETH"), START_US)
    until_us = START_US + 20 * SECOND
    assert calm.events(until_us, 10**6) == plain.events(until_us, 10**6)


def test_a_scenario_is_the_same_every_time() -> None:
    one = Scenario("one", "a wall", ((3, HitWall()),))
    assert events_of(one, 200, slot_us=SECOND) == events_of(one, 200, slot_us=SECOND)


def test_nothing_trades_beyond_a_wall_and_its_book_shows_it() -> None:
    act = HitWall()
    one = Scenario("one", "a wall", ((3, act),))
    [truth] = one.truths(START_US)
    at_us = START_US + 3 * MINUTE
    seen = [event for event in events_of(one, 220) if event.instrument.feed == act.feed]
    tick = float(seen[0].instrument.tick)
    wall_ticks = int(truth.prices["wall"][0] / tick)
    hit = [
        event
        for event in seen
        if isinstance(event, SimTrade)
        and at_us + 8 * SECOND < event.time_us < at_us + 22 * SECOND
        and event.side is Side.SELL
        and not event.block
    ]
    assert {event.price_ticks for event in hit} == {wall_ticks}
    usd = sum(event.qty_lots * float(event.instrument.lot) for event in hit) * wall_ticks * tick
    assert 0.98 * act.hits_usd < usd < 1.1 * act.hits_usd
    shown = [
        dict(event.bids)[wall_ticks]
        for event in seen
        if isinstance(event, SimBookUpdate) and wall_ticks in dict(event.bids)
    ]
    assert max(shown) * float(seen[0].instrument.lot) * wall_ticks * tick > 0.99 * act.shown_usd


def test_a_spoofed_wall_stands_and_is_gone_by_its_time() -> None:
    act = SpoofedWall()
    one = Scenario("one", "a wall", ((1, act),))
    [truth] = one.truths(START_US)
    seen = [
        event
        for event in events_of(one, 90)
        if isinstance(event, SimBookUpdate) and event.instrument.feed == act.feed
    ]
    wall_ticks = int(truth.prices["wall"][0] / float(seen[0].instrument.tick))
    changes = [
        (event.time_us, dict(event.bids)[wall_ticks])
        for event in seen
        if wall_ticks in dict(event.bids)
    ]
    lots = act.usd / truth.prices["wall"][0] / float(seen[0].instrument.lot)
    shown = [time_us for time_us, found in changes if found > 0.99 * lots]
    gone = [time_us for time_us, found in changes if found < 0.5 * lots]
    [stood, left] = (step.from_us for step in truth.steps)
    assert stood <= min(shown) <= stood + SECOND
    assert left <= min(time_us for time_us in gone if time_us > stood) <= left + SECOND


def test_a_cascade_is_on_every_surface() -> None:
    """Prints, liquidations on all perpetuals, books that follow and open interest that falls."""
    act = LiquidationCascade()
    one = Scenario("one", "a cascade", ((10, act),))
    [truth] = one.truths(START_US)
    at_us = START_US + 10 * MINUTE
    forced: dict[str, float] = defaultdict(float)
    interest: dict[str, list[int]] = defaultdict(list)
    lowest, best = OPENING_PRICES["BTC"], OPENING_PRICES["BTC"]
    for event in events_of(one, 780, slot_us=SECOND):
        item = event.instrument
        tick = float(item.tick)
        if isinstance(event, SimLiquidation) and event.time_us > at_us and event.long:
            coins = event.qty_lots * float(item.lot * item.contract)
            forced[item.feed] += coins * event.price_ticks * tick
        elif isinstance(event, SimTicker) and event.time_us >= at_us:
            interest[item.feed].append(event.open_interest_lots)
        elif isinstance(event, SimTrade) and item.feed == "binance.usdm" and not event.block:
            lowest = min(lowest, event.price_ticks * tick)
        elif isinstance(event, SimTop) and item.feed == "binance.usdm":
            best = min(best, event.bid[0] * tick)
    assert set(forced) == set(PERPS)
    assert sum(forced.values()) == pytest.approx(act.usd, rel=0.05)
    for told in interest.values():
        assert told[-1] < 0.985 * told[0]
    low, high = truth.prices["extreme"]
    assert low <= lowest <= high
    assert low <= best <= high


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_every_scenario_can_be_played_and_leaves_time_for_its_truth(name: str) -> None:
    one = scenario(name)
    one.market(1, START_US, ("BTC",))
    for truth in one.truths(START_US + 7):
        assert truth.span_us[0] >= START_US + MINUTE
        assert truth.steps[-1].until_us <= START_US + (one.minutes + 1) * MINUTE
        assert all(step.from_us <= step.until_us for step in truth.steps)


def test_acts_begin_on_whole_minutes_whenever_the_market_opens() -> None:
    [early] = scenario("cascade").truths(START_US - 59 * SECOND)
    [exact] = scenario("cascade").truths(START_US)
    assert early == exact


def test_what_cannot_be_played_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match="no scenario mayhem"):
        scenario("mayhem")
    with pytest.raises(ConfigurationError, match="want the price of BTC at once"):
        Scenario("two", "", ((10, LiquidationCascade()), (12, HitWall()))).market(1, START_US)
    with pytest.raises(ConfigurationError, match="follow one another"):
        Path(10, ((20, 1.0), (20, 2.0)))
    with pytest.raises(ConfigurationError, match="background"):
        Path(10, ((20, 1.0),), background=0.0)
    push = Push(0, SECOND, Side.BUY, 1e9, 100.0)
    with pytest.raises(ConfigurationError, match="more than 200000 orders"):
        Script([Parts("BTC", Path(0, ((1, 0.0),)), (push,))])
