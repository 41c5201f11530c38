"""What a snapshot is made of."""

from typing import NamedTuple

from processors.plain import Plain


class State(NamedTuple):
    """A component's state: what changes (`head`), and finished pieces that never change again.

    `parts` holds only the pieces finished since the last snapshot; a part's name is unique for the
    life of the log and its content a function of the log, so that writing it twice is harmless.
    """

    head: Plain
    parts: dict[str, bytes]


def own_parts(parts: dict[str, bytes]) -> dict[str, dict[str, bytes]]:
    """Sort parts named `owner/rest` by their owner; the rest has no slash."""
    owned: dict[str, dict[str, bytes]] = {}
    for name, content in parts.items():
        owner, _, rest = name.rpartition("/")
        owned.setdefault(owner, {})[rest] = content
    return owned
