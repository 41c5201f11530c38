"""Bybit's instruments-info: what the market trades, and what a collector must leave out."""

from collections.abc import Sequence

from simulator.dialects.base import Json
from simulator.model import SimInstrument


def listed(instruments: Sequence[SimInstrument], *, spot: bool) -> list[Json]:
    """Return the list of a category: the instruments, and of other sorts one each."""
    describe = spot_pair if spot else linear_contract
    items = [describe(item) for item in instruments]
    if items and spot:
        stock = {"symbol": "TSLAXUSDT", "baseCoin": "TSLAX", "symbolType": "xstocks"}
        items.append(items[0] | stock)
    elif items:
        gold = {"symbol": "XAUUSDT", "baseCoin": "XAU", "symbolType": "commodity"}
        dated = {"symbol": "BTCUSDT-25DEC26", "contractType": "LinearFutures"}
        items += [items[0] | gold, items[0] | dated | {"deliveryTime": "1798185600000"}]
    return items


def linear_contract(item: SimInstrument) -> Json:
    """Describe a perpetual."""
    return {
        "symbol": item.symbol,
        "contractType": "LinearPerpetual",
        "status": "Trading",
        "baseCoin": item.asset,
        "quoteCoin": item.quote,
        "settleCoin": item.quote,
        "symbolType": "",
        "launchTime": "1584230400000",
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": str(item.price_decimals),
        "priceFilter": {"minPrice": item.price_text(1), "tickSize": item.price_text(1)},
        "lotSizeFilter": {"minOrderQty": item.qty_text(1), "qtyStep": item.qty_text(1)},
        "fundingInterval": 480,
        "isPreListing": False,
        "preListingInfo": None,
    }


def spot_pair(item: SimInstrument) -> Json:
    """Describe a pair."""
    return {
        "symbol": item.symbol,
        "baseCoin": item.asset,
        "quoteCoin": item.quote,
        "status": "Trading",
        "symbolType": "",
        "xstockMultiplier": "1",
        "lotSizeFilter": {"basePrecision": item.qty_text(1), "quotePrecision": "0.0000001"},
        "priceFilter": {"tickSize": item.price_text(1)},
    }
