"""Named points at which a test kills the process, as `kill -9` would; nothing happens otherwise.

`PERPTAPE_FAILPOINT=after_outputs:3` kills at the third time that `after_outputs` is passed.
"""

import os
import signal

_NAME, _, _COUNT = os.environ.get("PERPTAPE_FAILPOINT", "").partition(":")
_left = {_NAME: int(_COUNT or 1)} if _NAME else {}


def failpoint(name: str) -> None:
    """Kill this process here if the environment asks for it."""
    if name in _left:
        _left[name] -= 1
        if _left[name] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
