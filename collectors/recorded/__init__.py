"""Recordings through the same sessions as live frames."""
