"""Binance: USD-M perpetuals and spot."""

from collectors.venues.binance.feed import FEEDS, SPOT, USDM, USDM_FILLS, BinanceFeed

__all__ = ["FEEDS", "SPOT", "USDM", "USDM_FILLS", "BinanceFeed"]
