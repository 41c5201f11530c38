"""Who works in a group of the embedded log: a shared lock on a file each, gone with its process.

Nobody assigns partitions here. The locks only keep a group from being set back while somebody in it
works, who would commit over it.
"""

import fcntl
import os
import weakref
from pathlib import Path
from urllib.parse import quote

from runtime.errors import ConfigurationError


class Membership:
    """A lock that is held until `leave`, or until nobody has this object any more.

    Args:
        directory: of the log.
        group: any text.
        alone: without any other member.

    Raises:
        ConfigurationError: others have the group.
    """

    def __init__(self, directory: Path, group: str, *, alone: bool = False) -> None:
        path = directory / f"{quote(group, safe='')}.members"
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self.leave = weakref.finalize(self, os.close, handle)
        try:
            fcntl.flock(handle, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.leave()
            raise ConfigurationError(
                f"somebody works in the group {group} of the log in {directory}: stop that first"
                if alone
                else f"the group {group} of the log in {directory} is being set back: start again"
            ) from error
