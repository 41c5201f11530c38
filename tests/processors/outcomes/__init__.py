"""Outcomes: courses of price, random times, comparisons."""
