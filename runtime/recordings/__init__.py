"""Recorded venue frames: one record, read from any recorder's files, written in our own.

Three file formats are read, all of them streams of any length in constant memory:

- `perptape`: what `RecordingWriter` writes (`*.ptrec.zst`), described in `perptape_format`, and
  folders of such files with an index, described in `index`.
- `cryptofeed`: JSON lines in zstd, `t` = header, http, connect, send, recv; `ts` in seconds.
- `hftbacktest`: gzip lines `<receive time> <frame>`, in nanoseconds or microseconds, without
  addresses; the one REST order book snapshot in line is told by its `lastUpdateId`.
"""

from runtime.recordings.file_reader import FORMATS
from runtime.recordings.frames import FrameKind, RecordedFrame
from runtime.recordings.index import IndexEntry, read_index
from runtime.recordings.reader import guess_format, merge, read_recording
from runtime.recordings.writer import RecordingWriter

__all__ = [
    "FORMATS",
    "FrameKind",
    "IndexEntry",
    "RecordedFrame",
    "RecordingWriter",
    "guess_format",
    "merge",
    "read_index",
    "read_recording",
]
