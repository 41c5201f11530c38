"""Look at a spool from outside: nothing is written, whoever uses it goes on."""

import fcntl
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from collectors.outbox.files import position_in
from collectors.outbox.segment import parse_name


@dataclass(frozen=True, slots=True)
class SpoolSeen:
    """What waits in a spool.

    `since_us` is when the oldest file of it was begun, by its name; None where nothing waits.
    `is_held` says whether a process collects into it.
    """

    waiting_bytes: int = 0
    since_us: int | None = None
    is_held: bool = False


def look(folder: Path) -> SpoolSeen:
    """Return what is to be seen of the spool in a folder, which may not be there.

    To learn who has it, the lock is asked for and given back at once.

    Raises:
        OSError: it cannot be read.
    """
    position = folder / "position"
    if not position.is_file():
        return SpoolSeen()
    with position.open("rb") as file:
        number, offset = position_in(file.read())
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            is_held = False
        except BlockingIOError:
            is_held = True
    waiting, since_us = 0, None
    for path in sorted(folder.iterdir()):
        segment = parse_name(path)
        if segment is None or segment.number < number:
            continue
        with suppress(FileNotFoundError):  # read through and removed meanwhile
            left = path.stat().st_size - (offset if segment.number == number else 0)
            if left > 0:
                waiting += left
                since_us = segment.first_us if since_us is None else since_us
    return SpoolSeen(waiting, since_us, is_held)
