"""What the name of a field says: its unit, whether a text is a decimal number, what codes mean."""

import re
from collections.abc import Iterable
from enum import Enum
from typing import Any

from schemas.books import ASK_COVERED, BID_COVERED
from schemas.footprints import Mark
from schemas.liquidations import BACKLOG, ORDER_PRICE, LiquidatedSide
from schemas.market import ANOTHER_ORDER, CLASS_MASK, OFF_GRID, OrderClass, Side

DECIMAL = r"^-?[0-9]+(\.[0-9]+)?$"
"""A plain decimal: no exponent, no blanks."""

_TIMES = (
    r"(^|_)(time|start|end|watermark|anchor|seen|created|from|to"
    r"|as_of|extreme|known|onset|outcome|peak|since)_us$"
)
_UNITS = {
    _TIMES: "Microseconds since 1970-01-01 UTC.",
    r"_us$": "Microseconds.",
    r"_ms$": "Milliseconds.",
    r"_seconds$": "Seconds.",
    r"_bytes$": "Bytes.",
    r"_bp$": "Basis points.",
    r"(^|_)usd_cents$": "Hundredths of a US dollar; dollar coins count as dollars.",
    r"_tick_lots$": "Quote coin, in steps of `tick * lot`.",
    r"_ticks$": "Quote coin per base coin, in steps of `tick`.",
    r"_lots$": "Base coin, in steps of `lot`.",
    r"^(revision|update_id)$": "May be above 2^53: read it as an integer, not as a double.",
}
_DECIMALS = {
    r"^(tick|row_size)$|(^|_)price$": "Quote coin per base coin, as decimal text.",
    r"^(lot|open_interest)$": "Base coin, as decimal text.",
    r"^venue_(tick|lot)$": "In the venue's own units, as decimal text.",
    r"_rate$": "A fraction, as decimal text.",
    r"^threshold$": "Trades, base coin, quote coin or price, by the rule, as decimal text.",
}


def _words(codes: Iterable[Enum]) -> str:
    return ", ".join(f"{code.value} {code.name.lower()}" for code in codes)


CODES = {
    "TradeRow.side": f"The aggressor: {_words(Side)}.",
    "TradeRow.flags": (
        f"The class is `flags & {CLASS_MASK}`: {_words(OrderClass)}. "
        f"Bit {OFF_GRID}: the price was off the grid, this is the tick below. "
        f"Bit {ANOTHER_ORDER}: another taker order than that of the row before."
    ),
    "LiquidationRow.liquidated_side": f"{_words(LiquidatedSide)}.",
    "LiquidationRow.flags": (
        f"Bit {BACKLOG}: the venue repeated it. "
        f"Bit {ORDER_PRICE}: nothing was filled yet, price and quantity are the order's."
    ),
    "LevelRow.side": f"{_words(LiquidatedSide)}.",
    "TrappedRow.side": f"{_words(LiquidatedSide)}.",
    "BookBand.coverage": f"Bits: {BID_COVERED} bids known to the edge, {ASK_COVERED} asks.",
    "BandDepth.coverage": f"Bits: {BID_COVERED} bids known to the edge, {ASK_COVERED} asks.",
    "Row.marks": f"Bits: {_words(Mark)}.",
}
"""What small integers mean, by record or row and field."""


def described(owner: str, name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return a field's schema with what its name tells about it.

    Args:
        owner: title of the record or row that it is in.
        name: of the field.
        schema: what the emitter says.
    """
    if words := CODES.get(f"{owner}.{name}"):
        return {"description": words, **schema}
    for pattern, words in _DECIMALS.items():
        if re.search(pattern, name):
            return {"description": words, **_decimal(schema)}
    for pattern, words in _UNITS.items():
        if re.search(pattern, name):
            return {"description": words, **schema}
    return schema


def _decimal(schema: dict[str, Any]) -> dict[str, Any]:
    if "anyOf" in schema:
        return {**schema, "anyOf": [_decimal(choice) for choice in schema["anyOf"]]}
    return {**schema, "pattern": DECIMAL} if schema.get("type") == "string" else schema
