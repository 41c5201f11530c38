"""One file of the spool: entries `length | crc32 | payload`, appended and never changed.

A payload is one record as a msgpack array. The file's name holds its number, which orders the
files, and the time of its first record, so that the bounds of a damaged file are still known.
"""

import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import msgspec

from runtime.bus.protocol import Outgoing
from runtime.errors import PayloadError

MAX_PAYLOAD_BYTES = 32 * 2**20
"""A length beyond it is no length; no log takes a record of this size."""

READ_BYTES = 2**20

DAMAGED = "damaged_entry"

_HEADER = struct.Struct("<II")
_NAME = re.compile(r"(\d{12})-(\d+)\.spool")
_Row = tuple[str, bytes, bytes | None, int, int | None]
_encode = msgspec.msgpack.encode
_decode = msgspec.msgpack.Decoder(_Row).decode


@dataclass(slots=True)
class Segment:
    """A file of the spool: `size_bytes` of whole entries, `records` of them not yet delivered."""

    path: Path
    number: int
    first_us: int
    size_bytes: int = 0
    records: int = 0


@dataclass(frozen=True, slots=True)
class Scan:
    """What a file holds.

    `ends` is where each whole entry ends. `unread` counts the entries from a damaged one on, as far
    as their lengths can be followed; 0 says that at most an unfinished entry follows.
    """

    ends: list[int]
    unread: int


def segment_path(folder: Path, number: int, first_us: int) -> Path:
    """Return the name of a file."""
    return folder / f"{number:012}-{max(first_us, 0)}.spool"


def parse_name(path: Path) -> Segment | None:
    """Return an empty segment of this name, None where it is not the name of one."""
    found = _NAME.fullmatch(path.name)
    return Segment(path, int(found[1]), int(found[2])) if found else None


def encode_entry(record: Outgoing) -> bytes:
    """Return a record as one entry."""
    payload = _encode(
        (record.topic, record.key, record.value, record.timestamp_us, record.partition)
    )
    return _HEADER.pack(len(payload), crc32(payload)) + payload


def _decode_payload(payload: memoryview) -> Outgoing:
    """Return the record of a payload.

    Raises:
        PayloadError: it is not a record, though its checksum is right.
    """
    try:
        topic, key, value, timestamp_us, partition = _decode(payload)
    except msgspec.MsgspecError as error:
        raise PayloadError(DAMAGED, f"not a record: {error}") from error
    return Outgoing(topic, key, value, timestamp_us, partition)


def entries(data: bytes) -> Iterator[tuple[int, memoryview]]:
    """Walk over the whole entries at the beginning of `data`: where each ends, and its payload.

    An entry that goes on behind the data ends the walk.

    Raises:
        PayloadError: a checksum is wrong, or a length is impossible.
    """
    view, at = memoryview(data), 0
    while at + _HEADER.size <= len(data):
        length, checksum = _HEADER.unpack_from(data, at)
        if not 0 < length <= MAX_PAYLOAD_BYTES:  # a block of zeros is no entry, either
            raise PayloadError(DAMAGED, f"a length of {length} bytes")
        end = at + _HEADER.size + length
        if end > len(data):
            return
        payload = view[at + _HEADER.size : end]
        if crc32(payload) != checksum:
            raise PayloadError(DAMAGED, "the checksum is wrong")
        yield end, payload
        at = end


def read_records(
    handle: int, size_bytes: int, offset: int, max_records: int | None = None
) -> tuple[list[Outgoing], list[int]]:
    """Return whole records from an offset on, at least one, and where in the file each ends.

    About 1 MiB is read at a time, everything where `max_records` is None; what lies behind a
    damaged entry is left out.

    Raises:
        PayloadError: the first entry is damaged.
        OSError: the file cannot be read.
    """
    window = size_bytes - offset
    data = os.pread(handle, window if max_records is None else min(READ_BYTES, window), offset)
    needed = _HEADER.size
    if len(data) >= needed:
        needed += _HEADER.unpack_from(data)[0]
    if len(data) < needed <= window:
        data = os.pread(handle, needed, offset)
    records: list[Outgoing] = []
    ends: list[int] = []
    try:
        for end, payload in entries(data):
            records.append(_decode_payload(payload))
            ends.append(offset + end)
            if len(records) == max_records:
                break
    except PayloadError:
        if not records:
            raise
    if not records:
        raise PayloadError(DAMAGED, "the file ends within the entry")
    return records, ends


def scan(data: bytes) -> Scan:
    """Find the whole entries of a file and what lies behind them."""
    ends: list[int] = []
    try:
        for end, _ in entries(data):
            ends.append(end)
    except PayloadError:
        return Scan(ends, _count_lengths(data, ends[-1] if ends else 0))
    return Scan(ends, 0)


def _count_lengths(data: bytes, at: int) -> int:
    """Count entries by their lengths alone: at least one."""
    count = 0
    while at + _HEADER.size <= len(data):
        length = _HEADER.unpack_from(data, at)[0]
        if not 0 < length <= MAX_PAYLOAD_BYTES:
            break
        at += _HEADER.size + length
        count += at <= len(data)
    return max(count, 1)
