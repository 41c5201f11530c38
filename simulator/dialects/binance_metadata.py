"""Binance's exchange information: what the market trades, and what a collector must leave out."""

from collections.abc import Sequence

from schemas.units import plain
from simulator.dialects.base import Json
from simulator.model import SimInstrument

_PERPETUAL_DELIVERY = 4_133_404_800_000


def futures(instruments: Sequence[SimInstrument]) -> Json:
    """Return the USD-M body: the perpetuals, one on gold and one dated future."""
    symbols = [_perpetual(item) for item in instruments]
    if instruments:
        first = instruments[0]
        gold = _perpetual(first) | {
            "symbol": "XAUUSDT",
            "pair": "XAUUSDT",
            "contractType": "TRADIFI_PERPETUAL",
            "baseAsset": "XAU",
            "underlyingType": "COMMODITY",
            "underlyingSubType": ["TradFi"],
        }
        dated = _perpetual(first) | {
            "symbol": f"{first.symbol}_261225",
            "contractType": "CURRENT_QUARTER",
            "deliveryDate": 1_798_185_600_000,
        }
        symbols += [gold, dated]
    return {
        "timezone": "UTC",
        "serverTime": 0,
        "futuresType": "U_MARGINED",
        "rateLimits": [_limit(2400)],
        "exchangeFilters": [],
        "assets": [],
        "symbols": symbols,
    }


def spot(instruments: Sequence[SimInstrument]) -> Json:
    """Return the spot body: the pairs, and one that does not trade."""
    symbols = [_pair(item) for item in instruments]
    if instruments:
        halted = _pair(instruments[0]) | {
            "symbol": "LUNAUSDT",
            "baseAsset": "LUNA",
            "status": "BREAK",
        }
        symbols.append(halted)
    return {
        "timezone": "UTC",
        "serverTime": 0,
        "rateLimits": [_limit(6000)],
        "exchangeFilters": [],
        "symbols": symbols,
    }


def _perpetual(item: SimInstrument) -> Json:
    return {
        "symbol": item.symbol,
        "pair": item.symbol,
        "contractType": "PERPETUAL",
        "status": "TRADING",
        "onboardDate": 1_569_398_400_000,
        "deliveryDate": _PERPETUAL_DELIVERY,
        "baseAsset": item.asset,
        "quoteAsset": item.quote,
        "marginAsset": item.quote,
        "pricePrecision": item.price_decimals,
        "quantityPrecision": item.qty_decimals,
        "underlyingType": "COIN",
        "underlyingSubType": ["PoW"],
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": item.price_text(1),
                "maxPrice": "4529764",
                "tickSize": item.price_text(1),
            },
            _lot_filter(item),
            {"filterType": "MIN_NOTIONAL", "notional": "5"},
        ],
    }


def _pair(item: SimInstrument) -> Json:
    return {
        "symbol": item.symbol,
        "status": "TRADING",
        "baseAsset": item.asset,
        "baseAssetPrecision": 8,
        "quoteAsset": item.quote,
        "quoteAssetPrecision": 8,
        "isSpotTradingAllowed": True,
        "permissions": [],
        "permissionSets": [["SPOT", "MARGIN"]],
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": item.price_text(1),
                "maxPrice": "1000000.00000000",
                "tickSize": item.price_text(1),
            },
            _lot_filter(item),
            {"filterType": "NOTIONAL", "minNotional": "5.00000000"},
        ],
    }


def _lot_filter(item: SimInstrument) -> dict[str, str]:
    return {
        "filterType": "LOT_SIZE",
        "minQty": item.qty_text(1),
        "maxQty": plain(item.lot * 10**6),
        "stepSize": item.qty_text(1),
    }


def _limit(weight: int) -> dict[str, object]:
    return {
        "rateLimitType": "REQUEST_WEIGHT",
        "interval": "MINUTE",
        "intervalNum": 1,
        "limit": weight,
    }
