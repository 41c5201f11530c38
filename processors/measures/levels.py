"""Price levels that are known in advance: what an absorption or a setup may happen at.

Which of them price may be expected to hold at is the list of definitions 5.7: the prior session's
POC, value area and extremes, naked POCs, rows of high volume, pivots (`HOLDING`). Composites and
rows of low volume are levels for people, and not for these rules.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple, Protocol

from processors.scopes import ScopeKey

BP = 10_000


class LevelKind(StrEnum):
    """What makes a price a level."""

    PRIOR_POC = "prior_poc"
    PRIOR_VAH = "prior_vah"
    PRIOR_VAL = "prior_val"
    PRIOR_HIGH = "prior_high"
    PRIOR_LOW = "prior_low"
    NAKED_POC = "naked_poc"
    COMPOSITE_POC = "composite_poc"
    COMPOSITE_VAH = "composite_vah"
    COMPOSITE_VAL = "composite_val"
    HIGH_VOLUME_NODE = "high_volume_node"
    LOW_VOLUME_NODE = "low_volume_node"
    PIVOT = "pivot"


HOLDING = frozenset(
    {
        LevelKind.PRIOR_POC,
        LevelKind.PRIOR_VAH,
        LevelKind.PRIOR_VAL,
        LevelKind.PRIOR_HIGH,
        LevelKind.PRIOR_LOW,
        LevelKind.NAKED_POC,
        LevelKind.HIGH_VOLUME_NODE,
        LevelKind.PIVOT,
    }
)


class Level(NamedTuple):
    """Prices `[low_ticks, high_ticks)` that count since `since_us`; `source` names the record.

    A row is a level whole. The edges of a value area are the rows just inside it, the extremes of
    a session one tick.
    """

    kind: LevelKind
    low_ticks: int
    high_ticks: int
    since_us: int
    source: str


class LevelSource(Protocol):
    """Who knows the levels of a scope."""

    def levels(self, key: ScopeKey) -> list[Level]:
        """Return the known levels of a scope by price, as of the newest second."""
        ...


def name_of(level: Level) -> str:
    """Return how a level is named as evidence."""
    return f"level:{level.kind.value}:{level.source}"


def distance(level: Level, price: int) -> int:
    """Return how many ticks a price is away from the prices of a level; 0 among them."""
    return max(level.low_ticks - price, price - level.high_ticks + 1, 0)


def nearest(levels: Iterable[Level], price: int, most_bp: int) -> Level | None:
    """Return the level that holds nearest to a price, None where none is near enough.

    Of several as near, the one of the earliest kind in `LevelKind`, and of these the lowest.

    Args:
        levels: of the same tape as the price.
        price: in ticks.
        most_bp: how far it may be away, in basis points of the price.
    """
    near = [
        (away, _PLACES[level.kind], level)
        for level in levels
        if level.kind in HOLDING and (away := distance(level, price)) * BP <= most_bp * price
    ]
    return min(near)[2] if near else None


def at(levels: list[Level], low_ticks: int, high_ticks: int) -> list[Level]:
    """Return the levels that the prices `[low_ticks, high_ticks)` touch."""
    return [one for one in levels if one.low_ticks < high_ticks and low_ticks < one.high_ticks]


_PLACES = {kind: place for place, kind in enumerate(LevelKind)}
