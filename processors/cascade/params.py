"""Parameters of the cascade state machine; all defaults are unvalidated (definitions 5.10)."""

import msgspec

from processors.measures.shares import Share
from schemas.books import BANDS_BP

FLOORS_USD = {"BTC": 1_000_000, "ETH": 500_000, "SOL": 250_000}
OTHER_FLOOR_USD = 100_000

_SHARES = (
    "calm_share",
    "active_move_atr",
    "active_interest_fall",
    "eased_share",
    "extreme_share",
    "rekindled_share",
    "exhausted_flow_share",
    "exhausted_interest_fall",
)


class CascadeParams(msgspec.Struct, frozen=True, kw_only=True):
    """Thresholds and holding times, in the order of the states.

    - `floor_usd`: F60; None takes that of the asset.
    - `baseline_days`, `baseline_least_blocks`: over which the P99 of L60 is taken, and of how many
      minutes at least (a day of them, as liquidations have hours); an instrument with fewer is left
      out, and without any the floor stands alone.
    - `episodes_least`, `active_multiple`, `active_move_atr`, `active_interest_fall`: into ACTIVE.
    - `calm_share`, `calm_seconds`: BUILDING back to IDLE.
    - `eased_share`, `eased_seconds`, `still_seconds`: ACTIVE to PEAKED.
    - `extreme_share`, `rekindled_share`: PEAKED back to ACTIVE.
    - `exhausted_flow_share`, `exhausted_interest_fall`: PEAKED to EXHAUSTED.
    - `fade_seconds`, `reclaim_bars`, `cooldown_seconds`: the end.
    - `stale_seconds`: a feed that has been away for longer suspends; `resume_seconds`: a suspension
      up to this long ends in the state before it, a longer one in IDLE.
    - `interest_age_seconds`: older open interest is unknown.
    - `atr_bars`, `pivot_bars`: minutes of the ATR, and left and right of a pivot.
    - `leader_minutes`: over which the reference instrument trades most.
    - `depth_band_bp`: a band of the books.

    Raises:
        ValueError: a value that no state could be reached or left with.
    """

    floor_usd: int | None = None
    baseline_days: int = 7
    baseline_least_blocks: int = 1440
    episodes_least: int = 4
    active_multiple: int = 3
    active_move_atr: Share = (3, 2)
    active_interest_fall: Share = (3, 1000)
    calm_share: Share = (1, 2)
    calm_seconds: int = 60
    eased_share: Share = (3, 10)
    eased_seconds: int = 20
    still_seconds: int = 10
    extreme_share: Share = (3, 10)
    rekindled_share: Share = (6, 10)
    exhausted_flow_share: Share = (1, 2)
    exhausted_interest_fall: Share = (5, 1000)
    fade_seconds: int = 600
    reclaim_bars: int = 2
    cooldown_seconds: int = 300
    stale_seconds: int = 5
    resume_seconds: int = 60
    interest_age_seconds: int = 30
    atr_bars: int = 14
    pivot_bars: int = 3
    leader_minutes: int = 60
    depth_band_bp: int = 50

    def __post_init__(self) -> None:
        for name, value in msgspec.structs.asdict(self).items():
            if name in _SHARES:
                if value[0] <= 0 or value[1] <= 0:
                    raise ValueError(f"{name} must be above zero, was {value}")
            elif value is not None and value < 1:
                raise ValueError(f"{name} must be 1 or more, was {value}")
        if not _below(self.eased_share, self.rekindled_share):
            raise ValueError("eased_share must be below rekindled_share, or states alternate")
        if self.depth_band_bp not in BANDS_BP:
            raise ValueError(f"books have no depth_band_bp of {self.depth_band_bp}")
        if self.leader_minutes < 2 * self.pivot_bars + 1:
            raise ValueError("leader_minutes must reach over the bars of pivots")

    def floor_usd_cents(self, asset: str) -> int:
        """Return F60 of an asset in hundredths of USD."""
        floor = FLOORS_USD.get(asset, OTHER_FLOOR_USD) if self.floor_usd is None else self.floor_usd
        return 100 * floor


def at_least(value: int, share: Share, whole: int) -> bool:
    """Say whether a value is at least a share of a whole, exactly."""
    return value * share[1] >= share[0] * whole


def at_most(value: int, share: Share, whole: int) -> bool:
    """Say whether a value is at most a share of a whole, exactly."""
    return value * share[1] <= share[0] * whole


def _below(low: Share, high: Share) -> bool:
    return low[0] * high[1] < high[0] * low[1]


DEFAULT = CascadeParams()
