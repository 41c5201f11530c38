"""What the doctor says: a state, what is seen, and what to do."""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from schemas.units import US_PER_SECOND

DAY_SECONDS = 86_400


class State(StrEnum):
    """How something stands; only `wrong` makes the exit code 1."""

    OK = "ok"
    WARN = "warn"
    WRONG = "wrong"


class Finding(msgspec.Struct, frozen=True):
    """One line of the doctor's: `do` is what to do, in one line; empty where all is well."""

    name: str
    state: State
    sees: str
    do: str = ""


def ok(name: str, sees: str) -> Finding:
    """Say that something is well."""
    return Finding(name, State.OK, sees)


def warn(name: str, sees: str, do: str) -> Finding:
    """Say that something deserves a look."""
    return Finding(name, State.WARN, sees, do)


def wrong(name: str, sees: str, do: str) -> Finding:
    """Say that something is wrong."""
    return Finding(name, State.WRONG, sees, do)


def well(findings: list[Finding]) -> bool:
    """Say whether nothing is wrong."""
    return all(finding.state is not State.WRONG for finding in findings)


def some(names: Sequence[str]) -> str:
    """Return the first three names, and how many more there are."""
    return f"{', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''}"


def duration(us: float) -> str:
    """Return a span in words: `3 s`, `4 min`, `2.5 h`, `3 days`."""
    seconds = abs(us) / US_PER_SECOND
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7_200:
        return f"{seconds / 60:.0f} min"
    if seconds < 2 * DAY_SECONDS:
        return f"{seconds / 3_600:.1f} h"
    return f"{seconds / DAY_SECONDS:.0f} days"


def ago(now_us: int, time_us: int) -> str:
    """Return how long ago a time is, in words; of one that is to come, in how long."""
    passed = duration(now_us - time_us)
    return f"{passed} ago" if time_us <= now_us else f"{passed} ahead"
