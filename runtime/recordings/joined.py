"""Files of one recording as one stream, from any moment to any other.

Where the stream begins in the middle, or goes on behind something that is missing (a deleted file,
a damaged one, a recorder that was killed), it says so itself: connections that are not there any
more are closed at the time of the last frame, those that were opened meanwhile are connected at the
time of the next one. So who reads never sees a frame of a connection that was not opened.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from runtime.errors import PayloadError
from runtime.recordings.connections import OpenConnections
from runtime.recordings.file_reader import read_file
from runtime.recordings.frames import RecordedFrame
from runtime.recordings.index import (
    FrameCount,
    IndexEntry,
    add_to_index,
    read_index,
    recording_files,
)
from runtime.recordings.perptape_format import Connects

Items = Iterable[RecordedFrame | Connects]


class JoinedFiles:
    """Reads files one after another.

    Args:
        from_us: leave out what was received before; None for nothing.
        until_us: end before the first frame of this time or later; None for none.
    """

    def __init__(self, from_us: int | None, until_us: int | None) -> None:
        self._from_us = from_us
        self._until_us = until_us
        self._told = OpenConnections()
        self._last_us = 0
        self._is_over = False

    def read_file(self, path: Path, format: str) -> Iterator[RecordedFrame]:
        """Yield the frames of a single file.

        Raises:
            PayloadError: it is cut or damaged; raised after all that was before was yielded.
        """
        return self._part(read_file(path, format))

    def read_folder(self, folder: Path) -> Iterator[RecordedFrame]:
        """Yield the frames of all files of a folder of ours, in the order of their names.

        Files that the index says to lie outside of the time that is wanted are not opened.

        Raises:
            PayloadError: a file is cut or damaged; raised, for the first such file, after
                everything that can be read was yielded.
        """
        index = read_index(folder)
        broken: PayloadError | None = None
        for path in recording_files(folder):
            entry = index.get(path.name)
            if entry is not None and not self._is_wanted(entry):
                continue
            items = read_file(path, "perptape")
            try:
                yield from self._part(items if entry is not None else _indexing(items, path))
            except PayloadError as error:
                broken = broken or error
            if self._is_over:
                break
        if broken is not None:
            raise broken

    def _is_wanted(self, entry: IndexEntry) -> bool:
        first_us, last_us = entry.first_receive_time_us, entry.last_receive_time_us
        if first_us is None or last_us is None:
            return False
        too_early = self._from_us is not None and last_us < self._from_us
        too_late = self._until_us is not None and first_us >= self._until_us
        return not (too_early or too_late)

    def _part(self, items: Items) -> Iterator[RecordedFrame]:
        """Yield the wanted frames of one file, led in by what leads there from the one before."""
        there = OpenConnections()
        is_led_in = False
        for item in items:
            if isinstance(item, tuple):
                there = OpenConnections(item)
                continue
            time_us = item.receive_time_us
            if self._until_us is not None and time_us >= self._until_us:
                self._is_over = True
                return
            if not is_led_in:
                if self._from_us is not None and time_us < self._from_us:
                    there.note(item)
                    continue
                is_led_in = True
                yield from self._told.lead_to(there, self._last_us, time_us)
                self._told = there
            self._last_us = time_us
            self._told.note(item)
            yield item


def _indexing(items: Items, path: Path) -> Iterator[RecordedFrame | Connects]:
    """Pass a file's items on, and give it a line in the index once all were seen."""
    size_bytes = path.stat().st_size
    count = FrameCount()
    broken: PayloadError | None = None
    try:
        for item in items:
            if not isinstance(item, tuple):
                count.add(item)
            yield item
    except PayloadError as error:
        broken = error
    add_to_index(path.parent, count.entry(path.name, size_bytes, closed=False))
    if broken is not None:
        raise broken
