"""From a venue's decimal text, names and times to the integers of a trade row.

Every number of every trade comes through here. A text that was seen before costs one dictionary
lookup; a new one is checked and converted exactly.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Annotated

from msgspec import Meta

from collectors.messages import Ignored, LiquidationItem, Rejected
from collectors.venue import Channel, Stream
from schemas.instruments import Instrument
from schemas.liquidations import LiquidatedSide
from schemas.market import EXCLUDED_CLASSES, OFF_GRID, OrderClass, Side
from schemas.trades import TradeRow
from schemas.units import parse_decimal, plain, to_steps

MEMO_ENTRIES = 16_384
INT64_MAX = 2**63 - 1
EARLIEST_US = 1_230_768_000_000_000
"""2009-01-01: no trade is older than Bitcoin."""
LATEST_US = 4_102_444_800_000_000
"""2100-01-01, not included."""

ID_CHARACTERS = 64
Id = Annotated[int, Meta(ge=0, le=INT64_MAX)]
OpaqueId = Annotated[str, Meta(min_length=1, max_length=ID_CHARACTERS)]
Time = Annotated[int, Meta(ge=EARLIEST_US // 1_000, lt=LATEST_US)]
"""In milliseconds or microseconds."""
Milliseconds = Annotated[int, Meta(ge=EARLIEST_US // 1_000, lt=LATEST_US // 1_000)]

_SHOWN_CHARACTERS = 120


def shown(value: object) -> str:
    """Quote a foreign value for a message: ASCII, and never long."""
    text = ascii(value[:_SHOWN_CHARACTERS] if isinstance(value, str | bytes) else value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


def brief(message: object) -> str:
    """Write an error's or a venue's own words: ASCII, and never long."""
    return str(message)[:_SHOWN_CHARACTERS].encode("ascii", "backslashreplace").decode()


class Steps(dict[str, int]):
    """Decimal text to its whole number of grid steps, above zero and inside 64 bits, remembered.

    Bounded: at `MEMO_ENTRIES` texts it is emptied and fills again. What is no such number raises
    ValueError and is not remembered.
    """

    __slots__ = ("_decimals", "_unit", "step")

    def __init__(self, step: str) -> None:
        super().__init__()
        self.step = Decimal(step)
        self._decimals = max(0, -int(self.step.as_tuple().exponent))
        self._unit = int(self.step.scaleb(self._decimals))

    def __missing__(self, text: str) -> int:
        steps = self._count(text)
        if not 0 < steps <= INT64_MAX:
            raise ValueError(f"expected steps above zero and inside 64 bits, was {shown(text)}")
        if len(self) >= MEMO_ENTRIES:
            self.clear()
        self[text] = steps
        return steps

    def _count(self, text: str) -> int:
        """Do what `to_steps` does for common text, ten times as fast, and leave it the rest."""
        whole, point, fraction = text.partition(".")
        cut = self._decimals
        digits = whole + fraction[:cut].ljust(cut, "0")
        if (
            whole
            and len(whole) + len(fraction) <= 18  # well inside what `parse_decimal` takes
            and bool(point) is bool(fraction)
            and digits.isdecimal()
            and digits.isascii()
            and not fraction[cut:].strip("0")
        ):
            steps, rest = divmod(int(digits), self._unit)
            if not rest:
                return steps
        return to_steps(text, self.step)


Lane = tuple[Stream, Steps, Steps]
"""Where the trades of one symbol go: the stream, its price steps and its quantity steps."""
Item = tuple[Stream, TradeRow] | Rejected | Ignored
"""What became of one trade of a frame."""


def lanes(streams: Sequence[Stream]) -> dict[str, Lane]:
    """Give every trade stream its lane, by the venue's symbol; those on one grid share one memo."""
    memos: dict[str, Steps] = {}

    def memo(step: str) -> Steps:
        return memos.setdefault(step, Steps(step))

    found: dict[str, Lane] = {}
    for stream in streams:
        one = stream.instrument
        if one is None or stream.channel is not Channel.TRADES:
            continue
        found[one.venue_symbol] = (stream, memo(one.venue_tick), memo(one.venue_lot))
    return found


