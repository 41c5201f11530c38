"""Our own recording format, `perptape/1`: JSON lines in a sequence of zstd frames.

    {"t":"header","format":"perptape/1","created_us":1795132800000000}
    [1795132800148000,"recv","7","wss://fstream.binance.com/market/stream","{...}"]
    [1795132800149000,"recv","7","wss://fstream.binance.com/market/stream","//4=","b64"]

A row is `[receive_time_us, kind, connection, url, data]`. `data` is the frame as text; a frame
that is not UTF-8 is base64 and says so in a sixth field, so that every byte survives. A zstd
frame holds whole rows only, so a file that was cut is readable up to its last whole zstd frame.
"""

import base64
from typing import Final, Literal

import msgspec

from runtime.recordings.frames import FrameKind, RecordedFrame

FORMAT_NAME: Final = "perptape/1"
_encoder = msgspec.json.Encoder()


class Header(msgspec.Struct, frozen=True):
    """The first line of a file."""

    t: str
    format: str
    created_us: int


class _Row(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    receive_time_us: int
    kind: FrameKind
    connection: str
    url: str
    data: str
    encoding: Literal["", "b64"] = ""


_row_decoder = msgspec.json.Decoder(_Row)


def encode_header(created_us: int) -> bytes:
    """Write the first line of a file."""
    return _encoder.encode(Header("header", FORMAT_NAME, created_us)) + b"\n"


def encode_row(frame: RecordedFrame) -> bytes:
    """Write one frame as one line."""
    start = (frame.receive_time_us, frame.kind, frame.connection, frame.url)
    try:
        row = _Row(*start, frame.data.decode())
    except UnicodeDecodeError:
        row = _Row(*start, base64.b64encode(frame.data).decode(), "b64")
    return _encoder.encode(row) + b"\n"


def decode_row(line: bytes) -> RecordedFrame | None:
    """Read one line; None for the header.

    Raises:
        ValueError: the line is not a row of this format.
    """
    if line.startswith(b"{"):
        header = msgspec.json.decode(line, type=Header)
        if header.format != FORMAT_NAME:
            raise ValueError(f"expected format {FORMAT_NAME}, was {header.format[:40]!r}")
        return None
    row = _row_decoder.decode(line)
    data = base64.b64decode(row.data, validate=True) if row.encoding else row.data.encode()
    return RecordedFrame(row.receive_time_us, row.connection, row.kind, row.url, data)
