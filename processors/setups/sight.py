"""What a rule sees when a bar of one instrument has closed, the way up that its side sees it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from processors.measures.levels import Level
from processors.scopes import ScopeKey
from processors.setups.candle import Candle
from processors.setups.track import Track
from processors.setups.wave import Wave
from schemas.cvd_structure import Conviction
from schemas.events import EventSide, FlowEvent


@dataclass(frozen=True, slots=True)
class Sight:
    """One instrument, variant and side at one moment.

    `bar` is mirrored, None inside a bar and where the bar is partial or missing. `price` and levels
    are as they are. `events` are those since the last bar of the variant, `levels` asks for the
    known ones, `wave` is the newest cascade of the side's victims, `cvd_change` the change of the
    rolling 15 minutes over the bar, of the perpetuals that both have, None where unknown. `leads`
    says whether the instrument is the reference, `done` what the last setup here was of.
    """

    sign: int
    now_us: int
    interval_us: int
    key: ScopeKey
    name: str
    track: Track
    levels: Callable[[], list[Level]]
    bar: Candle | None = None
    bar_evidence: str = ""
    price: int | None = None
    events: Sequence[FlowEvent] = ()
    wave: Wave | None = None
    cvd_change: int | None = None
    conviction: Conviction | None = None
    leads: bool = False
    done: str = ""

    @property
    def against(self) -> EventSide:
        """The aggressor who fails where the setup is right: sellers for a long."""
        return EventSide.SELL if self.sign > 0 else EventSide.BUY
