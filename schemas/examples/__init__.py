"""Records as they are on the wire, one file for each record type.

Made by hand; bars and steps are what the operators make of trades made by hand.

Between them they show every field with a value and, where it may be so, without one. They are part
of the published contract (`schemas.documents`) and stay readable: what a release could read, the
next one can.
"""

import json
from importlib import resources
from typing import Any


def load(schema_name: str) -> dict[str, dict[str, Any]]:
    """Return the examples of a record type by what each one shows."""
    file = resources.files(__name__) / f"{schema_name}.json"
    examples: dict[str, dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    return examples
