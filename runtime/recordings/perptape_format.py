"""Our own recording format, `perptape/1`: JSON lines in a sequence of zstd frames.

    {"t":"header","format":"perptape/1","created_us":1795132800000000}
    [1795132800148000,"recv","7","wss://fstream.binance.com/market/stream","{...}"]
    [1795132800149000,"recv","7","wss://fstream.binance.com/market/stream","//4=","b64"]

A row is `[receive_time_us, kind, connection, url, data]`. `data` is the frame as text; a frame
that is not UTF-8 is base64 and says so in a sixth field, so that every byte survives. A zstd
frame holds whole rows only, so a file that was cut is readable up to its last whole zstd frame.

A file that goes on where another ended has the connections that were open then in its header,
`"open":[row, ...]`, each the row of its `connect`. They are no rows of the file: who reads one
file is told of them before its first frame; who reads the folder knows them already. So each
file can be read alone, and the files one after another are the recording, with nothing twice. What
a venue sent before (a snapshot of a book, a list of instruments) is not repeated.
"""

import base64
from typing import Final, Literal

import msgspec

from runtime.recordings.frames import FrameKind, RecordedFrame

FORMAT_NAME: Final = "perptape/1"
_encoder = msgspec.json.Encoder()


class _Row(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    receive_time_us: int
    kind: FrameKind
    connection: str
    url: str
    data: str
    encoding: Literal["", "b64"] = ""


class _Header(msgspec.Struct, frozen=True, omit_defaults=True):
    t: str
    format: str
    created_us: int
    open: list[_Row] = []


Connects = tuple[RecordedFrame, ...]
"""What a header says: the `connect` of every connection that is open at the beginning."""

_row_decoder = msgspec.json.Decoder(_Row)


def encode_header(created_us: int, connects: Connects = ()) -> bytes:
    """Write the first line of a file; `connects` are those of open connections."""
    header = _Header("header", FORMAT_NAME, created_us, list(map(_row, connects)))
    return _encoder.encode(header) + b"\n"


def encode_row(frame: RecordedFrame) -> bytes:
    """Write one frame as one line."""
    return _encoder.encode(_row(frame)) + b"\n"


def decode_line(line: bytes) -> RecordedFrame | Connects:
    """Read one line: a frame, or what the header says.

    Raises:
        ValueError: the line is neither a row of this format nor its header.
    """
    if line.startswith(b"{"):
        header = msgspec.json.decode(line, type=_Header)
        if header.format != FORMAT_NAME:
            raise ValueError(f"expected format {FORMAT_NAME}, was {header.format[:40]!r}")
        return tuple(map(_frame, header.open))
    return _frame(_row_decoder.decode(line))


def _row(frame: RecordedFrame) -> _Row:
    start = (frame.receive_time_us, frame.kind, frame.connection, frame.url)
    try:
        return _Row(*start, frame.data.decode())
    except UnicodeDecodeError:
        return _Row(*start, base64.b64encode(frame.data).decode(), "b64")


def _frame(row: _Row) -> RecordedFrame:
    data = base64.b64decode(row.data, validate=True) if row.encoding else row.data.encode()
    return RecordedFrame(row.receive_time_us, row.connection, row.kind, row.url, data)
