"""Official files of the venues: trades and klines from disk, as exact integers in columns."""
