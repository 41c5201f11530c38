"""What the venue files share: the two ways to read a frame, batching, addresses and listings.

A parser reads a trade frame the fast way first: typed, in one pass, only the keys that are used.
Whatever does not come out of that clean is read again the careful way, which decides what every
frame means. A frame of another kind is known by its head and not read any further.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NoReturn, TypeGuard, TypeVar
from urllib.parse import parse_qsl, urlsplit

import msgspec

from collectors.grid import Item, brief, lanes, shown
from collectors.messages import Ignored, Message, Rejected, Trades
from collectors.venue import Plan, Stream
from runtime.errors import PayloadError
from schemas.instruments import Instrument
from schemas.units import parse_decimal

T = TypeVar("T")
_WORD = re.compile(r"[^\s,:;\[\]{}\"']+")
_DOCUMENT = msgspec.json.Decoder()
_OTHER = (Ignored("other"),)


def read_document(frame: bytes) -> dict[str, object] | Rejected:
    """Read one frame as a JSON object; of duplicate keys the last wins, as on the fast way."""
    try:
        document = _DOCUMENT.decode(frame)
    except (ValueError, RecursionError) as error:
        return Rejected("malformed_json", brief(error))
    if not isinstance(document, dict):
        return Rejected("unexpected_shape", f"expected an object, was {shown(frame)}")
    return document


def ignored(kinds: Mapping[str, str]) -> dict[str, tuple[Ignored]]:
    """Make the answer to each kind of frame that is of no use, from the word it is counted by."""
    return {kind: (Ignored(what),) for kind, what in kinds.items()}


class CarefulParser(ABC):
    """What follows where the fast way does not apply.

    Args:
        ignored: the answers to the kinds of frames that the venue file knows and does not use.
        streams: what the connection carries.
    """

    def __init__(self, ignored: Mapping[str, tuple[Ignored]], streams: Sequence[Stream]) -> None:
        self._ignored = ignored
        self._lanes = lanes(streams)
        self._named = {stream.name: stream for stream in streams}
        self._skipped_last = False
        """Books come in runs: after one, the head is tried before the fast way."""

    def _skip(self, frame: bytes) -> Sequence[Message]:
        """Ignore a frame by its head alone, or return nothing; the rest of it is not checked."""
        try:
            messages = self._ignored.get(self._kind(frame), ())
        except (ValueError, RecursionError):
            messages = ()
        self._skipped_last = bool(messages)
        return messages

    def _read_other(self, frame: bytes) -> Sequence[Message]:
        """Read what the fast way did not take."""
        return self._skip(frame) or self._read_carefully(frame)

    def _read_carefully(self, frame: bytes) -> Sequence[Message]:
        document = read_document(frame)
        if isinstance(document, Rejected):
            return (document,)
        messages, stream = self._read(document), self._named.get(self._name(document))
        if stream is None or not any(map(_is_nobodys, messages)):
            return messages
        return [one.of(stream) if _is_nobodys(one) else one for one in messages]

    def _ignore(self, kind: str) -> Sequence[Message]:
        return self._ignored.get(kind, _OTHER)

    @abstractmethod
    def _kind(self, frame: bytes) -> str:
        """Read the head of a frame and name its kind.

        Raises:
            ValueError: it has no such head.
        """

    @abstractmethod
    def _name(self, document: dict[str, object]) -> str:
        """Name the stream that a frame is of, "" where it does not say; it need not be carried."""

    @abstractmethod
    def _read(self, document: dict[str, object]) -> Sequence[Message]:
        """Say what a frame means."""


def _is_nobodys(message: Message) -> TypeGuard[Rejected]:
    return isinstance(message, Rejected) and message.stream is None


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


def read_rows(data: object, read: Callable[[object], Item]) -> Sequence[Message]:
    """Read the list of trades of a frame; a bad one leaves the others."""
    if not isinstance(data, list):
        return (Rejected("unexpected_shape", f"data is no list, was {shown(data)}"),)
    return gather(map(read, data)) if data else (Ignored("no_trades"),)


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


def spread(streams: Sequence[Stream], size: int, path: str, at: str = "") -> list[Plan]:
    """Put at most `size` streams on each connection, all on one path, an instrument's together."""
    together: dict[object, list[Stream]] = {}
    for stream in streams:
        together.setdefault(stream.instrument and stream.instrument.symbol, []).append(stream)
    plans: list[list[Stream]] = []
    for group in together.values():
        if not plans or len(plans[-1]) + len(group) > size:
            plans.append([])
        plans[-1] += group
    return [Plan(path, tuple(plan), at) for plan in plans]


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
