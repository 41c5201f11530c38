"""Which files are read together, told from their names before anything is read.

Files with official names are read together where their spans overlap, or touch elsewhere than at
midnight UTC: a day of all venues, or the days of a venue that cuts at another hour. Files whose
names say nothing are one group.
"""

from collections.abc import Sequence
from pathlib import Path

from collectors.dumps.names import read_name
from schemas.units import US_PER_DAY


def groups_of(paths: Sequence[Path]) -> list[list[Path]]:
    """Return the groups, the earliest first and that of unnamed files last."""
    named, unnamed = [], []
    for path in paths:
        span = read_name(path).span
        if span is None:
            unnamed.append(path)
        else:
            named.append((span, path.name, path))
    groups: list[list[Path]] = []
    end_us = 0
    for span, _, path in sorted(named):
        touches = span[0] == end_us and span[0] % US_PER_DAY != 0
        if not groups or not (span[0] < end_us or touches):
            groups.append([])
        groups[-1].append(path)
        end_us = max(end_us, span[1])
    return [*groups, unnamed] if unnamed else groups
