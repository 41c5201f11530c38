"""What a venue says of its own bars: Binance's kline files, or sums over a file of trades.

Source: data.binance.vision klines: open_time, open, high, low, close, volume, close_time,
quote_volume, count, taker_buy_volume, taker_buy_quote_volume, ignore (read 2026-11).
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

from collectors.dumps.errors import DumpError
from collectors.dumps.held import Held
from collectors.dumps.names import read_name
from collectors.dumps.text import line_blocks
from collectors.dumps.times import TimeReader, TimeUnit
from schemas.market import Side
from schemas.reconciliations import Totals
from schemas.units import US_PER_MINUTE, US_PER_SECOND, parse_decimal

KLINES = "binance.klines"
_NAMES = ("open_time", "high", "low", "volume", "close_time", "count", "taker_buy_volume")
_PLACES: tuple[int, ...] = (0, 2, 3, 5, 6, 8, 9)
_WIDTH = 12
_UNITS = (TimeUnit.MILLISECONDS, TimeUnit.MICROSECONDS)


def is_klines(path: Path) -> bool:
    """Say whether a file is one of klines, by its name."""
    return read_name(path).format == KLINES


def read_klines(path: Path) -> tuple[int, list[Totals]]:
    """Read a file of klines; return the seconds of a bar and the bars.

    Raises:
        ConfigurationError: there is no such file.
        DumpError: it cannot be used; with the line.
    """
    times, places, intervals = TimeReader(_UNITS), _PLACES, set[int]()
    bars: list[Totals] = []
    for number, fields in _lines(path):
        if number == 1 and "open_time" in fields:
            missing = [name for name in _NAMES if name not in fields]
            if missing:
                raise DumpError(path, 1, f"no column {missing[0]}; it has: {', '.join(fields)}")
            places = tuple(map(fields.index, _NAMES))
            continue
        try:
            if len(fields) <= max(places):
                raise ValueError(f"expected {_WIDTH} columns, there are {len(fields)}")
            start_us, bar = _bar([fields[place] for place in places], times)
        except ValueError as error:
            raise DumpError(path, number, str(error)) from None
        intervals.add(start_us)
        bars.append(bar)
    if not bars or len(intervals) != 1:
        raise DumpError(path, 0, f"expected bars of one interval, was {sorted(intervals)}")
    return intervals.pop(), bars


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    for first, lines in line_blocks(path):
        for place, line in enumerate(lines):
            yield first + place, line.split(",")


def _bar(fields: Sequence[str], times: TimeReader) -> tuple[int, Totals]:
    start, high, low, volume, end, count, taker_buy = fields
    start_us, end_us = times.one(start), times.one(end)
    trades = int(parse_decimal(count))
    bar = Totals(
        start_us=start_us,
        total=parse_decimal(volume),
        taker_buy=parse_decimal(taker_buy),
        high=parse_decimal(high) if trades else None,
        low=parse_decimal(low) if trades else None,
        trades=trades,
    )
    return round((end_us - start_us) / US_PER_SECOND), bar


def sums_of(held: Held) -> tuple[int, list[Totals]]:
    """Return the sums over the trades of a file, minute by minute, and the seconds of a minute.

    Minutes at the ends of an unnamed file, which it may have only a part of, are left out.
    """
    tick, lot = Decimal(held.instrument.tick), Decimal(held.instrument.lot)
    found: dict[int, list[int]] = {}
    for rows in held.rows():
        for time_us, price, qty, side, _, _ in rows:
            start_us = time_us - time_us % US_PER_MINUTE
            sums = found.get(start_us)
            if sums is None:
                sums = found[start_us] = [0, 0, price, price, 0]
            sums[0] += qty
            sums[1] += qty if side == Side.BUY else 0
            sums[2], sums[3] = max(sums[2], price), min(sums[3], price)
            sums[4] += 1
    from_us, until_us = held.span
    return 60, [
        Totals(
            start_us=start_us,
            total=total * lot,
            taker_buy=buys * lot,
            high=high * tick,
            low=low * tick,
            trades=trades,
        )
        for start_us, (total, buys, high, low, trades) in sorted(found.items())
        if from_us <= start_us and start_us + US_PER_MINUTE <= until_us
    ]
