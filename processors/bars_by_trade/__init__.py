"""Bars that trades close, not time: by count, volume, notional, range and delta."""
