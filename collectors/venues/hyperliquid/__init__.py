"""Hyperliquid: perpetuals of the first dex and spot."""

from collectors.venues.hyperliquid.feed import FEEDS, PERP, SPOT, HyperliquidFeed

__all__ = ["FEEDS", "PERP", "SPOT", "HyperliquidFeed"]
