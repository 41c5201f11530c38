"""The venues on loopback: their real wire formats over real web sockets and REST.

`Simulator` serves every feed under its own prefix of one port, fed by a `ScriptedMarket` or by
recordings. The dialects are pure (bytes in, bytes out) and know nothing of the collectors, so
that a misreading of a venue's sheet cannot hide on both sides at once.
"""

from simulator.market import ScriptedMarket
from simulator.playback import PlaybackSource
from simulator.server import Simulator
from simulator.sources import ScriptedSource, Source

__all__ = ["PlaybackSource", "ScriptedMarket", "ScriptedSource", "Simulator", "Source"]
