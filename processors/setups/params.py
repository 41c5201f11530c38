"""Parameters of the setups; all defaults are unvalidated (definitions 5.13)."""

import msgspec

from processors.measures.shares import Share, check_share


class SetupParams(msgspec.Struct, frozen=True, kw_only=True):
    """What arms, triggers, confirms and ends the setups; bars are those of the variant.

    Of all
    - `life_bars`: after TRIGGERED, a setup ends.
    - `leader_bars`: one-minute bars over which the reference instrument trades most.

    Absorption at a level
    - `armed_bp`, `leave_bp`: how near to a level arms, and how far from it disarms.
    - `level_bp`: how far from a level an absorption is at it.
    - `fade`, `fade_seconds`: to what share of its rate the absorbed side has to fall.
    - `candidate_seconds`: how long after a candidate that may happen.
    - `confirm_bars`: within which a bar confirms; `imbalances`: so many in each of two bars.

    Delta divergence
    - `pivot_bp`: how near to a level a pivot arms; `pivot_bars`: for how long it does.
    - `agreeing_venues`: fewer have to be all of three or more (`strong`).
    - `exhaustion_bars`: within which exhaustion confirms.

    Sweep and reclaim
    - `reclaim_bars`: after the extreme, within which a close reclaims the level.
    - `interest_fall`: least fall of open interest since the start.
    - `lost_bars`: so many closes beyond the level in a row invalidate.

    Breakout
    - `range_bars`, `range_atr`, `touches`: the range; `touch_atr`: how near to an edge a touch is.
    - `loose_bars`: so many bars in a row without a range disarm.
    - `atr_bars`: of the average true range; `break_atr`: how far beyond the edge a close breaks.
    - `delta_bars`, `delta_share`: the percentile of a bar's delta.
    - `stack_bars`: the bars, with the breakout's own, of which one has a stack.
    - `inside_bars`: within which a close inside, or two bars against it, invalidate.

    Raises:
        ValueError: a value that no state could be reached or left with.
    """

    life_bars: int = 20
    leader_bars: int = 60
    armed_bp: int = 5
    leave_bp: int = 10
    level_bp: int = 3
    fade: Share = (1, 2)
    fade_seconds: int = 10
    candidate_seconds: int = 60
    confirm_bars: int = 3
    imbalances: int = 2
    pivot_bp: int = 10
    pivot_bars: int = 20
    agreeing_venues: int = 2
    exhaustion_bars: int = 5
    reclaim_bars: int = 2
    interest_fall: Share = (3, 1000)
    lost_bars: int = 3
    range_bars: int = 60
    range_atr: int = 6
    touches: int = 2
    touch_atr: Share = (1, 4)
    loose_bars: int = 5
    atr_bars: int = 14
    break_atr: Share = (1, 10)
    delta_bars: int = 240
    delta_share: Share = (9, 10)
    stack_bars: int = 2
    inside_bars: int = 5

    def __post_init__(self) -> None:
        for name, value in msgspec.structs.asdict(self).items():
            if isinstance(value, tuple):
                check_share(value, name)
            elif value < 1:
                raise ValueError(f"{name} must be 1 or more, was {value}")
        if self.leave_bp < self.armed_bp:
            raise ValueError("leave_bp must be armed_bp or more, or states alternate")
        if self.range_bars <= self.atr_bars:
            raise ValueError("range_bars must be more than atr_bars")

    @property
    def held_bars(self) -> int:
        """How many bars in a row a rule looks at: a range, and the bar that breaks it."""
        return self.range_bars + 1


DEFAULT = SetupParams()
