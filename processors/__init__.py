"""Bus to bus: pure operators on the log's own time, an engine that runs them, thin hosts."""
