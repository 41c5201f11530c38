"""Reads recordings as streams of frames, whatever recorder wrote them."""

import heapq
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import msgspec

from runtime.errors import ConfigurationError
from runtime.recordings.file_reader import FORMATS
from runtime.recordings.frames import RecordedFrame
from runtime.recordings.index import SUFFIX, recording_files
from runtime.recordings.joined import JoinedFiles
from runtime.recordings.lines import BrokenStreamError, zstd_lines
from runtime.recordings.perptape_format import FORMAT_NAME


class _Head(msgspec.Struct):
    t: str = ""
    format: int | str = ""


def read_recording(
    path: Path,
    format: str | None = None,
    *,
    from_us: int | None = None,
    until_us: int | None = None,
) -> Iterator[RecordedFrame]:
    """Yield the frames of a recording in the order of the file, or of a folder's files.

    A stream that begins in the middle of a recording begins with a `connect` of every connection
    that is open there (see `joined`).

    Args:
        path: the file, or a folder that `RecordingWriter` filled.
        format: one of `FORMATS`; guessed from the name where it is None.
        from_us: begin with the first frame that was received then or later.
        until_us: end before the first frame that was received then or later.

    Raises:
        ConfigurationError: there is nothing to read, or it is of no known format; raised at once.
        PayloadError: the file is cut (`truncated_recording`) or a line cannot be read
            (`broken_recording`); raised after all that can be read was yielded.
    """
    if not path.is_dir() and not path.is_file():
        raise ConfigurationError(f"recording {path} is not a file and not a folder")
    name = format or guess_format(path)
    if name not in FORMATS:
        raise ConfigurationError(f"unknown recording format {name!r}; one of {', '.join(FORMATS)}")
    files = JoinedFiles(from_us, until_us)
    if not path.is_dir():
        return files.read_file(path, name)
    if name != "perptape" or not recording_files(path):
        raise ConfigurationError(f"{path} is no folder of *{SUFFIX} files; name the files instead")
    return files.read_folder(path)


def guess_format(path: Path) -> str:
    """Tell a recording's format from its name, and `.jsonl.zst` from its first line.

    Folders are always of our own format.

    Raises:
        ConfigurationError: neither says; the message names what to pass.
    """
    name = path.name
    if path.is_dir() or name.endswith((SUFFIX, ".perptape.jsonl.zst")):
        return "perptape"
    if "cryptofeed" in name:
        return "cryptofeed"
    if name.endswith(".gz"):
        return "hftbacktest"
    if name.endswith(".jsonl.zst") and (found := _format_of_header(path)):
        return found
    raise ConfigurationError(
        f"cannot tell the recording format of {path}; pass one of {', '.join(FORMATS)}"
    )


def merge(recordings: Iterable[Iterable[RecordedFrame]]) -> Iterator[RecordedFrame]:
    """Merge recordings by receive time; on equal times the earlier argument goes first."""
    return heapq.merge(*recordings, key=_receive_time)


def _receive_time(frame: RecordedFrame) -> int:
    return frame.receive_time_us


def _format_of_header(path: Path) -> str | None:
    try:
        line = next(islice(zstd_lines(path), 1), b"")
        head = msgspec.json.decode(line, type=_Head)
    except (OSError, BrokenStreamError, msgspec.DecodeError):
        return None
    if head.t != "header":
        return None
    return "perptape" if head.format == FORMAT_NAME else "cryptofeed"
