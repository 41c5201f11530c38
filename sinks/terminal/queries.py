"""Reads the picture out of the public views of footprints and of cumulative volume delta."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Protocol

from runtime.errors import ConfigurationError
from schemas.units import US_PER_SECOND, parse_decimal
from sinks.terminal.model import BarView, CvdView, LadderView, RowView
from sinks.terminal.numbers import interval_text

_SERIES = (
    "asset = {asset:String} AND scope = {scope:String} AND venue = {venue:String}"
    " AND interval_seconds = {interval:UInt32}"
)
_EXACT = f"{_SERIES} AND symbol = {{symbol:String}} AND toString(row_size) = {{row_size:String}}"
_SINCE = "bar_start >= fromUnixTimestamp64Micro({since:Int64})"
_START_US = "toUnixTimestamp64Micro(toDateTime64(bar_start, 6))"

_CHOICES = f"""
SELECT symbol, toString(row_size), max({_START_US}), ifNull(sum(trades), 0)
FROM footprint_bars WHERE {_SERIES} AND {_SINCE} GROUP BY symbol, toString(row_size)
"""  # noqa: S608
_BARS = f"""
SELECT {_START_US}, is_final, close, sell_qty, buy_qty, unknown_qty, delta, delta_min, delta_max,
    poc, vah, val, status, venues_expected, venues_complete, venues_partial
FROM footprint_bars WHERE {_EXACT} AND {_SINCE} ORDER BY bar_start DESC LIMIT {{bars:UInt32}}
"""  # noqa: S608
_ROWS = f"""
SELECT {_START_US}, row_price, sell_qty, buy_qty, unknown_qty, buy_imbalance, sell_imbalance,
    agree_buy, agree_sell
FROM footprint_rows WHERE {_EXACT} AND {_SINCE}
"""  # noqa: S608
_FEEDS = f"""
SELECT feed_states FROM footprints WHERE {_EXACT} AND {_SINCE} ORDER BY bar_start DESC LIMIT 1
"""  # noqa: S608
_CVD = """
SELECT toUnixTimestamp64Micro(toDateTime64(step_start, 6)), cvd_day, cvd_1h
FROM cvd
WHERE asset = {asset:String} AND scope = {scope:String} AND venue = {venue:String}
    AND symbol = {symbol:String} AND composition = {composition:String}
    AND step_start >= fromUnixTimestamp64Micro({since:Int64})
ORDER BY step_start DESC LIMIT 1
"""

Parameters = Mapping[str, object]


class Table(Protocol):
    """An answer, as far as the ladder reads it."""

    @property
    def rows(self) -> Sequence[Sequence[object]]:
        """The rows, columns in the order of the SELECT."""
        ...


class Reader(Protocol):
    """Something that answers SQL."""

    @property
    def exclusive(self) -> bool:
        """Whether no other process can have the store while this is open."""
        ...

    def query(self, sql: str, parameters: dict[str, object] | None = None) -> Table:
        """Answer one SELECT; `{name:Type}` stands for a parameter.

        Raises:
            StoreError: the store cannot be reached or refuses.
        """
        ...

    def close(self) -> None:
        """Give the connection back."""
        ...


@dataclass(frozen=True, slots=True)
class Selection:
    """What to show; `row_size` None is the smallest there is, `symbol` empty the busiest perp."""

    asset: str
    scope: str = "perp"
    venue: str = ""
    symbol: str = ""
    interval_seconds: int = 60
    row_size: Decimal | None = None


def select(
    asset: str, scope: str, venue: str, interval_seconds: int, row_size: str | None
) -> Selection:
    """Check what the user asked for; `venue` is `binance`, or `binance:BTC-USDT` for one symbol.

    Raises:
        ConfigurationError: the request contradicts itself; the message says what to change.
    """
    if scope not in {"venue", "perp", "spot"}:
        raise ConfigurationError(f"scope is venue, perp or spot, was {scope!r}")
    if scope == "venue" and not venue:
        raise ConfigurationError("scope venue needs a venue, for example binance")
    if scope != "venue" and venue:
        raise ConfigurationError(f"a venue needs scope venue; scope {scope} is over all venues")
    name, _, symbol = venue.partition(":")
    size = None if row_size is None else _size(row_size)
    return Selection(asset.upper(), scope, name, symbol, interval_seconds, size)


def _size(text: str) -> Decimal:
    try:
        size = parse_decimal(text)
    except ValueError:
        size = Decimal(0)
    if not size:
        raise ConfigurationError(f"row size is a number above 0, was {text!r}")
    return size


@dataclass(frozen=True, slots=True)
class _Series:
    """One series of the store; `row_size` in the store's own words."""

    symbol: str
    row_size: str
    newest_us: int
    trades: int


@dataclass(frozen=True, slots=True)
class Missing:
    """There is nothing to show yet; `reason` says what is awaited."""

    reason: str


