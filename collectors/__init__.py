"""Venue to bus: one pure file per venue, one engine that connects and keeps connected."""
