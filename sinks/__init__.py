"""Bus to elsewhere: ClickHouse and the terminal."""
