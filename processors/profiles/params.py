"""Parameters of volume profiles; the defaults are our own, not validated, but for the share."""

import msgspec

from processors.measures.nodes import NodeParams
from processors.measures.shares import Share
from processors.measures.value_area import SHARE, Method
from schemas.profiles import ProfileWindow
from schemas.units import US_PER_DAY, US_PER_SECOND

US_PER_FOUR_HOURS = US_PER_DAY // 6

SPANS_US = {
    ProfileWindow.SESSION: US_PER_DAY,
    ProfileWindow.FOUR_HOURS: US_PER_FOUR_HOURS,
    ProfileWindow.ROLLING_24H: US_PER_DAY,
    ProfileWindow.COMPOSITE_7D: 7 * US_PER_DAY,
    ProfileWindow.COMPOSITE_30D: 30 * US_PER_DAY,
}
COMPOSITES = (ProfileWindow.COMPOSITE_7D, ProfileWindow.COMPOSITE_30D)


class ProfileParams(msgspec.Struct, frozen=True, kw_only=True):
    """How profiles are made and how often open ones are sent.

    Args:
        step_seconds: how far the rolling window moves at a time; a divisor of four hours.
        provisional_seconds: how often an open profile is sent at most.
        composite_seconds: the same for composites, which are large and change little.
        max_rows: how many rows are kept of one profile, and published from its lowest to its
            highest; beyond, rows are made twice as high.
        method: of the value area.
        share: of the value area.
        nodes: what makes a node.
        naked_sessions: of how many past sessions a naked POC is remembered.
        least_covered: how much of a day must have been seen for it to leave levels behind, on
            average over its instruments; as for means (definitions 5.6).

    Raises:
        ValueError: one of them has no meaning.
    """

    step_seconds: int = 300
    provisional_seconds: int = 10
    composite_seconds: int = 300
    max_rows: int = 4096
    method: Method = "single"
    share: Share = SHARE
    nodes: NodeParams = NodeParams()
    naked_sessions: int = 30
    least_covered: Share = (4, 5)

    def __post_init__(self) -> None:
        if self.step_seconds < 1 or US_PER_FOUR_HOURS % (self.step_seconds * US_PER_SECOND):
            raise ValueError(f"must be a divisor of four hours, was {self.step_seconds} s")
        share, per = self.share
        if not 0 < share <= per:
            raise ValueError(f"must be a share above 0 and up to 1, was {self.share}")
        least, per = self.least_covered
        if not 0 <= least <= per or not per:
            raise ValueError(f"must be a share of at most 1, was {self.least_covered}")
        for name in ("provisional_seconds", "composite_seconds", "max_rows", "naked_sessions"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, was {getattr(self, name)}")

    def pace_us(self, window: ProfileWindow) -> int:
        """Return how often a window is sent while open."""
        seconds = self.composite_seconds if window in COMPOSITES else self.provisional_seconds
        return seconds * US_PER_SECOND
