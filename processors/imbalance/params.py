"""The parameters of the order book measures, with the defaults of definitions 5.6."""

import msgspec

from schemas.books import BANDS_BP, TOP_LEVELS


class BookParams(msgspec.Struct, frozen=True, kw_only=True):
    """What decides the numbers.

    - `levels`: the N of top-N. `best_widths_bp`: bands that are counted from the best prices.
      `allow_truncated`: give the ratio of a band that is not covered, too.
    - `decay_bp`: the distance from mid at which a weight is 1/e.
    - `persistence_seconds`: the windows of the persistent imbalance.
    - `pull_width_bp`, `pull_seconds`, `time_tol_ms`: how near to the touch, over how long, and how
      far apart a trade and the decrease that it explains may be.
    - `refill_seconds`: the window of the refill ratio.
    - `tracked_levels`, `tracked_band_bp`: the top-N and the band that have z-scores and means over
      time. `score_seconds`, `score_min_samples`: the z-score's window, and how many values it
      needs. `bar_seconds`, `bar_valid_percent`: the bar of the means, and how much of it must be
      known.
    - `flow_seconds`, `flow_cap`: the window of the flow weights, and the most that one venue may
      weigh as (numerator, denominator).
    - `ranks`: how many ranks order flow imbalance is computed for.

    Raises:
        ValueError: a value without meaning.
    """

    levels: tuple[int, ...] = (1, 5, 10, 20, 50)
    best_widths_bp: tuple[int, ...] = (10, 20)
    allow_truncated: bool = False
    decay_bp: int = 10
    persistence_seconds: tuple[int, ...] = (5, 10, 30)
    pull_width_bp: int = 5
    pull_seconds: int = 60
    time_tol_ms: int = 100
    refill_seconds: int = 10
    tracked_levels: int = 10
    tracked_band_bp: int = 10
    score_seconds: int = 3600
    score_min_samples: int = 1800
    bar_seconds: int = 60
    bar_valid_percent: int = 80
    flow_seconds: int = 900
    flow_cap: tuple[int, int] = (1, 2)
    ranks: int = 10

    def __post_init__(self) -> None:
        for name in ("levels", "best_widths_bp", "persistence_seconds"):
            values = getattr(self, name)
            if list(values) != sorted(set(values)) or min(values, default=1) < 1:
                raise ValueError(f"{name} must rise from 1 or more, was {values}")
        for name in ("decay_bp", "pull_width_bp", "pull_seconds", "refill_seconds", "bar_seconds"):
            _check(name, getattr(self, name), 1, None)
        if not self.levels or not self.persistence_seconds:
            raise ValueError("levels and persistence_seconds must not be empty")
        _check("levels", self.levels[-1], 1, TOP_LEVELS)
        _check("tracked_levels", self.tracked_levels, 1, TOP_LEVELS)
        _check("ranks", self.ranks, 1, TOP_LEVELS)
        _check("time_tol_ms", self.time_tol_ms, 0, 500)
        _check("score_seconds", self.score_seconds, 2, None)
        _check("score_min_samples", self.score_min_samples, 2, self.score_seconds)
        _check("bar_valid_percent", self.bar_valid_percent, 1, 100)
        _check("flow_seconds", self.flow_seconds, 1, None)
        if self.tracked_band_bp not in BANDS_BP:
            raise ValueError(
                f"tracked_band_bp must be one of {BANDS_BP}, was {self.tracked_band_bp}"
            )
        if not 0 < self.flow_cap[0] <= self.flow_cap[1]:
            raise ValueError(f"flow_cap must be above 0 and at most 1, was {self.flow_cap}")

    @property
    def measures(self) -> tuple[str, str, str]:
        """The names of the measures that have z-scores; the first two have means as well."""
        return f"top_{self.tracked_levels}", f"band_{self.tracked_band_bp}bp", "weighted"


def _check(name: str, value: int, least: int, most: int | None) -> None:
    if value < least or (most is not None and value > most):
        bounds = f"{least} or more" if most is None else f"{least} to {most}"
        raise ValueError(f"{name} must be {bounds}, was {value}")
