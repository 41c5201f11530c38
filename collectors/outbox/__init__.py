"""From the collectors to the log, in order, over a disk while the log is away."""
