"""The common grids of the default assets are finer than every venue's."""

import pytest

from processors.units import DEFAULT_UNITS
from runtime.settings import load_settings
from schemas.units import plain, steps_in
from simulator.catalogue import LISTED_ASSETS, listings


def test_every_default_asset_has_a_common_grid_and_is_simulated() -> None:
    assert set(load_settings().assets) == set(DEFAULT_UNITS) == set(LISTED_ASSETS)


@pytest.mark.parametrize("asset", LISTED_ASSETS)
def test_every_venue_counts_in_whole_steps_of_the_common_grid(asset: str) -> None:
    units = DEFAULT_UNITS[asset]
    for one in listings(asset):
        assert steps_in(plain(one.tick), units.tick) >= 1, one.feed
        assert steps_in(plain(one.lot * one.contract), units.lot) >= 1, one.feed
