"""Delta divergence: bars in a row over a constant composition, and pairs of pivots in them."""
