"""Absorption of one instrument: its last seconds, what they measure, and events that are open."""
