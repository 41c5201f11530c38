"""Parameters of the context operator, with the defaults of definitions 5.12."""

import msgspec

from processors.context.polls import Polls
from processors.measures.quadrant import Ratio
from processors.measures.true_range import BARS
from schemas.books import BANDS_BP


class ContextParams(msgspec.Struct, frozen=True, kw_only=True):
    """What decides the numbers.

    Dead zones are ratios: of the price in average true ranges of bars as long as the window (which
    needs `least_bars` of them), of open interest in shares of it. `obi_known` is the part of the
    window for which a book must be known, `weight_cap` the most that one venue's imbalance counts.

    Raises:
        ValueError: a window that is no whole number of steps, or a number that cannot be.
    """

    step_seconds: int = 10
    polls: Polls = Polls()
    change_seconds: tuple[int, ...] = (60, 900, 3600, 14_400)
    quadrant_seconds: tuple[int, ...] = (900, 3600, 14_400)
    least_bars: int = 6
    price_dead_atr: Ratio = (1, 4)
    interest_dead: Ratio = (15, 10_000)
    obi_band_bp: int = 20
    obi_seconds: int = 30
    obi_known: Ratio = (4, 5)
    weight_seconds: int = 900
    weight_cap: Ratio = (1, 2)
    cvd_seconds: int = 1800
    cvd_clip: Ratio = (3, 2)
    usual_days: int = 30
    usual_least_minutes: int = 7 * 1440
    usual_percent: int = 95
    book_flow_dead: Ratio = (1, 10)

    def __post_init__(self) -> None:
        _check_seconds(self)
        ratios = (self.price_dead_atr, self.interest_dead, self.obi_known, self.weight_cap)
        for ratio in (*ratios, self.cvd_clip, self.book_flow_dead):
            if ratio[0] < 0 or ratio[1] < 1:
                raise ValueError(f"expected a ratio of natural numbers, was {ratio}")
        if self.weight_cap[0] < 1:
            raise ValueError("a cap of zero leaves no venue a weight")
        if self.obi_band_bp not in BANDS_BP:
            raise ValueError(f"books have no band of {self.obi_band_bp} bp")
        if not 1 <= self.usual_percent <= 100:
            raise ValueError(f"expected a percentile of 1 to 100, was {self.usual_percent}")
        if min(self.usual_days, self.usual_least_minutes, self.least_bars) < 1:
            raise ValueError("expected at least a day, a minute and a bar")
        if self.least_bars > BARS:
            raise ValueError(f"an average is of {BARS} bars, never of {self.least_bars}")

    @property
    def windows(self) -> tuple[int, ...]:
        """All windows over which points are compared, in seconds."""
        return (
            *self.change_seconds,
            *self.quadrant_seconds,
            self.weight_seconds,
            self.cvd_seconds,
        )


def _check_seconds(params: ContextParams) -> None:
    if params.step_seconds < 1 or 60 % params.step_seconds:
        raise ValueError(f"a minute is no whole number of {params.step_seconds} s steps")
    for seconds in params.windows:
        if seconds < 1 or seconds % params.step_seconds:
            raise ValueError(f"a window of {seconds} s is no whole number of steps")
    if params.obi_seconds < 1:
        raise ValueError(f"expected seconds above zero, was {params.obi_seconds}")
