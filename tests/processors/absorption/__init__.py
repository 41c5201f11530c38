"""Absorption piece by piece."""
