"""Which connections are open at a point of a recording, so that reading can begin there."""

from dataclasses import replace

from runtime.recordings.frames import RecordedFrame

MAX_CONNECTIONS = 4096


class OpenConnections:
    """The last `connect` of every connection that has not been closed since.

    Holds the newest 4096; of an older one nothing is known any more.
    """

    def __init__(self, connects: tuple[RecordedFrame, ...] = ()) -> None:
        self._connects = {frame.connection: frame for frame in connects}

    @property
    def connects(self) -> tuple[RecordedFrame, ...]:
        """What they were opened with, the oldest first."""
        return tuple(self._connects.values())

    def note(self, frame: RecordedFrame) -> None:
        """Take one frame in, of any kind."""
        if frame.kind == "connect":
            self._connects.pop(frame.connection, None)
            self._connects[frame.connection] = frame
            if len(self._connects) > MAX_CONNECTIONS:
                del self._connects[next(iter(self._connects))]
        elif frame.kind == "close":
            self._connects.pop(frame.connection, None)

    def lead_to(
        self, others: "OpenConnections", ended_us: int, begun_us: int
    ) -> list[RecordedFrame]:
        """Return the frames that turn these connections into others.

        Args:
            others: what is open where reading goes on.
            ended_us: the time of the closes.
            begun_us: the time of the connects, as the time of the first is long gone.
        """
        mine, theirs = self._connects, others._connects
        ended = [frame for name, frame in mine.items() if theirs.get(name) != frame]
        begun = [frame for name, frame in theirs.items() if mine.get(name) != frame]
        return [
            *(replace(one, receive_time_us=ended_us, kind="close", data=b"") for one in ended),
            *(replace(one, receive_time_us=begun_us) for one in begun),
        ]
