"""The closed vocabularies of the tape: kinds, sides, order classes and feed states.

Words travel in headers, small integers in rows; the two forms are defined side by side here.
Source: definitions 5.0.
"""

from enum import IntEnum, StrEnum

from schemas.units import US_PER_SECOND


class Kind(StrEnum):
    """What is traded."""

    SPOT = "spot"
    LINEAR_PERPETUAL = "linear_perpetual"
    INVERSE_PERPETUAL = "inverse_perpetual"


class Scope(StrEnum):
    """Over what a number is computed: one instrument, all perpetuals or all spot of an asset."""

    VENUE = "venue"
    PERP = "perp"
    SPOT = "spot"


def scope_of(kind: Kind) -> Scope:
    """Return the aggregate that an instrument of this kind belongs to."""
    return Scope.SPOT if kind is Kind.SPOT else Scope.PERP


class Side(IntEnum):
    """The aggressor of a trade, as the sign its quantity has in delta."""

    BUY = 1
    SELL = -1
    UNKNOWN = 0


class OrderClass(IntEnum):
    """Why a trade happened, in the low bits of a trade row's flags."""

    MARKET = 0
    RPI = 1
    LIQUIDATION = 2
    ADL = 3
    INSURANCE = 4
    BLOCK = 5
    UNKNOWN = 6


CLASS_MASK = 0x0F
"""The part of a trade row's flags that holds the `OrderClass`."""

OFF_GRID = 0x10
"""Flag: the venue's price was off its tick grid (take-overs only); the row holds the tick below."""

EXCLUDED_CLASSES = frozenset({OrderClass.ADL, OrderClass.INSURANCE, OrderClass.BLOCK})
"""Classes without an aggressor in the book: counted as `excluded`, never in rows, delta or CVD."""


TAKE_OVERS = frozenset({OrderClass.ADL, OrderClass.INSURANCE})
"""Excluded classes in which a liquidated position went to somebody without an order in the book."""


class FeedState(StrEnum):
    """What a feed is doing; a dead feed is never a quiet market."""

    LIVE = "live"
    QUIET = "quiet"
    STALE = "stale"
    DOWN = "down"
    HALTED = "halted"
    NOT_LISTED = "not_listed"


COVERING_STATES = frozenset({FeedState.LIVE, FeedState.QUIET})
"""States in which the absence of a trade means that there was none."""


_STALE_SECONDS = {"hyperliquid": 10}
_DEFAULT_STALE_SECONDS = 5


def stale_after_us(venue: str) -> int:
    """Return after how many microseconds without a sign of life a venue's feed is stale."""
    return _STALE_SECONDS.get(venue, _DEFAULT_STALE_SECONDS) * US_PER_SECOND


class DataSource(StrEnum):
    """How a row reached us."""

    STREAM = "stream"
    REST = "rest"
    DUMP = "dump"


class TradeIds(StrEnum):
    """What a venue's trade ids promise, which decides how duplicates are recognised."""

    SEQUENTIAL = "sequential"
    """Integers that grow with time (gaps may be visible in them)."""
    OPAQUE = "opaque"
    """Hashes or UUIDs: unique, without order."""
