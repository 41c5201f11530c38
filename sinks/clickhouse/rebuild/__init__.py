"""Rebuilding a day of bars: what was worked off anew beside the tables, and its way into them."""
