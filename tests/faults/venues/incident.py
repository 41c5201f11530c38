"""One case of the matrix, and one case at one feed while it goes on."""

from collections.abc import Callable
from dataclasses import dataclass, field

from schemas.books import BookState
from schemas.ops import QualityKind
from simulator.fault_log import Applied
from simulator.faults import Fault
from tests.faults.venues.bench import Bench, Tape

US = 1_000_000


@dataclass
class Incident:
    """One case at one feed while it goes on."""

    at: Bench
    feed: str
    case: "Case"
    began_us: int = 0
    ended_us: int = 0
    healed_us: int = 0
    applied: list[Applied] = field(default_factory=list)

    @property
    def tape(self) -> Tape:
        """What was sent of the feed."""
        return self.at.log.tape(self.feed)

    @property
    def touched(self) -> int:
        """On how many frames, connections or requests the first fault acted."""
        return self.applied[0].touched

    def noted(self, kind: QualityKind) -> bool:
        """Say whether something was put on record since the beginning."""
        return bool(self.tape.since(kind, self.began_us))

    def said(self, words: str) -> bool:
        """Say whether words are in the detail of a record since the beginning."""
        return any(
            words in event.detail
            for event in self.tape.events
            if event.log_time_us >= self.began_us
        )

    def lasted(self, seconds: float) -> bool:
        """Say whether so much of the market's time has passed."""
        return self.at.now_us() - self.began_us >= seconds * US

    def book_was(self, state: BookState) -> bool:
        """Say whether a book was in a state since the beginning."""
        return any(
            book.book_state is state and not book.book_valid
            for book in self.tape.books
            if book.receive_time_us >= self.began_us
        )


Felt = Callable[[Incident], bool]
Faults = Callable[[Bench, str], list[Fault]]


@dataclass(frozen=True)
class Case:
    """One row of the matrix.

    Args:
        name: of the row.
        faults: what is applied to a feed; the first one is what `touched` counts.
        felt: when it has lasted long enough.
        says: kinds of quality records that must follow, by feed.
        words: what one of their details must say.
        one: whether only streams of the first asset are concerned.
        unseen: whether trades that are lost leave no trace at feeds without sequential ids.
        reconnects: whether connections are lost.
        shift_us: by how much the venue's clock was wrong meanwhile.
        restarts: whether the ids of books begin anew.
        damages: whether frames are made unreadable, each of them a dead letter.
        refuses: whether each touch is a connection attempt.
    """

    name: str
    faults: Faults
    felt: Felt
    says: Callable[[str], tuple[QualityKind, ...]] = lambda feed: ()
    words: str = ""
    one: bool = False
    unseen: bool = False
    reconnects: bool = False
    shift_us: int = 0
    restarts: bool = False
    damages: bool = False
    refuses: bool = False

    def __str__(self) -> str:
        return self.name
