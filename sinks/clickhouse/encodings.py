"""How bodies are packed on the ClickHouse HTTP interface. Pure.

As on a server, an answer is packed where the request asks for it twice, by `Accept-Encoding` and by
`enable_http_compression=1`: on loopback it takes longer than it saves. What a request is packed in
is undone by the HTTP library, but for lz4, which is none of HTTP's own.
"""

import gzip
import zlib
from collections.abc import Callable, Mapping

import lz4.frame
import zstandard

from sinks.clickhouse.client import QueryError

UNPACKED_BEFORE = frozenset({"", "identity", "gzip", "deflate", "zstd"})
"""Encodings of a request that are undone when it comes to us."""

_PACKERS: Mapping[str, Callable[[bytes], bytes]] = {
    "zstd": lambda body: zstandard.ZstdCompressor(level=1).compress(body),
    "lz4": lz4.frame.compress,
    "gzip": lambda body: gzip.compress(body, compresslevel=1, mtime=0),
    "deflate": lambda body: zlib.compress(body, 1),
}
"""In the order in which they are chosen, which is a server's."""


def chosen_encoding(query: Mapping[str, str], headers: Mapping[str, str]) -> str:
    """Return what an answer is to be packed in; empty for nothing."""
    if query.get("enable_http_compression") != "1":
        return ""
    wanted = {
        name.strip().lower()
        for name, _, weight in (
            one.partition(";") for one in headers.get("Accept-Encoding", "").split(",")
        )
        if weight.replace(" ", "") not in ("q=0", "q=0.0")
    }
    return next((name for name in _PACKERS if name in wanted), "")


def packed(body: bytes, encoding: str) -> bytes:
    """Pack an answer; nothing to pack and no encoding leave it as it is."""
    return _PACKERS[encoding](body) if body and encoding else body


def unpacked(body: bytes, encoding: str, limit_bytes: int) -> bytes:
    """Undo what a request is packed in and nobody has undone yet.

    Raises:
        QueryError: the encoding is unknown, the data is damaged, or too much comes out of it.
    """
    if encoding in UNPACKED_BEFORE:
        return body
    if encoding != "lz4":
        raise QueryError(f"the content encoding {encoding} is not available here")
    try:
        return _unpacked_lz4(body, limit_bytes)
    except RuntimeError as error:
        raise QueryError(f"the data is not lz4: {error}") from error


def _unpacked_lz4(body: bytes, limit_bytes: int) -> bytes:
    """Undo one frame after the other: clients make one of each block."""
    parts: list[bytes] = []
    left = limit_bytes
    while body:
        frame = lz4.frame.LZ4FrameDecompressor()
        part = frame.decompress(body, max_length=left + 1)
        left -= len(part)
        if left < 0:
            raise QueryError(f"the data is longer than {limit_bytes} bytes")
        if not frame.eof:
            raise QueryError("the data is not lz4: its end is missing")
        parts.append(part)
        body = frame.unused_data or b""
    return b"".join(parts)
