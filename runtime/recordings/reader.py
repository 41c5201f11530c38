"""Reads recordings as streams of frames, whatever recorder wrote them."""

import gzip
import heapq
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

import msgspec
import zstandard

from runtime.errors import ConfigurationError, PayloadError
from runtime.recordings.foreign_formats import CryptofeedLines, decode_hftbacktest
from runtime.recordings.frames import RecordedFrame
from runtime.recordings.perptape_format import FORMAT_NAME, decode_row

FORMATS = ("perptape", "cryptofeed", "hftbacktest")
MAX_LINE_BYTES = 64 * 2**20
_CHUNK_BYTES = 64 * 2**10
_SHOWN_BYTES = 60

LineDecoder = Callable[[bytes], RecordedFrame | None]


class _BrokenStreamError(Exception):
    """The compressed stream ends early or cannot be inflated."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class _Head(msgspec.Struct):
    t: str = ""
    format: int | str = ""


def read_recording(path: Path, format: str | None = None) -> Iterator[RecordedFrame]:
    """Yield the frames of a recording in the order of the file.

    Args:
        path: the file.
        format: one of `FORMATS`; guessed from the name where it is None.

    Raises:
        ConfigurationError: the file is missing, or of no known format; raised at once.
        PayloadError: the file is cut (`truncated_recording`) or a line cannot be read
            (`broken_recording`); raised after all that was before it was yielded.
    """
    if not path.is_file():
        raise ConfigurationError(f"recording {path} is not a file")
    name = format or guess_format(path)
    if name not in FORMATS:
        raise ConfigurationError(f"unknown recording format {name!r}; one of {', '.join(FORMATS)}")
    return _read(path, name)


def guess_format(path: Path) -> str:
    """Tell a recording's format from its name, and `.jsonl.zst` from its first line.

    Raises:
        ConfigurationError: neither says; the message names what to pass.
    """
    name = path.name
    if name.endswith((".ptrec.zst", ".perptape.jsonl.zst")):
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
        line = next(islice(_lines(_zstd_chunks(path)), 1), b"")
        head = msgspec.json.decode(line, type=_Head)
    except (OSError, _BrokenStreamError, msgspec.DecodeError):
        return None
    if head.t != "header":
        return None
    return "perptape" if head.format == FORMAT_NAME else "cryptofeed"


def _read(path: Path, name: str) -> Iterator[RecordedFrame]:
    decode = _decoder(name)
    lines = _lines(_chunks(path, name))
    number = 0
    while True:
        try:
            line = next(lines, None)
        except _BrokenStreamError as error:
            raise PayloadError(error.reason, f"{path}, after line {number}: {error}") from error
        if line is None:
            return
        number += 1
        frame = _decode_line(decode, line, f"{path}, line {number}")
        if frame is not None:
            yield frame


def _decode_line(decode: LineDecoder, line: bytes, place: str) -> RecordedFrame | None:
    try:
        return decode(line)
    except (ValueError, RecursionError) as error:
        shown = line[:_SHOWN_BYTES].decode(errors="replace")
        detail = f"{place}: {error}; it begins {shown!r}"
        raise PayloadError("broken_recording", detail) from error


def _decoder(name: str) -> LineDecoder:
    if name == "perptape":
        return decode_row
    if name == "cryptofeed":
        return CryptofeedLines().decode
    return decode_hftbacktest


def _chunks(path: Path, name: str) -> Iterator[bytes]:
    return _gzip_chunks(path) if name == "hftbacktest" else _zstd_chunks(path)


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Cut chunks into lines without their end; empty lines are left out, a cut one is an error."""
    pending = b""
    for chunk in chunks:
        if b"\n" not in chunk:
            pending += chunk
        else:
            first, *whole, rest = chunk.split(b"\n")
            if line := pending + first:
                yield line
            yield from filter(None, whole)
            pending = rest
        if len(pending) > MAX_LINE_BYTES:
            raise _BrokenStreamError(
                "broken_recording", f"a line of more than {MAX_LINE_BYTES} bytes"
            )
    if pending:
        yield pending


def _gzip_chunks(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path, "rb") as file:
            while chunk := file.read1(_CHUNK_BYTES):
                yield chunk
    except EOFError as error:
        raise _BrokenStreamError(
            "truncated_recording", "the file ends inside its gzip stream"
        ) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise _BrokenStreamError("broken_recording", str(error)) from error


def _zstd_chunks(path: Path) -> Iterator[bytes]:
    """Inflate frame after frame, telling a cut file from a whole one.

    `ZstdDecompressor.stream_reader` ends silently at a cut, so frames are inflated one by one in
    small pieces, which also bounds what one piece can swell to.
    """
    decompressor = zstandard.ZstdDecompressor()
    inflater = decompressor.decompressobj()
    started = False
    try:
        with path.open("rb") as file:
            while compressed := file.read(_CHUNK_BYTES // 8):
                while compressed:
                    started = True
                    if chunk := inflater.decompress(compressed):
                        yield chunk
                    compressed = b""
                    if inflater.eof:
                        compressed = inflater.unused_data
                        inflater, started = decompressor.decompressobj(), False
    except zstandard.ZstdError as error:
        raise _BrokenStreamError("broken_recording", str(error)) from error
    if started:
        raise _BrokenStreamError("truncated_recording", "the file ends inside a zstd frame")
