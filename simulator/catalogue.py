"""The instruments of the scripted market, with the venues' grids.

Sources: the venue sheets; Bybit's instruments-info recorded on 2026-08-09; OKX as measured on
2026-08-11; the grids of XRP, BNB and DOGE at Binance, OKX and Hyperliquid are plausible, not
measured. Hyperliquid's price grid depends on the price (five significant figures); here it is
the one at the market's opening prices. Its spot market has no XRP, BNB or DOGE.
"""

from decimal import Decimal

from runtime.errors import ConfigurationError
from simulator.model import SimInstrument

FEEDS = (
    "binance.usdm",
    "binance.spot",
    "bybit.linear",
    "bybit.spot",
    "okx.swap",
    "okx.spot",
    "hyperliquid.perp",
    "hyperliquid.spot",
)
SAME_SURFACE = {"binance.usdm-fills": "binance.usdm"}
"""Feeds that are another view of a venue's surface."""

ASSETS = ("BTC", "ETH", "SOL")
"""The assets of a market that is not told which; every feed lists them."""
LISTED_ASSETS = (*ASSETS, "XRP", "BNB", "DOGE")
OPENING_PRICES = {
    "BTC": 97_000.0,
    "ETH": 3_120.0,
    "SOL": 171.0,
    "XRP": 2.2,
    "BNB": 880.0,
    "DOGE": 0.16,
}

# price_decimals, tick_units, qty_decimals, lot_units, contract
_GRIDS: dict[str, dict[str, tuple[int, int, int, int, str]]] = {
    "binance.usdm": {
        "BTC": (2, 10, 3, 1, "1"),
        "ETH": (2, 1, 3, 1, "1"),
        "SOL": (4, 100, 2, 1, "1"),
        "XRP": (4, 1, 1, 1, "1"),
        "BNB": (3, 10, 2, 1, "1"),
        "DOGE": (6, 10, 0, 1, "1"),
    },
    "binance.spot": {
        "BTC": (8, 10**6, 8, 1000, "1"),
        "ETH": (8, 10**6, 8, 10**4, "1"),
        "SOL": (8, 10**6, 8, 10**5, "1"),
        "XRP": (8, 10**4, 8, 10**7, "1"),
        "BNB": (8, 10**6, 8, 10**5, "1"),
        "DOGE": (8, 10**3, 8, 10**8, "1"),
    },
    "bybit.linear": {
        "BTC": (2, 10, 3, 1, "1"),
        "ETH": (2, 1, 2, 1, "1"),
        "SOL": (3, 10, 1, 1, "1"),
        "XRP": (4, 1, 1, 1, "1"),
        "BNB": (2, 10, 2, 1, "1"),
        "DOGE": (5, 1, 0, 1, "1"),
    },
    "bybit.spot": {
        "BTC": (1, 1, 6, 1, "1"),
        "ETH": (2, 1, 5, 1, "1"),
        "SOL": (2, 1, 4, 1, "1"),
        "XRP": (4, 1, 2, 1, "1"),
        "BNB": (1, 1, 4, 1, "1"),
        "DOGE": (5, 1, 1, 1, "1"),
    },
    "okx.swap": {
        "BTC": (1, 1, 2, 1, "0.01"),
        "ETH": (2, 1, 2, 1, "0.1"),
        "SOL": (2, 1, 2, 1, "1"),
        "XRP": (4, 1, 2, 1, "100"),
        "BNB": (1, 1, 0, 1, "0.01"),
        "DOGE": (5, 1, 2, 1, "1000"),
    },
    "okx.spot": {
        "BTC": (1, 1, 8, 1, "1"),
        "ETH": (2, 1, 6, 1, "1"),
        "SOL": (2, 1, 6, 1, "1"),
        "XRP": (4, 1, 6, 1, "1"),
        "BNB": (1, 1, 6, 1, "1"),
        "DOGE": (5, 1, 6, 1, "1"),
    },
    "hyperliquid.perp": {
        "BTC": (1, 10, 5, 1, "1"),
        "ETH": (2, 10, 4, 1, "1"),
        "SOL": (4, 100, 2, 1, "1"),
        "XRP": (6, 100, 0, 1, "1"),
        "BNB": (3, 10, 3, 1, "1"),
        "DOGE": (6, 10, 0, 1, "1"),
    },
    "hyperliquid.spot": {
        "BTC": (3, 1000, 5, 1, "1"),
        "ETH": (4, 1000, 4, 1, "1"),
        "SOL": (5, 1000, 3, 1, "1"),
    },
}
_SYMBOLS = {
    "binance.usdm": "{}USDT",
    "binance.spot": "{}USDT",
    "bybit.linear": "{}USDT",
    "bybit.spot": "{}USDT",
    "okx.swap": "{}-USDT-SWAP",
    "okx.spot": "{}-USDT",
    "hyperliquid.perp": "{}",
    "hyperliquid.spot": "@{}",
}
_SPOT_PAIRS = {"BTC": 142, "ETH": 151, "SOL": 156}
"""Hyperliquid's numbers of the pairs of the Unit tokens with USDC."""
_QUOTES = {"hyperliquid.perp": "USD", "hyperliquid.spot": "USDC"}
_USUAL_QUOTE = "USDT"


def instrument(feed: str, asset: str) -> SimInstrument:
    """Return one instrument.

    Raises:
        ConfigurationError: the simulator has no such feed or asset.
    """
    if feed not in _GRIDS or asset not in _GRIDS[feed]:
        raise ConfigurationError(
            f"the simulator has no {asset} on {feed}; feeds: {', '.join(FEEDS)}; "
            f"assets: {', '.join(_GRIDS.get(feed, LISTED_ASSETS))}"
        )
    price_decimals, tick_units, qty_decimals, lot_units, contract = _GRIDS[feed][asset]
    name = _SPOT_PAIRS[asset] if feed == "hyperliquid.spot" else asset
    return SimInstrument(
        feed=feed,
        asset=asset,
        quote=_QUOTES.get(feed, _USUAL_QUOTE),
        symbol=_SYMBOLS[feed].format(name),
        price_decimals=price_decimals,
        tick_units=tick_units,
        qty_decimals=qty_decimals,
        lot_units=lot_units,
        contract=Decimal(contract),
    )


def listings(asset: str) -> tuple[SimInstrument, ...]:
    """Return the instruments of an asset, one for each feed that lists it.

    Raises:
        ConfigurationError: none does.
    """
    if asset not in LISTED_ASSETS:
        raise ConfigurationError(
            f"the simulator has no {asset}; assets: {', '.join(LISTED_ASSETS)}"
        )
    return tuple(instrument(feed, asset) for feed in FEEDS if asset in _GRIDS[feed])


def instruments(feed: str, assets: tuple[str, ...] = ASSETS) -> tuple[SimInstrument, ...]:
    """Return the instruments of a feed for these assets, without those that it does not list.

    Raises:
        ConfigurationError: an asset that no feed lists.
    """
    return tuple(item for asset in assets for item in listings(asset) if item.feed == feed)
