"""Columns of one insert in ClickHouse's Native format.

The driver's own encoder has to be given text for exact decimals and builds its block anew at each
attempt; here the block is bytes once, so that a retry is identical and its deduplication token can
be a hash of what is sent.

Values are plain Python: integers for times (microseconds), enums (their number) and decimals
(scaled, see `scaled`), text, floats, None, lists and dicts.
Source: https://clickhouse.com/docs/interfaces/formats/Native (read 2026-11); all little-endian.
"""

import re
import struct
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

GRID_DECIMALS = 18
"""Places of the decimal columns that hold grids (`Decimal(38, 18)`)."""

Encoder = Callable[[Sequence[Any]], bytes]

_NUMBERS = {"Int8": "b", "Int64": "q", "UInt32": "I", "UInt64": "Q", "Float64": "d"}
_ZERO_BY_TYPE: dict[str, object] = {"Float64": 0.0, "String": "", "Bool": False}
_WRAPPED = re.compile(r"(Nullable|Array|LowCardinality|Map|Enum8|Decimal|DateTime64)\((.+)\)")
_LOW_CARDINALITY_VERSION = 1
_ADDITIONAL_KEYS = 1 << 9
_UINT8_KEYS, _UINT32_KEYS = 0, 2
_SHORT_LENGTHS = tuple(map(chr, range(128)))


@dataclass(frozen=True, slots=True)
class Column:
    """A column with its values already encoded."""

    name: str
    type: str
    data: bytes


def column(name: str, type_: str, values: Sequence[Any]) -> Column:
    """Encode one column.

    Raises:
        OverflowError, TypeError, ValueError, AttributeError: a value does not fit the type.
    """
    return Column(name, type_, encoder(type_)(values))


def repeated(name: str, type_: str, values: Sequence[Any], counts: Sequence[int]) -> Column:
    """Encode a column in which `values[i]` stands `counts[i]` times in a row.

    The type is LowCardinality(String), or one whose values all take the same number of bytes.
    """
    if type_.startswith("LowCardinality"):
        return Column(name, type_, _low_cardinality(values, counts))
    encode = encoder(type_)
    if len(set(values)) == 1:
        return Column(name, type_, encode(values[:1]) * sum(counts))
    data = encode(values)
    width = len(data) // len(values)
    cuts = zip(range(0, len(data), width), counts, strict=True)
    return Column(name, type_, b"".join([data[at : at + width] * count for at, count in cuts]))


def strings(values: Sequence[str]) -> bytes:
    """Encode texts as a column of `String`; those of one length are joined at once."""
    lengths = set(map(len, values))
    if len(lengths) == 1 and (length := lengths.pop()) < len(_SHORT_LENGTHS):
        mark = _SHORT_LENGTHS[length]
        joined = mark + mark.join(values)
        if joined.isascii():
            return joined.encode("ascii")
    return _strings(values)


def block(columns: Sequence[Column], rows: int) -> bytes:
    """Join columns into one block."""
    parts = [_varint(len(columns)), _varint(rows)]
    for item in columns:
        parts += [_text(item.name), _text(item.type), item.data]
    return b"".join(parts)


def header(data: bytes) -> list[tuple[str, str]]:
    """Read names and types at the beginning of a `RowBinaryWithNamesAndTypes` answer."""
    count, at = _read_varint(data, 0)
    texts: list[str] = []
    for _ in range(2 * count):
        length, at = _read_varint(data, at)
        texts.append(data[at : at + length].decode())
        at += length
    return list(zip(texts[:count], texts[count:], strict=True))


def empty_block(data: bytes) -> bytes:
    """Turn the header of an empty `RowBinaryWithNamesAndTypes` answer into a block without rows."""
    if not data:
        return b""
    return block([Column(name, type_, b"") for name, type_ in header(data)], 0)


@lru_cache(maxsize=4096)
def scaled(text: str) -> int:
    """Return a decimal text times 10^18, exactly.

    Raises:
        ValueError: the text has more than 18 decimals or is not a number.
    """
    try:
        value = Decimal(text).scaleb(GRID_DECIMALS)
        if value == value.to_integral_value():
            return int(value)
    except ArithmeticError as error:
        raise ValueError(f"expected a decimal number, was {text[:40]!r}") from error
    raise ValueError(f"{text[:40]} has more than {GRID_DECIMALS} decimals")


@lru_cache(maxsize=64)
def encoder(type_: str) -> Encoder:
    """Return the function that encodes a column of this type."""
    if type_ in _NUMBERS:
        code = _NUMBERS[type_]
        return lambda values: array(code, values).tobytes()
    if type_ == "String":
        return _strings
    if type_ == "Bool":
        return bytes
    wrapped = _WRAPPED.fullmatch(type_)
    if wrapped is None:
        raise ValueError(f"no encoder for the column type {type_}")
    return _wrapped(wrapped[1], wrapped[2])


def _wrapped(outer: str, inner: str) -> Encoder:
    if outer == "DateTime64":
        return encoder("Int64")
    if outer == "Enum8":
        return encoder("Int8")
    if outer == "Decimal":
        return _decimals
    if outer == "LowCardinality":
        return lambda values: _low_cardinality(values, (1,) * len(values))
    if outer == "Nullable":
        zero, encode = _ZERO_BY_TYPE.get(inner, 0), encoder(inner)
        return lambda values: (
            bytes(value is None for value in values)
            + encode([zero if value is None else value for value in values])
        )
    if outer == "Array":
        return _array(encoder(inner))
    return _map(*(encoder(part.strip()) for part in inner.split(",", 1)))


def _decimals(values: Sequence[int]) -> bytes:
    return b"".join([value.to_bytes(16, "little", signed=True) for value in values])


def _array(encode: Encoder) -> Encoder:
    def encode_lists(values: Sequence[Any]) -> bytes:
        return _ends(values) + encode([item for value in values for item in value])

    return encode_lists


def _map(encode_keys: Encoder, encode_values: Encoder) -> Encoder:
    def encode_dicts(values: Sequence[Any]) -> bytes:
        keys = [key for value in values for key in value]
        return (
            _ends(values)
            + encode_keys(keys)
            + encode_values([item for value in values for item in value.values()])
        )

    return encode_dicts


def _ends(values: Sequence[Any]) -> bytes:
    ends, end = array("Q"), 0
    for value in values:
        end += len(value)
        ends.append(end)
    return ends.tobytes()


def _low_cardinality(values: Sequence[str], counts: Sequence[int]) -> bytes:
    keys = list(dict.fromkeys(values))
    kind, width = (_UINT8_KEYS, 1) if len(keys) <= 256 else (_UINT32_KEYS, 4)
    codes = {key: index.to_bytes(width, "little") for index, key in enumerate(keys)}
    head = struct.pack("<QQQ", _LOW_CARDINALITY_VERSION, _ADDITIONAL_KEYS | kind, len(keys))
    runs = zip(values, counts, strict=True)
    body = b"".join([codes[value] * count for value, count in runs])
    return head + _strings(keys) + struct.pack("<Q", sum(counts)) + body


def _strings(values: Sequence[str]) -> bytes:
    try:
        joined = "".join([_SHORT_LENGTHS[len(value)] + value for value in values])
        if joined.isascii():
            return joined.encode("ascii")
    except IndexError:  # a longer text needs more than one byte for its length
        pass
    return b"".join([_text(value) for value in values])


def _text(value: str) -> bytes:
    data = value.encode()
    length = len(data)
    return (bytes((length,)) if length < 128 else _varint(length)) + data


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
