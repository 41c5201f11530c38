"""What has to be found of an act: written from its numbers, not from what an operator says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Found(StrEnum):
    """What kind of record tells of it."""

    ABSORPTION = "absorption"
    PULLED_WALL = "pulled_wall"
    EXHAUSTION = "exhaustion"
    DIVERGENCE = "delta_divergence"
    CASCADE = "cascade"


@dataclass(frozen=True, slots=True)
class Step:
    """A state that is reached within `[from_us, until_us]`, both ends included."""

    state: str
    from_us: int
    until_us: int


@dataclass(frozen=True, slots=True)
class Truth:
    """One event.

    Attributes:
        found: what it is.
        asset: of which asset.
        side: as the records write it: the aggressor's, or of a cascade the liquidated side.
        feeds: where it happens; the records of all other feeds say nothing of it.
        steps: its states in order, and no others.
        span_us: what it was seen in, `[start, end)`.
        prices: lowest and highest price in quote coins that each named price may have.
        form: which definition of the kind is met, empty where there is only one.
        aggregate: whether it is an event of all perpetuals, too.
    """

    found: Found
    asset: str
    side: str
    feeds: tuple[str, ...]
    steps: tuple[Step, ...]
    span_us: tuple[int, int]
    prices: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    form: str = ""
    aggregate: bool = False
