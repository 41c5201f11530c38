"""What the venue files share: strict reading of JSON, shapes for the fast way, and batching.

A parser reads a frame the fast way first: typed, in one pass, for the shapes that the venue is
documented to send. Whatever does not come out of that clean is read again the careful way, which
decides what every frame means and depends on neither key order nor shape.
"""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NoReturn, TypeVar
from urllib.parse import parse_qsl, urlsplit

import msgspec

from collectors.grid import Lane, brief, shown
from collectors.venue import Ignored, Message, Plan, Rejected, Stream, Trades
from runtime.errors import PayloadError
from schemas.instruments import Instrument
from schemas.trades import TradeRow
from schemas.units import parse_decimal

T = TypeVar("T")
_WORD = re.compile(r"[^\s,:;\[\]{}\"']+")
Item = tuple[Stream, TradeRow] | Rejected | Ignored
"""What became of one trade of a frame."""


def read_document(frame: bytes) -> dict[str, object] | Rejected:
    """Read one frame as a JSON object, refusing duplicate keys, NaN and all that is not JSON."""
    try:
        document = json.loads(
            frame.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant
        )
    except (ValueError, RecursionError) as error:
        return Rejected("malformed_json", brief(error))
    if not isinstance(document, dict):
        return Rejected("unexpected_shape", f"expected an object, was {shown(frame)}")
    return document


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate key in an object")
    return members


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


@dataclass(frozen=True, slots=True)
class Shape(Generic[T]):
    """One documented shape of a trade frame, for the fast way.

    Every key that the venue sends in it is a required field of `decode`'s type, so a frame that
    decodes and has exactly `frame_keys + row_keys * rows` colons has each key once: a duplicate or
    unknown key, or a colon inside a text, makes one more, and such a frame is read carefully.
    `time_scale` turns its times to microseconds.
    """

    decode: Callable[[bytes], T]
    frame_keys: int
    row_keys: int
    time_scale: int = 1_000


def keys(*types: type[msgspec.Struct]) -> int:
    """Count the keys that these types require."""
    return sum(field.required for kind in types for field in msgspec.structs.fields(kind))


def record(
    wire: str, names: Mapping[str, str], types: Mapping[str, object], absent: Mapping[str, object]
) -> type[msgspec.Struct]:
    """Make the type of one trade as a venue sends it.

    Args:
        wire: its keys in the order in which they are sent, which decodes fastest.
        names: our names of the keys that are used.
        types: the types of the keys that are not text.
        absent: what is read where a key is not on the wire.
    """
    on_wire = wire.split()
    fields: list[tuple[str, object, object]] = [
        (names.get(key, key), types.get(key, str), msgspec.field(name=key)) for key in on_wire
    ]
    fields += [
        (names[key], types.get(key, str), msgspec.field(name=key, default=default))
        for key, default in absent.items()
        if key not in on_wire
    ]
    return msgspec.defstruct("Record", fields, gc=False)


class CarefulParser(ABC, Generic[T]):
    """The careful way, and which shape the fast way expects: the one that was last right."""

    def __init__(self, shapes: Sequence[Shape[T]], lanes: dict[str, Lane]) -> None:
        self._shapes = shapes
        self._lanes = lanes
        self._expect(shapes[0])

    def _expect(self, shape: Shape[T]) -> None:
        """Lay out all that `parse` needs in one tuple: unpacking it once is measurably cheaper."""
        self._fast = (
            shape.decode,
            self._lanes,
            shape.frame_keys,
            shape.row_keys,
            shape.time_scale,
        )

    def _read_carefully(self, frame: bytes) -> Sequence[Message]:
        document = read_document(frame)
        if isinstance(document, Rejected):
            return (document,)
        messages = self._read(document)
        if any(isinstance(message, Trades) for message in messages):
            self._learn(frame)
        return messages

    def _learn(self, frame: bytes) -> None:
        for shape in self._shapes:
            try:
                shape.decode(frame)
            except (ValueError, RecursionError):
                continue
            self._expect(shape)
            return

    @abstractmethod
    def _read(self, document: dict[str, object]) -> Sequence[Message]:
        """Say what a frame means."""


