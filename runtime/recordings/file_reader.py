"""One file of a recording line by line, whatever recorder wrote it."""

from collections.abc import Callable, Iterator
from pathlib import Path

from runtime.errors import ConfigurationError, PayloadError
from runtime.recordings.foreign_formats import CryptofeedLines, decode_hftbacktest
from runtime.recordings.frames import RecordedFrame
from runtime.recordings.lines import BrokenStreamError, gzip_lines, zstd_lines
from runtime.recordings.perptape_format import Connects, decode_line

FORMATS = ("perptape", "cryptofeed", "hftbacktest")
_SHOWN_BYTES = 60

LineDecoder = Callable[[bytes], RecordedFrame | Connects | None]


def read_file(path: Path, format: str) -> Iterator[RecordedFrame | Connects]:
    """Yield what is in a file: frames, and where it is one of ours what is open before them.

    Raises:
        PayloadError: the file is cut (`truncated_recording`) or a line cannot be read
            (`broken_recording`); raised after all that was before it was yielded.
        ConfigurationError: it cannot be opened, or not be read any further.
    """
    decode = _decoder(format)
    lines = gzip_lines(path) if format == "hftbacktest" else zstd_lines(path)
    number = 0
    while True:
        try:
            line = next(lines, None)
        except BrokenStreamError as error:
            raise PayloadError(error.reason, f"{path}, after line {number}: {error}") from error
        except OSError as error:
            raise ConfigurationError(f"cannot read recording {path}: {error}") from error
        if line is None:
            return
        number += 1
        item = _decode_line(decode, line, f"{path}, line {number}")
        if item is not None:
            yield item


def _decode_line(decode: LineDecoder, line: bytes, place: str) -> RecordedFrame | Connects | None:
    try:
        return decode(line)
    except (ValueError, RecursionError) as error:
        shown = line[:_SHOWN_BYTES].decode(errors="replace")
        detail = f"{place}: {error}; it begins {shown!r}"
        raise PayloadError("broken_recording", detail) from error


def _decoder(format: str) -> LineDecoder:
    if format == "perptape":
        return decode_line
    if format == "cryptofeed":
        return CryptofeedLines().decode
    return decode_hftbacktest