def read_row(
    lanes: Mapping[str, Lane],
    symbol: str,
    *,
    time_us: int,
    price: str,
    quantity: str,
    side: Side | None,
    trade_id: int | str,
    order_class: OrderClass = OrderClass.MARKET,
) -> Item:
    """Build one row with every check, or say why there is none; the slow and complete way."""
    lane = lanes.get(symbol)
    if lane is None:
        return Rejected("unknown_symbol", shown(symbol))
    stream, prices, quantities = lane
    if not EARLIEST_US <= time_us < LATEST_US:
        detail = f"expected a time of 2009 to 2099, was {shown(time_us)}"
        return Rejected("invalid_time", detail, stream)
    if side is None:
        return Rejected("invalid_side", f"no side of ours in trade {shown(trade_id)}", stream)
    if not _is_id(trade_id):
        detail = f"expected a trade id, was {shown(trade_id)}"
        return Rejected("unexpected_shape", detail, stream)
    try:
        lots = quantities[quantity]
    except ValueError as error:
        return Rejected("invalid_quantity", brief(error), stream, time_us, trade_id)
    try:
        ticks, flags = _ticks(prices, price, order_class)
    except ValueError as error:
        return Rejected("invalid_price", brief(error), stream, time_us, trade_id)
    return stream, (time_us, ticks, lots, int(side), trade_id, flags)


def _is_id(trade_id: int | str) -> bool:
    if isinstance(trade_id, int):
        return 0 <= trade_id <= INT64_MAX
    return 0 < len(trade_id) <= ID_CHARACTERS and trade_id.isascii() and trade_id.isprintable()


def _ticks(prices: Steps, text: str, order_class: OrderClass) -> tuple[int, int]:
    """Return ticks and flags; a take-over may be off the grid and is then floored and flagged.

    Raises:
        ValueError: no price, or off the grid where it must not be.
    """
    try:
        return prices[text], int(order_class)
    except ValueError:
        if order_class not in EXCLUDED_CLASSES:
            raise
    floored = Fraction(parse_decimal(text)) // Fraction(prices.step)
    if not 0 < floored <= INT64_MAX:
        raise ValueError(f"expected a price of at least one tick, was {shown(text)}")
    return floored, int(order_class) | OFF_GRID


def coin_price(instrument: Instrument, text: str) -> str:
    """Write a venue's price per base coin (they differ for `1000PEPE`); the grid does not matter.

    Raises:
        ValueError: no decimal above zero.
    """
    price = parse_decimal(text)
    if price <= 0:
        raise ValueError(f"expected a price above zero, was {shown(text)}")
    return plain(price * Decimal(instrument.tick) / Decimal(instrument.venue_tick))


def coin_quantity(instrument: Instrument, text: str) -> str:
    """Write a venue's quantity (contracts, thousands of coins) in base coin.

    Raises:
        ValueError: no decimal, or one below zero.
    """
    quantity = parse_decimal(text)
    if quantity < 0:
        raise ValueError(f"expected no quantity below zero, was {shown(text)}")
    return plain(quantity * Decimal(instrument.lot) / Decimal(instrument.venue_lot))


def read_liquidation(
    instrument: Instrument,
    *,
    time_us: int,
    price: str,
    quantity: str,
    side: LiquidatedSide | None,
    flags: int = 0,
) -> LiquidationItem | Rejected:
    """Build one liquidation with every check, or say why there is none.

    `price` and `quantity` are in the venue's units; the quantity lies on its lot grid.
    """
    if not EARLIEST_US <= time_us < LATEST_US:
        return Rejected("invalid_time", f"expected a time of 2009 to 2099, was {shown(time_us)}")
    if side is None:
        return Rejected("invalid_side", "no side of ours in a liquidation")
    try:
        lots = to_steps(quantity, Decimal(instrument.venue_lot))
        if not 0 < lots <= INT64_MAX:
            raise ValueError(f"expected steps above zero, was {shown(quantity)}")
    except ValueError as error:
        return Rejected("invalid_quantity", brief(error))
    try:
        in_coin = coin_price(instrument, price)
    except ValueError as error:
        return Rejected("invalid_price", brief(error))
    return time_us, in_coin, lots, int(side), flags


_SCALED = re.compile(r"(1000+)([A-Z][A-Z0-9]+)")
_SCALED_NAMES = {
    "1MBABYDOGE": ("BABYDOGE", 1_000_000),
    "SHIB1000": ("SHIB", 1_000),
}
"""Scaled names that the rule does not see: 1M for a million, a factor at the end."""


def unscaled(name: str) -> tuple[str, Decimal]:
    """Split a venue's scaled coin into the coin and how many of it one unit is.

    `1000PEPE` is a thousand PEPE; `1INCH`, `2Z` and `0G` are coins of that name. The rule asks
    for a one with at least three zeros and a name of two letters after it.
    """
    if name in _SCALED_NAMES:
        asset, factor = _SCALED_NAMES[name]
        return asset, Decimal(factor)
    match = _SCALED.fullmatch(name)
    return (match[2], Decimal(match[1])) if match else (name, Decimal(1))
