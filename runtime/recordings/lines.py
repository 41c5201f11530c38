"""The lines of a compressed file in constant memory, up to the point where it breaks."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

import zstandard

MAX_LINE_BYTES = 64 * 2**20
_CHUNK_BYTES = 64 * 2**10


class BrokenStreamError(Exception):
    """The compressed stream ends early or cannot be inflated.

    Args:
        reason: `truncated_recording` or `broken_recording`.
        detail: what was found.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def zstd_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a zstd file without their ends; empty ones are left out.

    Raises:
        BrokenStreamError: the file is cut or damaged, or a line is longer than 64 MiB.
        OSError: it cannot be read.
    """
    return _lines(_zstd_chunks(path))


def gzip_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a gzip file without their ends; empty ones are left out.

    Raises:
        BrokenStreamError: the file is cut or damaged, or a line is longer than 64 MiB.
        OSError: it cannot be read.
    """
    return _lines(_gzip_chunks(path))


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Cut chunks into lines; what follows the last line end is a line, too."""
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
            raise BrokenStreamError(
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
        raise BrokenStreamError(
            "truncated_recording", "the file ends inside its gzip stream"
        ) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise BrokenStreamError("broken_recording", str(error)) from error


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
        raise BrokenStreamError("broken_recording", str(error)) from error
    if started:
        raise BrokenStreamError("truncated_recording", "the file ends inside a zstd frame")