def gather(items: Iterable[Item]) -> list[Message]:
    """Put the rows of each stream together, in the venue's order, and the rest after them."""
    rows: dict[str, Trades] = {}
    rest: list[Message] = []
    for item in items:
        if isinstance(item, tuple):
            stream, row = item
            rows.setdefault(stream.name, Trades(stream, [])).rows.append(row)
        else:
            rest.append(item)
    return [*rows.values(), *rest]


def batches(streams: Sequence[Stream], size: int) -> list[Sequence[Stream]]:
    """Cut into runs of at most `size`."""
    return [streams[start : start + size] for start in range(0, len(streams), size)]


def words(text: object) -> list[str]:
    """Cut a venue's words apart, to find the names of streams in them; each once."""
    return list(dict.fromkeys(_WORD.findall(str(text))))


def requests(streams: Sequence[Stream], size: int) -> dict[str, tuple[str, ...]]:
    """Say which names each numbered request of `subscribe` holds; the numbers count from one."""
    return {
        str(number): tuple(stream.name for stream in batch)
        for number, batch in enumerate(batches(streams, size), 1)
    }


def spread(streams: Sequence[Stream], size: int, path: str) -> list[Plan]:
    """Put at most `size` streams on each connection, all on one path."""
    return [Plan(path, tuple(batch)) for batch in batches(streams, size)]


def is_at(
    url: str, hosts: Collection[str], paths: tuple[str, ...], query: Mapping[str, str] | None = None
) -> bool:
    """Say whether an address is on one of the hosts, at any port, under one of the paths.

    Args:
        url: any text.
        hosts: host names in lower case.
        paths: beginnings of the path.
        query: what its query must not contradict.
    """
    try:
        parts = urlsplit(url)
        asked = dict(parse_qsl(parts.query))
    except ValueError:
        return False
    return (
        parts.hostname in hosts
        and parts.path.startswith(paths)
        and all(asked.get(name, value) == value for name, value in (query or {}).items())
    )


def decode_body(body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Read the answer of a REST call.

    Raises:
        PayloadError: it is not of the decoder's type.
    """
    try:
        return decoder.decode(body)
    except (ValueError, RecursionError) as error:
        raise PayloadError("unexpected_shape", f"{error} in {shown(body)}") from error


def refuse_body(detail: str) -> NoReturn:
    """Say that a REST answer is no list of instruments.

    Raises:
        PayloadError: always.
    """
    raise PayloadError("unexpected_shape", detail)


def read_instruments(
    rows: Sequence[msgspec.Raw],
    decoder: msgspec.json.Decoder[T],
    build: Callable[[T], Instrument | None],
) -> list[Instrument]:
    """Build an instrument from each row that is of the feed; a row that cannot be read is skipped.

    One listing that a venue gets wrong must not take all others with it.

    Raises:
        PayloadError: there are rows and none of them can be read.
    """
    found: dict[str, Instrument] = {}
    unreadable = 0
    for row in rows:
        try:
            instrument = _checked(build(decoder.decode(row)))
        except (ValueError, ArithmeticError, RecursionError):
            unreadable += 1
            continue
        if instrument is not None:
            found.setdefault(instrument.symbol, instrument)
    if rows and unreadable == len(rows):
        raise PayloadError("unexpected_shape", f"none of {unreadable} rows can be read")
    return list(found.values())


def _checked(instrument: Instrument | None) -> Instrument | None:
    """Pass on an instrument on which trades can be counted.

    Raises:
        ValueError: a name is empty, or a step is none.
    """
    if instrument is None:
        return None
    steps = (instrument.venue_tick, instrument.venue_lot, instrument.tick, instrument.lot)
    if not (instrument.asset and instrument.quote) or not all(map(parse_decimal, steps)):
        raise ValueError(f"{instrument.venue_symbol} lacks a name or a step")
    return instrument
