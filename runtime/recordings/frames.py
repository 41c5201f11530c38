"""The recorded frame: bytes that passed between us and a venue, with their time and address."""

from dataclasses import dataclass
from typing import Literal

FrameKind = Literal["connect", "http", "send", "recv", "close"]


@dataclass(frozen=True, slots=True)
class RecordedFrame:
    """One event of one connection.

    `data` is the frame as received (recv) or sent (send), or the body of a REST answer (http).
    `url` is the web-socket address of the connection, or the whole REST address; it is empty in
    formats that do not keep it. `receive_time_us` is the recorder's clock, UTC.
    """

    receive_time_us: int
    connection: str
    kind: FrameKind
    url: str
    data: bytes
