"""A calm market raises no cascade, and no more of the rest than is stated here.

The seeded market has no structure but its noise, so all that is found in it is a false alarm. Most
kinds are not rare by their definitions: absorption lets one window of twenty through on each of two
sides of each instrument (at most 864 a day of each), an unfinished auction or an exhaustion print
asks for little of a bar. `RATES` states what the operators raised an asset and day, measured over
its first ten and a half hours, on the instruments together and on each aggregate; a count may be a
quarter above it and four of its own deviations (it is near to Poisson), so that an operator which
becomes much laxer is seen. Books raise no events: the day has none.
"""

from collections import Counter
from math import sqrt

import pytest

from simulator.catalogue import LISTED_ASSETS
from simulator.scenarios.catalogue import scenario
from tests.scenarios.alarms import CASCADE, SUSPENDED_CASCADE, Alarms, add_alarms
from tests.scenarios.playing import FEEDS, SEED, Player, minute_us

RATES: dict[str, tuple[float, float, float]] = {
    "absorption:candidate": (3_200, 0, 0),
    "absorption:confirmed": (2_900, 0, 0),
    "bar_delta_mismatch:observed": (3_300, 620, 690),
    "delta_divergence:confirmed": (221, 44, 48),
    "exhaustion:bar:observed": (2_660, 1_060, 460),
    "exhaustion:flow:observed": (2_900, 0, 0),
    "exhaustion:sequence:observed": (13, 1.5, 1.5),
    "large_print:usd_100000:observed": (490, 0, 0),
    "large_print:usd_50000:observed": (18, 0, 0),
    "stacked_imbalance:untested": (330, 2, 58),
    "unfinished_auction:untested": (9_850, 1_970, 1_940),
}
"""Events an asset and day: of four perpetuals and one spot instrument, of all perpetuals, of all
spot."""

WHOSE = ("venue", "perp", "spot")
DAY_MINUTES = 24 * 60


def alarms_of(minutes: int) -> Alarms:
    """Play the calm day of six assets and count."""
    at_us = minute_us(0)
    market = scenario("calm").market(SEED, at_us, LISTED_ASSETS, feeds=FEEDS, slot_us=1_000_000)
    player, alarms = Player(market), Counter[tuple[str, str, str]]()
    add_alarms(alarms, player.drive(minute_us(minutes)))
    return alarms


def assert_calm(alarms: Alarms, minutes: int) -> None:
    """Hold that there is no cascade, and the rates of the rest over all assets."""
    kinds = {kind for _, _, kind in alarms}
    assert not {CASCADE, SUSPENDED_CASCADE} & kinds
    assert kinds <= set(RATES)
    days = len(LISTED_ASSETS) * minutes / DAY_MINUTES
    for kind, rates in RATES.items():
        for whose, rate in zip(WHOSE, rates, strict=True):
            found = sum(alarms[asset, whose, kind] for asset in LISTED_ASSETS)
            usual = rate * days
            assert found <= 1.25 * usual + 4 * sqrt(usual), (whose, kind, found, usual)


def test_ten_minutes_of_six_assets_raise_no_cascade_and_no_more_than_stated() -> None:
    alarms = alarms_of(10)
    assert {asset for asset, _, _ in alarms} == set(LISTED_ASSETS)
    assert_calm(alarms, 10)


@pytest.mark.long
def test_a_day_of_six_assets_raises_no_cascade_and_no_more_than_stated() -> None:
    assert_calm(alarms_of(DAY_MINUTES), DAY_MINUTES)
