"""Cascades: every state at its time, the swept level, both ends, and what an outage does to it.

Tolerances are those of the truth: states of size come while orders are forced, PEAKED within the
rule's twenty seconds after the last of them has left ten seconds, the rest with the minutes that
decide it. Prices are those of the path, with what the reference's basis may be off it.
"""

import pytest

from schemas.cascades import Cascade, CascadeState, ConfidenceClass
from schemas.lineage import Status
from schemas.liquidations import LiquidatedSide
from schemas.setups import SetupKind, SetupRecord
from schemas.units import US_PER_MINUTE, US_PER_SECOND
from simulator.scenarios.truth import Truth
from tests.scenarios.finding import assert_price, whose
from tests.scenarios.outages import assert_dead_minute
from tests.scenarios.playing import Player, middle, minute_us, played, truths
from tests.scenarios.tape import Outage

SCENARIOS = ("cascade", "failed-cascade", "short-cascade")
SIDES = {"long": LiquidatedSide.LONG, "short": LiquidatedSide.SHORT}


def changes(player: Player, side: str) -> list[Cascade]:
    """Return the records of a side that change its state."""
    return [
        one
        for one in player.of(Cascade)
        if one.liquidated_side is SIDES[side] and one.previous_state is not None
    ]


def the_truth(name: str) -> Truth:
    [truth] = truths(name)
    return truth


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_cascade_goes_through_its_states_at_their_times(name: str) -> None:
    truth = the_truth(name)
    found = changes(played(name), truth.side)
    assert [one.state.value for one in found] == [step.state for step in truth.steps]
    for one, step in zip(found, truth.steps, strict=True):
        assert step.from_us <= one.time_us <= step.until_us, (one.state, one.time_us, step)
    assert len({one.id for one in found}) == 1


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_cascade_has_its_level_its_extreme_and_its_evidence(name: str) -> None:
    truth = the_truth(name)
    last = changes(played(name), truth.side)[-1]
    assert last.swept_level is not None
    assert last.swept_level.kind == "pivot"
    assert_price(last.swept_level.ticks, truth.prices["swept"], truth.asset)
    assert_price(last.extreme_ticks, truth.prices["extreme"], truth.asset)
    assert last.oi_confirmed is True
    assert last.interest_change is not None
    assert last.interest_change <= -0.005
    assert last.outcome is not None
    assert last.outcome.value == truth.steps[4].state
    assert last.confidence_class is ConfidenceClass.MULTI_VENUE
    assert last.completeness.status is Status.COMPLETE
    telling = [f"{one.venue}:{one.symbol}" for one in last.venues if one.obs_usd_cents]
    assert sorted(telling) == sorted(set(whose(truth)) - {"perp"})
    for one in last.venues:
        assert one.bounds_inconsistent or (one.ub_usd_cents or 0) >= one.obs_usd_cents


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_other_side_says_nothing(name: str) -> None:
    other = {"long": "short", "short": "long"}[the_truth(name).side]
    assert changes(played(name), other) == []


SETUPS = {"reclaimed": ["armed", "triggered", "confirmed"], "failed": ["armed", "expired"]}
"""What setup 3 goes through: a cascade that fails is over before anything was triggered."""


@pytest.mark.parametrize("name", SCENARIOS)
def test_sweep_and_reclaim_follows_its_cascade(name: str) -> None:
    """5.13, setup 3: for a swept low it is a long; bars of five minutes are too coarse for it."""
    truth = the_truth(name)
    cascade = changes(played(name), truth.side)[0]
    end = truth.steps[4]
    found = [
        one
        for one in played(name).of(SetupRecord)
        if one.setup is SetupKind.SWEEP_AND_RECLAIM and not one.provisional
    ]
    assert [one.state.value for one in found] == SETUPS[end.state]
    assert {one.side.value for one in found} == {truth.side}
    assert len({one.id for one in found}) == 1
    assert all(cascade.id in one.evidence for one in found)
    last = found[-1]
    assert end.from_us <= last.event_time_us <= end.until_us + US_PER_MINUTE
    assert last.status is Status.COMPLETE


WAIT_SECONDS = 40
"""A second without a venue is over when thirty have gone by, or when the venue is back."""


def with_outage(venue: str, seconds: int, run_seconds: int) -> tuple[Player, int]:
    """Let a venue die in the middle of the cascade; return the player and the time of it."""
    before = middle("cascade")
    away = Outage(venue, before.now_us, before.now_us + seconds * US_PER_SECOND)
    until_us = before.now_us + (run_seconds + WAIT_SECONDS) * US_PER_SECOND
    return before.without(away).run(until_us), before.now_us


def test_losing_the_only_venue_that_tells_all_suspends_and_resumes() -> None:
    """5.10: every `all`-class venue stale for more than five seconds; that is Bybit alone."""
    player, died_us = with_outage("bybit", 30, 60)
    found = [one for one in changes(player, "long") if one.time_us > died_us]
    assert [one.state for one in found[:2]] == [CascadeState.SUSPENDED, CascadeState.ACTIVE]
    suspended, resumed = found[:2]
    assert suspended.reason == "liquidation_feeds"
    assert 5 <= (suspended.time_us - died_us) / US_PER_SECOND <= 7
    assert resumed.reason == "resumed"
    assert 30 <= (resumed.time_us - died_us) / US_PER_SECOND <= 33
    assert resumed.id == suspended.id
    for one in (suspended, resumed):
        assert one.completeness.status is Status.PARTIAL
        assert one.completeness.venues_partial == ["bybit:BTC-USDT-PERP"]


def test_losing_the_reference_suspends_for_want_of_a_price() -> None:
    player, died_us = with_outage("binance", 90, 20)
    [suspended] = [one for one in changes(player, "long") if one.time_us > died_us]
    assert (suspended.state, suspended.reason) == (CascadeState.SUSPENDED, "price_feed")
    assert suspended.reference == "binance:BTC-USDT-PERP"
    assert (suspended.evidence.high_ticks, suspended.evidence.low_ticks) == (None, None)
    assert suspended.completeness.status is Status.PARTIAL


def test_losing_another_venue_leaves_the_states_and_is_said() -> None:
    """OKX tells not surely all: the others decide, and no bound is made up for it."""
    truth = the_truth("cascade")
    player, died_us = with_outage("okx", 150, 151)
    found = changes(player, "long")
    assert [one.state.value for one in found] == [step.state for step in truth.steps][: len(found)]
    assert CascadeState.RECLAIMED in {one.state for one in found}
    last = found[-1]
    assert last.completeness.status is Status.PARTIAL
    assert "okx:BTC-USDT-PERP" not in last.completeness.venues_complete
    [okx] = [one for one in last.venues if one.venue == "okx"]
    assert okx.ub_usd_cents is None
    assert last.null_reasons["ub_usd_cents.okx:BTC-USDT-PERP"] == "trades_incomplete"
    assert last.ub_usd_cents is None
    dead_us = minute_us(11)
    assert died_us < dead_us
    assert_dead_minute(player, "okx:BTC-USDT-PERP", dead_us)
