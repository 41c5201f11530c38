"""Price levels that are known in advance: what an absorption or a setup may happen at."""

from enum import StrEnum
from typing import NamedTuple


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


def at(levels: list[Level], low_ticks: int, high_ticks: int) -> list[Level]:
    """Return the levels that the prices `[low_ticks, high_ticks)` touch."""
    return [one for one in levels if one.low_ticks < high_ticks and low_ticks < one.high_ticks]
