"""Lanes: one dataset of one instrument on its way from messages to records."""
