"""A bar beside what its venue says of the same time (definitions 5.14, conservation classes)."""

from decimal import Decimal
from enum import StrEnum

import msgspec


class Conservation(StrEnum):
    """How well two sums over the same trades agree."""

    EXACT = "exact"
    EXPLAINED = "explained"
    TOLERANCE = "tolerance"
    BROKEN = "broken"


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """What can be compared of one bar; quantities in base coin, prices in quote.

    `high` and `low` are null without a trade.
    """

    start_us: int
    total: Decimal
    taker_buy: Decimal
    high: Decimal | None
    low: Decimal | None
    trades: int


class OwnTotals(Totals, frozen=True, kw_only=True):
    """A bar of ours, with what explains a difference: left-out classes, unknown sides, holes."""

    excluded: dict[str, Decimal]
    unknown: Decimal
    is_complete: bool


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One bar compared; `cause` says what differs or what explains it."""

    theirs: Totals
    ours: OwnTotals | None
    conservation: Conservation
    cause: str
    trades_compared: bool
