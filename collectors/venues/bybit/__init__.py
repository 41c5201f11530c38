"""Bybit v5: linear perpetuals and spot."""

from collectors.venues.bybit.feed import DEPTH, FEEDS, BybitFeed

__all__ = ["DEPTH", "FEEDS", "BybitFeed"]
