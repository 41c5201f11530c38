"""Whose trades a file has: venue, kind, names, and how the venue's units become ours."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from collectors.dumps.formats import TARDIS_EXCHANGES
from collectors.dumps.layout import Layout
from collectors.dumps.names import Named
from collectors.grid import unscaled
from collectors.symbols import split_symbol
from runtime.errors import ConfigurationError
from schemas.instruments import Instrument, make_instrument
from schemas.market import Kind

Contracts = Mapping[tuple[str, str], Decimal]
"""Base coins in one contract, by venue and venue symbol."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the options say of the files; each where the files do not say it themselves.

    `stream` is the live stream whose trades the files have under the same ids.
    """

    format: str | None = None
    venue: str | None = None
    kind: Kind | None = None
    symbol: str | None = None
    stream: str | None = None
    contract_size: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Market:
    """One instrument without its grids, which the file shows only when it was read whole."""

    venue: str
    kind: Kind
    venue_symbol: str
    asset: str
    quote: str
    multiplier: Decimal
    unit: Decimal
    stream: str

    def instrument(self, price_places: int, qty_places: int) -> Instrument:
        """Return the instrument on the grids of that many decimal places."""
        return make_instrument(
            venue=self.venue,
            kind=self.kind,
            venue_symbol=self.venue_symbol,
            asset=self.asset,
            quote=self.quote,
            venue_tick=str(Decimal(1).scaleb(-price_places)),
            venue_lot=str(Decimal(1).scaleb(-qty_places)),
            unit=self.unit,
            multiplier=self.multiplier,
        )


def instrument_named(venue: str, kind: Kind, venue_symbol: str) -> Instrument:
    """Return an instrument by its names alone; its grids say nothing."""
    asset, quote = split_symbol(venue_symbol, "USDC")
    asset, multiplier = unscaled(asset)
    unit = Decimal(1)
    one = Market(venue, kind, venue_symbol, asset, quote, multiplier, unit, "")
    return one.instrument(0, 0)


def market_of(
    path: Path, layout: Layout, named: Named, asked: Asked, contracts: Contracts
) -> Market:
    """Say which market a file is of.

    Raises:
        ConfigurationError: it does not say, and no option does; or contracts of unknown size.
    """
    told_venue, told_kind = TARDIS_EXCHANGES.get(named.exchange, ("", None))
    venue = asked.venue or layout.format.venue or told_venue
    symbol = asked.symbol or named.symbol
    kind = asked.kind or layout.kind or told_kind or _kind_of(layout.format.name, symbol)
    for what, value in (("venue", venue), ("symbol", symbol), ("kind", kind)):
        if not value:
            raise ConfigurationError(f"{path}: the file does not say its {what}: pass --{what}")
    if kind is Kind.INVERSE_PERPETUAL or symbol.endswith(("-USD-SWAP", "USD_PERP")):
        raise ConfigurationError(f"{path}: inverse contracts are not loaded")
    asset, quote = split_symbol(symbol, "USDC")
    asset, multiplier = unscaled(asset)
    stream = asked.stream or layout.format.stream or f"{layout.format.name}:{{symbol}}"
    return Market(
        venue=venue,
        kind=kind or Kind.SPOT,
        venue_symbol=symbol,
        asset=asset,
        quote=quote,
        multiplier=multiplier,
        unit=_unit(path, layout, (venue, symbol, kind), asked, contracts),
        stream=stream.format(symbol=symbol, lower=symbol.lower()),
    )


def _kind_of(form: str, symbol: str) -> Kind | None:
    if form == "okx.trades":
        return Kind.LINEAR_PERPETUAL if symbol.endswith("-SWAP") else Kind.SPOT
    return {"bybit.trades": Kind.LINEAR_PERPETUAL, "bybit.spot": Kind.SPOT}.get(form)


def _unit(
    path: Path,
    layout: Layout,
    market: tuple[str, str, Kind | None],
    asked: Asked,
    contracts: Contracts,
) -> Decimal:
    """Return how many coins one unit of quantity is: a contract of OKX swaps, else one."""
    venue, symbol, kind = market
    if not layout.format.contracts or venue != "okx" or kind is Kind.SPOT:
        return Decimal(1)
    size = asked.contract_size or contracts.get((venue, symbol))
    if size is None or size <= 0:
        raise ConfigurationError(
            f"{path}: quantities are in contracts of unknown size: pass --contract-size "
            f"(coins in one contract of {symbol}), or let the store know its instruments"
        )
    return size