def read(
    reader: Reader, selection: Selection, bars: int, since_us: int = 0
) -> LadderView | Missing:
    """Return the newest bars of a series with their rows, and its newest CVD.

    Args:
        reader: the store.
        selection: which series.
        bars: how many at most.
        since_us: nothing older is looked at, so that a known picture is renewed cheaply.

    Raises:
        StoreError: the store cannot be reached or refuses.
    """
    base: dict[str, object] = {
        "asset": selection.asset,
        "scope": selection.scope,
        "venue": selection.venue,
        "interval": selection.interval_seconds,
        "since": since_us,
    }
    series = _choose(_choices(reader, base), selection)
    if isinstance(series, Missing):
        return series
    interval_us = selection.interval_seconds * US_PER_SECOND
    base["symbol"], base["row_size"] = series.symbol, series.row_size
    base["since"] = series.newest_us - (bars - 1) * interval_us
    newest = {**base, "since": series.newest_us}
    return LadderView(
        asset=selection.asset,
        scope=selection.scope,
        venue=selection.venue,
        symbol=series.symbol,
        interval_seconds=selection.interval_seconds,
        row_size=Decimal(series.row_size),
        bars=_bars(reader, base, bars),
        cvd=_cvd(reader, newest, "" if selection.scope == "venue" else "all"),
        feeds=_feeds(reader, newest),
    )


def _choices(reader: Reader, base: Parameters) -> list[_Series]:
    return [
        _Series(str(symbol), str(size), _integer(newest), _integer(trades))
        for symbol, size, newest, trades in reader.query(_CHOICES, dict(base)).rows
    ]


def _choose(choices: Sequence[_Series], selection: Selection) -> _Series | Missing:
    """Take the wanted row size or the smallest, and of a venue's symbols the busiest perpetual."""
    if selection.symbol:
        choices = [series for series in choices if series.symbol == selection.symbol]
    wanted = selection.row_size
    fitting = [s for s in choices if wanted is None or Decimal(s.row_size) == wanted]
    if not fitting:
        return Missing(_awaited(choices, selection))
    return min(
        fitting,
        key=lambda s: (
            not s.symbol.endswith("-PERP"),
            -max(other.trades for other in fitting if other.symbol == s.symbol),
            Decimal(s.row_size),
        ),
    )


def _awaited(choices: Sequence[_Series], selection: Selection) -> str:
    sizes = sorted({Decimal(series.row_size) for series in choices})
    if sizes:
        there = ", ".join(f"{size.normalize():f}" for size in sizes)
        return f"there are no rows of {selection.row_size}; row sizes in the store: {there}"
    where = f"on {selection.venue}" if selection.venue else f"over all {selection.scope} venues"
    name = selection.symbol or selection.asset
    bars = f"{interval_text(selection.interval_seconds)} bars"
    return f"waiting for the first footprint of {name}: {bars} {where}"


def _bars(reader: Reader, base: Parameters, bars: int) -> tuple[BarView, ...]:
    rows: dict[int, list[RowView]] = {}
    found = reader.query(_BARS, {**base, "bars": bars}).rows
    for start, *values in reader.query(_ROWS, dict(base)).rows:
        rows.setdefault(_integer(start), []).append(_row(values))
    views = [_bar(values) for values in found]
    return tuple(
        replace(view, rows=tuple(rows.get(view.bar_start_us, ()))) for view in reversed(views)
    )


def _row(values: Sequence[object]) -> RowView:
    price, sell, buy, unknown, up, down, ups, downs = values
    return RowView(
        price=_decimal(price),
        sell=_decimal(sell),
        buy=_decimal(buy),
        unknown=_decimal(unknown),
        buy_imbalance=None if up is None else bool(up),
        sell_imbalance=None if down is None else bool(down),
        buy_agree=_integer(ups),
        sell_agree=_integer(downs),
    )


def _bar(values: Sequence[object]) -> BarView:
    start, final, *numbers = values[:12]
    status, expected, complete, partial = values[12:]
    close, sell, buy, unknown, delta, low, high, poc, vah, val = map(_optional, numbers)
    return BarView(
        bar_start_us=_integer(start),
        is_final=bool(final),
        close=close,
        sell=sell,
        buy=buy,
        unknown=unknown,
        delta=delta,
        delta_min=low,
        delta_max=high,
        poc=poc,
        vah=vah,
        val=val,
        status=str(status),
        venues_expected=_names(expected),
        venues_complete=_names(complete),
        venues_partial=_names(partial),
    )


def _cvd(reader: Reader, base: Parameters, composition: str) -> CvdView | None:
    rows = reader.query(_CVD, {**base, "composition": composition}).rows
    if not rows:
        return None
    start, day, hour = rows[0]
    return CvdView(_integer(start) + US_PER_SECOND, _optional(day), _optional(hour))


def _feeds(reader: Reader, base: Parameters) -> dict[str, str]:
    rows = reader.query(_FEEDS, dict(base)).rows
    states = rows[0][0] if rows else None
    return {str(k): str(v) for k, v in states.items()} if isinstance(states, Mapping) else {}


def _integer(value: object) -> int:
    return int(str(value))


def _decimal(value: object) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value))


def _optional(value: object) -> Decimal | None:
    return None if value is None else _decimal(value)


def _names(value: object) -> tuple[str, ...]:
    return tuple(str(name) for name in value) if isinstance(value, list | tuple) else ()
