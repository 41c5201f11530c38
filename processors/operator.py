"""What an operator is: batches and log time in, records out, state to and from a snapshot.

Operators are pure: same inputs in the same order give the same outputs. They have no clock, no
randomness and no I/O; the time they know is `Feeds.now_us` and the frontiers it yields.
"""

from typing import NamedTuple, Protocol

import msgspec

from processors.feeds import Accepted, Feeds
from processors.plain import Plain
from processors.state import State
from schemas.lineage import InputRange, revision_of


class Cause(NamedTuple):
    """The input record that is being worked on; it names and orders the outputs it leads to."""

    topic: str
    partition: int
    offset: int
    epoch: int

    @property
    def revision(self) -> int:
        """A number that grows along the log, also over logs made one after another."""
        return revision_of(self.epoch, self.offset)

    def since(self, first_offset: int) -> list[InputRange]:
        """Return the input range from an earlier offset up to this record."""
        return [InputRange(self.topic, self.partition, first_offset, self.offset)]


class Output(NamedTuple):
    """A record to be sent."""

    topic: str
    key: str
    record: msgspec.Struct
    timestamp_us: int


class Stateful(Protocol):
    """What survives a restart, under a name of its own."""

    name: str

    def snapshot(self) -> State:
        """Return the state after the last record; what it returns is plain JSON values."""
        ...

    def restore(self, head: Plain, parts: dict[str, bytes]) -> None:
        """Continue from a snapshot, given every part that `keeps` still names."""
        ...

    def keeps(self, part: str) -> bool:
        """Say whether a part written earlier is still needed."""
        ...


class Operator(Stateful, Protocol):
    """One computation over one asset."""

    def on_batch(self, batch: Accepted, cause: Cause) -> list[Output]:
        """Take the new trades of one batch in."""
        ...

    def on_time(self, feeds: Feeds, cause: Cause) -> list[Output]:
        """Let log time move on: close windows, send what is due."""
        ...

    def waiting(self, feeds: Feeds, cause: Cause) -> list[Output]:
        """Return the provisional outputs that are held back for their pace; nothing changes.

        For a host that stops: what is sent last then holds everything that was taken in.
        """
        ...
