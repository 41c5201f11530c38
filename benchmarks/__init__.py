"""What the figures come from: each module prints its table and returns it from `run`."""
