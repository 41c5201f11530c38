"""Closed seconds: the join of all streams of an asset, on which the order-flow toolkit works."""
