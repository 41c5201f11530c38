"""A file of trades as chunks of columns, every value checked; the first wrong one ends it."""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import Any, TypeVar

from collectors.dumps.errors import DumpError
from collectors.dumps.formats import Role
from collectors.dumps.layout import Layout
from collectors.dumps.names import Span
from collectors.dumps.times import TimeReader
from collectors.dumps.values import Steps, first_wrong, whole_number, whole_numbers
from schemas.market import OrderClass, TradeIds
from schemas.units import US_PER_SECOND

MAX_DISORDER_US = 2 * US_PER_SECOND
"""How far a time may lie before the newest so far: as far as bars wait for what is late."""

MAX_ID_CHARACTERS = 100
_RPI = {"0": 0, "1": int(OrderClass.RPI), "": 0, "false": 0, "true": int(OrderClass.RPI)}

Converted = TypeVar("Converted")
Lines = Iterator[tuple[int, list[str]]]


@dataclass(slots=True)
class Chunk:
    """Some trades in the order of the file.

    Prices and quantities are steps of the given decimal places, in the venue's units. `skipped`
    counts lines without price or quantity, which venues write beside their trades.
    """

    times: list[int]
    prices: list[int]
    qtys: list[int]
    sides: list[int]
    ids: Sequence[int | str]
    flags: list[int]
    price_places: int
    qty_places: int
    skipped: int = 0


class ChunkReader:
    """Reads the lines of one file.

    Args:
        path: the file, for messages.
        layout: where its columns are.
        span: the times that its name promises.
    """

    def __init__(self, path: Path, layout: Layout, span: Span | None) -> None:
        self._path = path
        self._layout = layout
        self._span = span
        self._times = TimeReader(layout.format.units)
        self._prices, self._qtys = Steps(), Steps()
        self._newest_us = 0

    def read(self, blocks: Lines) -> Iterator[Chunk]:
        """Convert blocks of lines.

        Raises:
            DumpError: a line cannot be used.
        """
        skip = int(self._layout.has_header)
        for number, lines in blocks:
            if skip:
                number, lines, skip = number + 1, lines[1:], 0
            if lines:
                yield self.convert(number, self._columns(number, lines))

    def _columns(self, number: int, lines: list[str]) -> list[Sequence[str]]:
        """Cut lines into columns, all at once; a mark between lines proves that none is shifted."""
        width, text = self._layout.width, "\n".join(lines)
        if '"' in text:
            rows = list(csv.reader(lines))
            self._check_width(number, list(map(len, rows)))
            return list(zip(*rows, strict=True))
        flat = text.replace("\n", ",\n,").split(",")
        step = width + 1
        marks = flat[width::step]
        if len(flat) != len(lines) * step - 1 or marks.count("\n") != len(marks):
            self._check_width(number, [line.count(",") + 1 for line in lines])
        return [flat[place::step] for place in range(width)]

    def _check_width(self, number: int, counts: list[int]) -> None:
        width = self._layout.width
        for place, count in enumerate(counts):
            if count != width:
                detail = f"expected {width} columns, there are {count}"
                raise DumpError(self._path, number + place, detail)

    def convert(self, number: int, columns: Sequence[Sequence[str]]) -> Chunk:
        """Convert columns of text, of which `number` is the line of the first row.

        Raises:
            DumpError: a value cannot be used.
        """
        form, places = self._layout.format, self._layout.places
        texts = {role: columns[place] for role, place in places.items()}
        rpi = texts.get(Role.RPI)

        def column(role: Role, many: Callable[[Any], Any], one: Callable[[str], Any]) -> Any:
            return self._convert(number, role, texts[role], (many, one))

        sides, prices, qtys = form.sides.__getitem__, self._prices, self._qtys
        chunk = Chunk(
            times=column(Role.TIME, self._times.column, self._times.one),
            prices=column(Role.PRICE, prices.column, lambda text: prices.column([text])),
            qtys=column(Role.QTY, qtys.column, lambda text: qtys.column([text])),
            sides=column(Role.SIDE, lambda many: list(map(sides, many)), sides),
            ids=column(Role.ID, *self._id_readers()),
            flags=[0] * len(columns[0])
            if rpi is None
            else column(Role.RPI, lambda many: list(map(_RPI.__getitem__, many)), _RPI.__getitem__),
            price_places=prices.places,
            qty_places=qtys.places,
        )
        self._check_times(number, chunk.times)
        return chunk if min(chunk.prices) and min(chunk.qtys) else _without_zeros(chunk)

    def _id_readers(self) -> tuple[Callable[[Any], Any], Callable[[str], Any]]:
        if self._layout.format.trade_ids is TradeIds.SEQUENTIAL:
            return whole_numbers, whole_number
        prefix = ""
        if self._layout.format.name == "bybit.spot" and self._span is not None:
            prefix = f"{self._span[0] // US_PER_SECOND}-"

        def one(text: str) -> str:
            if not 0 < len(text) <= MAX_ID_CHARACTERS:
                raise ValueError(f"expected a trade id, was {text[:40]!r}")
            return prefix + text

        return lambda many: list(map(one, many)), one

    def _convert(
        self,
        number: int,
        role: Role,
        texts: Sequence[str],
        readers: tuple[Callable[[Sequence[str]], Any], Callable[[str], Any]],
    ) -> Any:
        try:
            return readers[0](texts)
        except (ValueError, KeyError):
            place, why = first_wrong(texts, readers[1])
            raise DumpError(self._path, number + place, f"{role}: {why}") from None

    def _check_times(self, number: int, times: list[int]) -> None:
        in_order = sorted(times)
        if self._span is not None:
            from_us, until_us = self._span
            if in_order[0] < from_us or in_order[-1] >= until_us:
                wrong = next(n for n, at in enumerate(times) if not from_us <= at < until_us)
                detail = f"{times[wrong]} us is not in the span that the file's name gives"
                raise DumpError(self._path, number + wrong, detail)
        newest_us = self._newest_us
        if in_order != times or times[0] < newest_us:
            for place, time_us in enumerate(times):
                if time_us < newest_us - MAX_DISORDER_US:
                    detail = f"the time goes back by {newest_us - time_us} us: sort the file"
                    raise DumpError(self._path, number + place, detail)
                newest_us = max(newest_us, time_us)
        self._newest_us = max(newest_us, in_order[-1])


def _without_zeros(chunk: Chunk) -> Chunk:
    wanted = [price > 0 and qty > 0 for price, qty in zip(chunk.prices, chunk.qtys, strict=True)]
    return Chunk(
        list(compress(chunk.times, wanted)),
        list(compress(chunk.prices, wanted)),
        list(compress(chunk.qtys, wanted)),
        list(compress(chunk.sides, wanted)),
        list(compress(chunk.ids, wanted)),
        list(compress(chunk.flags, wanted)),
        chunk.price_places,
        chunk.qty_places,
        wanted.count(False),
    )
