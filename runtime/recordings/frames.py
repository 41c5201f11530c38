"""The recorded frame: bytes that passed between us and a venue, with their time and address."""

from dataclasses import dataclass
from typing import Literal

FrameKind = Literal["connect", "http", "send", "recv", "pong", "close", "failed"]


@dataclass(frozen=True, slots=True)
class RecordedFrame:
    """One event of one connection.

    `data` is the frame as received (recv) or sent (send), the body of a REST answer (http), or what
    the recorder says of a connection (connect). A pong is the venue's answer to a protocol ping;
    of a REST call that failed for good (failed) `data` says why.
    `url` is the web-socket address of the connection, or the whole REST address; it is empty in
    formats that do not keep it. `receive_time_us` is the recorder's clock, UTC.
    """

    receive_time_us: int
    connection: str
    kind: FrameKind
    url: str
    data: bytes
