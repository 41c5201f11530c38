"""Recorded data through our code, against an independent reading of the same file."""
