"""How a venue's grids become ours."""

from decimal import Decimal

import pytest

from schemas.instruments import Instrument, make_instrument, symbol_of
from schemas.market import Kind


def made(venue_tick: str, venue_lot: str, *, unit: str = "1", multiplier: str = "1") -> Instrument:
    return make_instrument(
        venue="okx",
        kind=Kind.LINEAR_PERPETUAL,
        venue_symbol="BTC-USDT-SWAP",
        asset="BTC",
        quote="USDT",
        venue_tick=venue_tick,
        venue_lot=venue_lot,
        unit=Decimal(unit),
        multiplier=Decimal(multiplier),
    )


def test_a_venue_in_base_coins_keeps_its_grids() -> None:
    instrument = made("0.10", "0.001")
    assert (instrument.tick, instrument.lot) == ("0.1", "0.001")
    assert (instrument.venue_tick, instrument.venue_lot) == ("0.1", "0.001")


def test_a_contract_size_scales_the_lot_only() -> None:
    instrument = made("0.1", "1", unit="0.01")
    assert (instrument.tick, instrument.lot) == ("0.1", "0.01")
    assert (instrument.venue_tick, instrument.venue_lot) == ("0.1", "1")


def test_a_scaled_coin_scales_tick_and_lot_against_each_other() -> None:
    instrument = made("0.0000001", "1", multiplier="1000")
    assert (instrument.tick, instrument.lot) == ("0.0000000001", "1000")


@pytest.mark.parametrize(("unit", "multiplier"), [("1", "1"), ("0.01", "1"), ("10", "1000")])
def test_price_times_quantity_is_the_same_in_both_units(unit: str, multiplier: str) -> None:
    instrument = made("0.01", "5", unit=unit, multiplier=multiplier)
    ours = Decimal(instrument.tick) * Decimal(instrument.lot)
    assert ours == Decimal("0.01") * Decimal(5) * Decimal(unit)


def test_grids_are_written_without_exponent_or_trailing_zeros() -> None:
    instrument = made("1E-8", "1E+2")
    assert (instrument.tick, instrument.lot) == ("0.00000001", "100")


@pytest.mark.parametrize(
    ("kind", "symbol"),
    [
        (Kind.SPOT, "BTC-USDT"),
        (Kind.LINEAR_PERPETUAL, "BTC-USDT-PERP"),
        (Kind.INVERSE_PERPETUAL, "BTC-USDT-PERP"),
    ],
)
def test_a_symbol_names_asset_quote_and_whether_it_is_perpetual(kind: Kind, symbol: str) -> None:
    assert symbol_of("BTC", "USDT", kind) == symbol
    assert made("0.1", "1").symbol == "BTC-USDT-PERP"
