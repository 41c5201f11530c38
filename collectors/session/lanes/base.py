"""What every lane has: its place in the session, when it is due, and what it did."""

from abc import ABC, abstractmethod
from typing import Any

from collectors.session.tally import Tally
from schemas.instruments import Instrument
from schemas.trades import BatchHeader
from schemas.units import US_PER_SECOND

CLOCK_TOLERANCE_US = 500_000
"""How far ahead of our clock a time of the venue may be and still count as it is."""

Header = dict[str, Any]
"""The fields of a `BatchHeader`, which the session fills in the same way for every lane."""


class Lane(ABC):
    """One dataset of one instrument inside one session.

    A lane that has something is due after its linger, otherwise every second, so that time and
    feed state move on. It does not publish before it is `active`: before the venue has
    acknowledged it or sent something (unless its state is forced).

    Attributes:
        schema: of its records.
        sequence: number of its next record.
        sent_us: receive time of its newest record.
        item_us: receive time of its newest item.
    """

    schema: str

    def __init__(self, instrument: Instrument, stream: str, opened_us: int) -> None:
        self.instrument = instrument
        self.stream = stream
        self.active = False
        self.sequence = 0
        self.sent_us = 0
        self.item_us = opened_us
        self.tally = Tally(opened_us)

    @property
    def pending_us(self) -> int:
        """When what waits has to be sent, 0 where nothing waits."""
        return 0

    @property
    def has_rows(self) -> bool:
        """Whether rows wait that would be lost with the lane."""
        return bool(self.pending_us)

    @property
    def overfull(self) -> bool:
        """Whether what waits has to be sent at once."""
        return False

    def due_us(self) -> int:
        """Return when the next record is due, 0 for never."""
        if not self.active:
            return 0
        return self.pending_us or self.sent_us + US_PER_SECOND

    @property
    def ahead_us(self) -> int:
        """The venue time of the newest item that waits, 0 without one."""
        return 0

    @abstractmethod
    def build(self, header: Header, now_us: int) -> BatchHeader:
        """Make the record of what waits."""
