"""The life of one absorption, from candidate to its end (definitions 5.7)."""

from dataclasses import asdict, dataclass, field

from processors.absorption.window import Reading, Window
from processors.plain import Plain
from schemas.events import EventState


@dataclass(slots=True)
class Episode:
    """One candidate of one instrument.

    `side` is that of the aggressor that is absorbed, 1 buy or -1 sell, `end_us` the end of the
    window that it was seen in, `rate` what the side traded in it. `values`, `nulls` and `evidence`
    are what its records repeat.
    """

    id: str
    side: int
    end_us: int
    extreme: int
    width: int
    limit: int
    rate: int
    values: dict[str, int | float | None] = field(default_factory=dict)
    nulls: dict[str, str] = field(default_factory=dict)
    evidence: list[str] = field(default_factory=list)

    @classmethod
    def begin(cls, name: str, side: int, end_us: int, reading: Reading) -> "Episode":
        """Return a new candidate."""
        return cls(name, side, end_us, *reading[:3], reading.rate)

    def dump(self) -> Plain:
        """Return everything as plain values."""
        return asdict(self)

    @staticmethod
    def load(state: Plain) -> "Episode":
        """Take the values of `dump` back."""
        return Episode(**state)


def next_state(
    episode: Episode,
    window: Window,
    furthest: int | None,
    now_us: int,
    life_us: int,
    fade: tuple[int, int],
) -> EventState | None:
    """Return the state that a candidate goes to with the newest second, None if it stays.

    A price beyond the limit fails it, also where the same second would have confirmed it.

    Args:
        episode: the candidate.
        window: of its instrument, without a break since.
        furthest: the price of the newest second that may fail it, if there is one.
        now_us: the end of the newest second.
        life_us: how long it may take.
        fade: to what share of its rate the side must have fallen.
    """
    if furthest is not None and (furthest - episode.limit) * episode.side > 0:
        return EventState.FAILED
    faded = window.rate(episode.side) * fade[1] <= episode.rate * fade[0]
    if faded and window.delta() * episode.side <= 0:
        return EventState.CONFIRMED
    return EventState.EXPIRED if now_us >= episode.end_us + life_us else None
