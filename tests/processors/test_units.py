"""The grids of an asset that settings do not name."""

from decimal import Decimal

import pytest

from processors.units import fallback_units


@pytest.mark.parametrize(
    ("price", "tick", "row_size"),
    [
        ("65000", "0.1", "5"),
        ("83.2", "0.001", "0.005"),
        ("83.2", "0.01", "0.01"),
        ("0.5", "0.0001", "0.0001"),
        ("0.9", "0.00004", "0.00008"),
        ("2600", "0.25", "0.25"),
        ("0.00001", "0.00000001", "0.00000001"),
    ],
)
def test_a_row_is_about_a_basis_point_and_whole_ticks(price: str, tick: str, row_size: str) -> None:
    units = fallback_units(Decimal(price), Decimal(tick), Decimal("0.001"))
    assert units.row_size == row_size
