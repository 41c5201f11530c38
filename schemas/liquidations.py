"""The liquidation batch (`md.norm.liquidations.v1`). Source: definitions 5.9."""

from enum import IntEnum, StrEnum

from schemas.trades import BatchHeader

LIQUIDATIONS_SCHEMA = "liquidations.v1"


class LiquidatedSide(IntEnum):
    """Whose position was closed; a closed long sold."""

    LONG = 1
    SHORT = -1


class PriceKind(StrEnum):
    """What the price of a liquidation is."""

    FILL_AVERAGE = "fill_avg"
    BANKRUPTCY = "bankruptcy"
    ORDER = "order"
    MARK = "mark"
    ORACLE = "oracle"


class LiquidationUnit(StrEnum):
    """What one row is."""

    FILL = "fill"
    ORDER = "order"
    EPISODE = "episode"
    POSITION = "position"


class SamplingClass(StrEnum):
    """How much of what happened the venue tells; only sums of class `all` are totals."""

    ALL = "all"
    LATEST_PER_SECOND = "latest_per_s"
    MAX_PER_SECOND = "max_per_s"
    INCOMPLETE = "incomplete"
    UNAVAILABLE = "unavailable"


BACKLOG = 0x01
"""Flag: happened before we subscribed; the venue repeated it."""

ORDER_PRICE = 0x02
"""Flag: nothing was filled yet; price and quantity are those of the order."""

LiquidationRow = tuple[int, str, int, int, int, int]
"""`[event_time_us, price, qty_lots, liquidated_side, occurrence, flags]`.

`price` is decimal text in quote per base coin (an average need not lie on the tick grid).
No venue gives an id: identity is (venue, symbol, time, price, quantity, side, occurrence), where
`occurrence` counts rows of one frame that are otherwise equal.
"""


class LiquidationBatch(BatchHeader, frozen=True, kw_only=True):
    """Liquidations of one instrument; empty once a second, to carry time and feed state.

    `method` names how they were learned. The same trade may be on the trade tape: never add one to
    the other.
    """

    lot: str
    stream: str
    price_kind: PriceKind
    unit: LiquidationUnit
    sampling_class: SamplingClass
    method: str
    rows: list[LiquidationRow]
