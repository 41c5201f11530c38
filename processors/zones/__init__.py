"""Zones and levels that are held until trades or bars end them."""
