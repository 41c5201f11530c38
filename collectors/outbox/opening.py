"""Find what an earlier process left in the folder of a spool, and cut off what is not whole."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from collectors.outbox.losses import Losses
from collectors.outbox.segment import Segment, parse_name, scan
from schemas.units import US_PER_SECOND

DAMAGE = "the spool was damaged"

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Found:
    """The segments that hold something, where reading goes on in the first, the next number."""

    segments: list[Segment] = field(default_factory=list)
    offset: int = 0
    next_number: int = 1


def find_segments(folder: Path, number: int, offset: int, losses: Losses) -> Found:
    """Read every segment from a position on.

    An unfinished last entry, as a kill leaves it, is cut off: nobody was told that it is there.
    From a damaged entry on a segment is cut off too, and counted in `losses`.

    Raises:
        OSError: the disk does not let them be read or cut.
    """
    named = [segment for path in folder.iterdir() if (segment := parse_name(path)) is not None]
    named.sort(key=lambda segment: segment.number)
    found = Found(next_number=max([number, *(segment.number for segment in named)]) + 1)
    for place, segment in enumerate(named):
        until_us = named[place + 1].first_us if place + 1 < len(named) else None
        ends = _whole_entries(segment, until_us, losses) if segment.number >= number else []
        delivered = ends.index(offset) + 1 if segment.number == number and offset in ends else 0
        segment.records = len(ends) - delivered
        if not segment.records:
            segment.path.unlink()
            continue
        segment.size_bytes = ends[-1]
        found.offset = offset if delivered else found.offset
        found.segments.append(segment)
    return found


def latest_us(segment: Segment) -> int:
    """Return a time at which nothing more was put into a segment whose records cannot be read."""
    try:
        changed_us = int(segment.path.stat().st_mtime * US_PER_SECOND)
    except OSError:
        changed_us = 0
    return max(segment.first_us, changed_us)


def _whole_entries(segment: Segment, until_us: int | None, losses: Losses) -> list[int]:
    """Return where the whole entries of a file end, and cut off the rest."""
    data = segment.path.read_bytes()
    held = scan(data)
    size = held.ends[-1] if held.ends else 0
    if size == len(data):
        return held.ends
    if held.unread:
        until_us = latest_us(segment) if until_us is None else until_us
        losses.add_unreadable(held.unread, segment.first_us, until_us, DAMAGE)
    _log.warning(
        "spool_cut_off",
        path=str(segment.path),
        at_bytes=size,
        cut_bytes=len(data) - size,
        lost_records=held.unread,
    )
    os.truncate(segment.path, size)
    return held.ends
