"""Load a stage when a command needs it, so that no command carries what it does not use.

The stages are siblings that must not import each other, and `runtime` imports none of them; what
one process composes of several is composed here, by name.
"""

import importlib
from typing import Any


def stage(name: str) -> Any:  # a module; its contents are known at run time
    """Return a module of a stage, e.g. `collectors.collector`."""
    return importlib.import_module(name)
