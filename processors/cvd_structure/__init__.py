"""CVD by the minute: accounts of instruments, candles over several, their records."""
