"""What a disk has room for, and having it keep what was written."""

import os
import shutil
from pathlib import Path


def free_bytes(path: Path) -> int:
    """Return what is free where a folder is, or will be."""
    places = (path.absolute(), *path.absolute().parents)
    return shutil.disk_usage(next(place for place in places if place.exists())).free


def sync(path: Path) -> None:
    """Have a file, or the names in a folder, on disk.

    Without the names a power cut may take a new file with all that is in it.

    Raises:
        OSError: the disk does not take it.
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
