"""The instruments of the scripted market, with the venues' grids.

Sources: the venue sheets; Bybit's instruments-info recorded on 2026-08-09; OKX as measured on
2026-08-11. Hyperliquid's price grid depends on the price (five significant figures); here it is
the one at the market's opening prices.
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
)
SAME_SURFACE = {"binance.usdm-fills": "binance.usdm"}
"""Feeds that are another view of a venue's surface."""

ASSETS = ("BTC", "ETH", "SOL")
OPENING_PRICES = {"BTC": 97_000.0, "ETH": 3_120.0, "SOL": 171.0}

# price_decimals, tick_units, qty_decimals, lot_units, contract
_GRIDS: dict[str, dict[str, tuple[int, int, int, int, str]]] = {
    "binance.usdm": {
        "BTC": (2, 10, 3, 1, "1"),
        "ETH": (2, 1, 3, 1, "1"),
        "SOL": (4, 100, 2, 1, "1"),
    },
    "binance.spot": {
        "BTC": (8, 10**6, 8, 1000, "1"),
        "ETH": (8, 10**6, 8, 10**4, "1"),
        "SOL": (8, 10**6, 8, 10**5, "1"),
    },
    "bybit.linear": {
        "BTC": (2, 10, 3, 1, "1"),
        "ETH": (2, 1, 2, 1, "1"),
        "SOL": (3, 10, 1, 1, "1"),
    },
    "bybit.spot": {
        "BTC": (1, 1, 6, 1, "1"),
        "ETH": (2, 1, 5, 1, "1"),
        "SOL": (2, 1, 4, 1, "1"),
    },
    "okx.swap": {
        "BTC": (1, 1, 2, 1, "0.01"),
        "ETH": (2, 1, 2, 1, "0.1"),
        "SOL": (2, 1, 2, 1, "1"),
    },
    "okx.spot": {
        "BTC": (1, 1, 8, 1, "1"),
        "ETH": (2, 1, 6, 1, "1"),
        "SOL": (2, 1, 6, 1, "1"),
    },
    "hyperliquid.perp": {
        "BTC": (1, 10, 5, 1, "1"),
        "ETH": (2, 10, 4, 1, "1"),
        "SOL": (4, 100, 2, 1, "1"),
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
}


def instrument(feed: str, asset: str) -> SimInstrument:
    """Return one instrument.

    Raises:
        ConfigurationError: the simulator has no such feed or asset.
    """
    if feed not in _GRIDS or asset not in _GRIDS[feed]:
        raise ConfigurationError(
            f"the simulator has no {asset} on {feed}; feeds: {', '.join(FEEDS)}; "
            f"assets: {', '.join(ASSETS)}"
        )
    price_decimals, tick_units, qty_decimals, lot_units, contract = _GRIDS[feed][asset]
    return SimInstrument(
        feed=feed,
        asset=asset,
        quote="USD" if feed.startswith("hyperliquid") else "USDT",
        symbol=_SYMBOLS[feed].format(asset),
        price_decimals=price_decimals,
        tick_units=tick_units,
        qty_decimals=qty_decimals,
        lot_units=lot_units,
        contract=Decimal(contract),
    )


def instruments(feed: str, assets: tuple[str, ...] = ASSETS) -> tuple[SimInstrument, ...]:
    """Return the instruments of a feed for these assets."""
    return tuple(instrument(feed, asset) for asset in assets)
