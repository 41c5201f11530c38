"""Recordings of other recorders: cryptofeed's and hftbacktest's lines as frames."""

from collections import OrderedDict
from decimal import Decimal
from typing import Literal

import msgspec

from runtime.recordings.frames import RecordedFrame

MAX_CONNECTIONS = 4096
_US_PER_SECOND = 1_000_000
_NANOSECOND_DIGITS = 18
_SNAPSHOT_MARK = b'"lastUpdateId"'
_SNAPSHOT_HEAD_BYTES = 64


class _Line(msgspec.Struct, frozen=True):
    """One line of cryptofeed, `t` deciding which fields are there."""

    t: Literal["header", "http", "connect", "send", "recv", "pong", "close"]
    conn: str = ""
    ts: Decimal = Decimal(0)
    url: str = ""
    addr: str = ""
    data: str = ""


class CryptofeedLines:
    """Reads cryptofeed's lines, of which only `connect` and `send` carry the address.

    Addresses are kept for the newest 4096 connections of a file; a frame of an older one has an
    empty `url`.
    """

    def __init__(self) -> None:
        self._addresses: OrderedDict[str, str] = OrderedDict()
        self._decoder = msgspec.json.Decoder(_Line)

    def decode(self, line: bytes) -> RecordedFrame | None:
        """Read one line; None for the header.

        Raises:
            ValueError: the line is not one of cryptofeed's.
        """
        row = self._decoder.decode(line)
        if row.t == "header":
            return None
        time_us = int(row.ts * _US_PER_SECOND)
        url = row.url if row.t == "http" else self._address(row.conn, row.addr)
        return RecordedFrame(time_us, row.conn, row.t, url, row.data.encode())

    def _address(self, connection: str, address: str) -> str:
        if not address:
            return self._addresses.get(connection, "")
        self._addresses[connection] = address
        if len(self._addresses) > MAX_CONNECTIONS:
            self._addresses.popitem(last=False)
        return address


def decode_hftbacktest(line: bytes) -> RecordedFrame:
    """Read one line of hftbacktest: a receive time, a space, the frame.

    Times of 18 digits and more are nanoseconds, shorter ones microseconds (its files of 2023).

    Raises:
        ValueError: the line is not of that shape.
    """
    stamp, separator, data = line.partition(b" ")
    if not separator or not stamp.isdigit() or not data.startswith(b"{"):
        raise ValueError("expected `<receive time> <JSON frame>`")
    time_us = int(stamp) // 1000 if len(stamp) >= _NANOSECOND_DIGITS else int(stamp)
    snapshot = _SNAPSHOT_MARK in data[:_SNAPSHOT_HEAD_BYTES] and b'"stream"' not in data[:32]
    return RecordedFrame(time_us, "", "http" if snapshot else "recv", "", data)
