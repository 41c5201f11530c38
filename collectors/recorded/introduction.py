"""What a recording says of a connection when it is opened, so that it can be played as it was."""

import msgspec

from schemas.instruments import Instrument
from schemas.market import FeedState


class Introduction(msgspec.Struct, frozen=True):
    """The session that a connection belongs to: its feed, its group, what it subscribed to.

    `forced` are feed states that held whatever the connection says, by symbol: what is not listed
    was not asked for.
    """

    feed: str
    group: str
    streams: list[str]
    instruments: list[Instrument]
    linger_us: int
    forced: dict[str, FeedState] = {}


_decoder = msgspec.json.Decoder(Introduction)


def read_introduction(data: bytes) -> Introduction | None:
    """Read what came with a `connect`; None where the recorder wrote nothing of ours."""
    try:
        return _decoder.decode(data) if data else None
    except ValueError:
        return None
