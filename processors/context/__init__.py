"""The pieces of the context operator: last good tickers, points in time, ranges and imbalances."""
