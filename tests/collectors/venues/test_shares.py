"""What an address may do is divided between the feeds of a venue that run beside one another."""

import pytest

from collectors.registry import all_feeds

CALLS_A_SECOND = {"okx": 20 / 2, "bybit": 600 / 5, "hyperliquid": 1_200 / 60}
"""In units of weight; Binance counts for each of its feeds apart."""

CONNECTS_A_SECOND = {"okx": 3, "bybit": 500 / 300, "hyperliquid": 30 / 60}


@pytest.mark.parametrize("venue", CALLS_A_SECOND)
def test_all_feeds_together_stay_below_what_an_address_may(venue: str) -> None:
    limits = [one.limits for one in all_feeds().values() if one.venue == venue and one.default]
    assert len(limits) == 2
    assert sum(one.rest_weight / one.rest_seconds for one in limits) < CALLS_A_SECOND[venue]
    connects = sum(1 / one.connect_interval_seconds for one in limits)
    assert connects < CONNECTS_A_SECOND[venue]
