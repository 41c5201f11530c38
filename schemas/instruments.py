"""The instrument record (`md.ref.instruments.v1`, compacted): how a venue's numbers become ours."""

from decimal import Decimal

import msgspec

from schemas.market import Kind
from schemas.units import plain

INSTRUMENT_SCHEMA = "instrument.v1"


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """One tradable of one venue.

    `venue_tick` and `venue_lot` are the grids in the venue's own units; `tick` (quote per base
    coin) and `lot` (base coin) are the same grids in ours. A contract of 0.01 BTC with lot 1 has
    `venue_lot` 1 and `lot` 0.01; `1000PEPEUSDT` at tick 0.0000001 has `tick` 0.0000000001.
    """

    schema: str = INSTRUMENT_SCHEMA
    venue: str
    kind: Kind
    symbol: str
    venue_symbol: str
    asset: str
    quote: str
    venue_tick: str
    venue_lot: str
    tick: str
    lot: str
    status: str = "trading"


def symbol_of(asset: str, quote: str, kind: Kind) -> str:
    """Name an instrument: `BTC-USDT` for spot, `BTC-USDT-PERP` for a perpetual."""
    return f"{asset}-{quote}" if kind is Kind.SPOT else f"{asset}-{quote}-PERP"


def make_instrument(
    *,
    venue: str,
    kind: Kind,
    venue_symbol: str,
    asset: str,
    quote: str,
    venue_tick: str,
    venue_lot: str,
    unit: Decimal = Decimal(1),
    multiplier: Decimal = Decimal(1),
    status: str = "trading",
) -> Instrument:
    """Build an instrument from what a venue publishes.

    Args:
        venue: our name of the venue.
        kind: what is traded.
        venue_symbol: the venue's own name of it.
        asset: base coin, without a scaling prefix.
        quote: quote coin.
        venue_tick: price step in the venue's units.
        venue_lot: quantity step in the venue's units.
        unit: base coins (or scaled coins) in one venue quantity unit, e.g. contract size.
        multiplier: coins in one scaled coin, e.g. 1000 for `1000PEPE`.
        status: `trading`, or the venue's word for anything else.
    """
    return Instrument(
        venue=venue,
        kind=kind,
        symbol=symbol_of(asset, quote, kind),
        venue_symbol=venue_symbol,
        asset=asset,
        quote=quote,
        venue_tick=plain(Decimal(venue_tick)),
        venue_lot=plain(Decimal(venue_lot)),
        tick=plain(Decimal(venue_tick) / multiplier),
        lot=plain(Decimal(venue_lot) * unit * multiplier),
        status=status,
    )
