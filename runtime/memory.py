"""How Python's cycle collector is set in the processes of the pipeline."""

import gc

THRESHOLDS = (50_000, 20, 50)
"""Many short-lived batches, hardly any cycles: the default of 700 objects looks for cycles all the
time, which cost the operators a tenth of their speed and more."""


def relax_cycle_collection() -> None:
    """Look for reference cycles less often, and not at all among what is there at the start."""
    gc.set_threshold(*THRESHOLDS)
    gc.freeze()
