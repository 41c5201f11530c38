"""How Python's cycle collector and the C heap are set in the processes of the pipeline."""

import ctypes
import gc
import sys

THRESHOLDS = (50_000, 20, 50)
"""Many short-lived batches, hardly any cycles: the default of 700 objects looks for cycles all the
time, which cost the operators a tenth of their speed and more."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_TRIM_BYTES, _MMAP_BYTES = 256 * 1024, 128 * 1024


def relax_cycle_collection() -> None:
    """Look for reference cycles less often, and not at all among what is there at the start."""
    gc.set_threshold(*THRESHOLDS)
    gc.freeze()


def collect_cycles() -> None:
    """Look for reference cycles now; takes some tens of milliseconds."""
    gc.collect()


def return_freed_memory() -> bool:
    """Have glibc give large blocks back to the system when they are freed.

    By default it raises its thresholds with the sizes it sees, and keeps what was freed: a process
    that receives for days in buffers of 256 KiB grows although nothing leaks.

    Returns:
        Whether the C library took the settings; others than glibc have none.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _MMAP_BYTES) and mallopt(_TRIM_THRESHOLD, _TRIM_BYTES))
