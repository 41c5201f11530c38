"""Alerts to a receiver over HTTP, signed, in order, at least once."""
