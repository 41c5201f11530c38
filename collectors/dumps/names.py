"""What the official name of a file says: which market, and which span of time it covers.

Source: venues' download pages, as described in the formats below; days are UTC, of OKX UTC+8.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from collectors.dumps.text import base_name
from schemas.units import US_PER_SECOND

_DAY = r"(?P<year>\d{4})-(?P<month>\d\d)(?:-(?P<day>\d\d))?"
_OKX_AHEAD_US = 8 * 3600 * US_PER_SECOND

_NAMES = (
    ("binance.klines", rf"(?P<symbol>[A-Z0-9]+)-(?P<interval>\d+[smhd])-{_DAY}"),
    ("binance.aggTrades", rf"(?P<symbol>[A-Z0-9]+)-aggTrades-{_DAY}"),
    ("binance.trades", rf"(?P<symbol>[A-Z0-9]+)-trades-{_DAY}"),
    ("okx.trades", rf"(?P<symbol>[A-Z0-9]+-[A-Z]+(?:-SWAP)?)-trades-{_DAY}"),
    ("bybit.spot", rf"(?P<symbol>[A-Z0-9]+?)[_-]{_DAY}"),
    ("bybit.trades", rf"(?P<symbol>[A-Z0-9]+?){_DAY}"),
    ("tardis.trades", rf"(?P<exchange>[a-z-]+)_trades_{_DAY}_(?P<symbol>[A-Z0-9-]+)"),
)
_PATTERNS = [(name, re.compile(pattern)) for name, pattern in _NAMES]

Span = tuple[int, int]
"""`[from_us, until_us)`."""


@dataclass(frozen=True, slots=True)
class Named:
    """What a name says; nothing where it is not an official one."""

    format: str = ""
    symbol: str = ""
    exchange: str = ""
    span: Span | None = None


def read_name(path: Path) -> Named:
    """Read the name of a file."""
    for name, pattern in _PATTERNS:
        match = pattern.fullmatch(base_name(path))
        if match is None:
            continue
        parts = match.groupdict()
        try:
            span = _span(int(parts["year"]), int(parts["month"]), parts["day"])
        except ValueError:
            continue
        if name == "okx.trades":
            span = (span[0] - _OKX_AHEAD_US, span[1] - _OKX_AHEAD_US)
        return Named(name, parts["symbol"], parts.get("exchange") or "", span)
    return Named()


def _span(year: int, month: int, day: str | None) -> Span:
    start = datetime(year, month, int(day or 1), tzinfo=UTC)
    if day is not None:
        end = start + timedelta(days=1)
    else:
        end = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    return int(start.timestamp()) * US_PER_SECOND, int(end.timestamp()) * US_PER_SECOND
