"""The text of a file in blocks of whole lines: plain, gzip, zstd, or zip with one file in it.

Everything is streamed, and everything is checked to its end: a container that was cut off is an
error and never a shorter file. A plain file must end with a line break, as nothing else would show
that it was cut.
"""

import gzip
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import zstandard

from collectors.dumps.errors import DumpError
from runtime.errors import ConfigurationError

BLOCK_BYTES = 2**18
"""What becomes of a block in columns of text then still fits a processor's cache."""

MAX_LINE_BYTES = 2**16
CONTAINERS = (".zip", ".gz", ".zst")

_BROKEN = (EOFError, OSError, zipfile.BadZipFile, zlib.error, zstandard.ZstdError)


def base_name(path: Path) -> str:
    """Return a file's name without its endings, e.g. `BTCUSDT-aggTrades-2025-06-21`."""
    name = path.name
    for suffix in (*CONTAINERS, ".csv", ".parquet"):
        name = name.removesuffix(suffix)
    return name


def line_blocks(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield lines with the number of the first, about `BLOCK_BYTES` at a time.

    Raises:
        ConfigurationError: there is no such file.
        DumpError: it is cut off or broken.
    """
    if not path.is_file():
        raise ConfigurationError(f"{path}: there is no such file")
    number, rest = 1, b""
    pieces = _pieces(path)
    while piece := _next(pieces, path, number):
        whole, line_break, rest = (rest + piece).rpartition(b"\n")
        if line_break:
            lines = whole.decode("utf-8", "replace").replace("\r", "").split("\n")
            yield number, lines
            number += len(lines)
        if len(rest) > MAX_LINE_BYTES:
            raise DumpError(path, number, f"a line of more than {MAX_LINE_BYTES} bytes")
    if rest:
        if not path.name.endswith(CONTAINERS):
            raise DumpError(path, number, "the file ends inside a line: it was cut off")
        yield number, [rest.decode("utf-8", "replace")]


def _next(pieces: Iterator[bytes], path: Path, number: int) -> bytes:
    try:
        return next(pieces, b"")
    except _BROKEN as error:
        detail = f"the file is cut off or broken here or later: {error}"
        raise DumpError(path, number, detail) from error


def _pieces(path: Path) -> Iterator[bytes]:
    if path.name.endswith(".zip"):
        yield from _zipped(path)
    elif path.name.endswith(".gz"):
        with gzip.open(path, "rb") as file:
            while piece := file.read(BLOCK_BYTES):
                yield piece
    elif path.name.endswith(".zst"):
        yield from _zstd(path)
    else:
        with path.open("rb") as file:
            while piece := file.read(BLOCK_BYTES):
                yield piece


def _zipped(path: Path) -> Iterator[bytes]:
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        if len(names) != 1:
            raise DumpError(path, 0, f"expected one file in the zip, there are {len(names)}")
        with archive.open(names[0]) as file:
            while piece := file.read(BLOCK_BYTES):
                yield piece


def _zstd(path: Path) -> Iterator[bytes]:
    """Unpack frame by frame: the library's own reader takes a cut frame for a short one."""
    unpacker = zstandard.ZstdDecompressor().decompressobj()
    fed = False
    with path.open("rb") as file:
        while data := file.read(BLOCK_BYTES):
            while data:
                if unpacker.eof:
                    unpacker = zstandard.ZstdDecompressor().decompressobj()
                piece = unpacker.decompress(data)
                fed, data = True, unpacker.unused_data if unpacker.eof else b""
                if piece:
                    yield piece
    if fed and not unpacker.eof:
        raise EOFError("the last zstd frame does not end")
