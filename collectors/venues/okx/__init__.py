"""OKX v5: linear swaps and spot."""

from collectors.venues.okx.feed import FEEDS, OkxFeed

__all__ = ["FEEDS", "OkxFeed"]
