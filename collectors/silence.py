"""A route on which nothing comes any more, told from a market on which nothing happens."""

from collections import Counter
from dataclasses import dataclass

from collectors.session.line import Line
from collectors.venue import Channel

CHANNEL_SILENT_SECONDS = 75.0
"""A channel that is never quiet is dead after so long without a word on any stream. The keep-alive
of a quiet book of OKX comes once a minute."""

STEADY_SECONDS = 10 * CHANNEL_SILENT_SECONDS
"""A channel is taken for never quiet once it made no pause of a third of that for so long."""

NEVER_QUIET = 60
"""Of so many streams one always says something; a single one may say nothing that many times as
long."""


@dataclass(slots=True)
class _Heard:
    """When a channel was last heard, and since when it made no pause to speak of.

    `word_us` is receive time, the others are in seconds of the event loop.
    """

    word_us: int
    at: float
    steady_since: float


class Silence:
    """Finds a dead route on one connection, in real time whatever the clock is.

    Dead is a connection on which nothing moves at all, and a channel that went on without a pause
    and then ends. A channel with pauses is given more time the fewer streams it has.
    """

    def __init__(self, line: Line) -> None:
        self._line = line
        self._streams = Counter(stream.channel for stream in line.asked.values())
        self._heard: dict[Channel, _Heard] = {}

    def look(self, now: float) -> str:
        """Return what is wrong, "" where nothing is; `now` is the event loop's time."""
        newest = self._line.newest_words_us()
        self._heard = {
            channel: self._hear(channel, word_us, now) for channel, word_us in newest.items()
        }
        silent = {channel: now - heard.at for channel, heard in self._heard.items()}
        if silent and min(silent.values()) > CHANNEL_SILENT_SECONDS:
            return "no word on any stream: a dead route"
        for channel, seconds in silent.items():
            if seconds > self._patience(channel):
                return f"no word on any stream of {channel}: a dead route"
        return ""

    def _hear(self, channel: Channel, word_us: int, now: float) -> _Heard:
        heard = self._heard.get(channel)
        if heard is None:
            return _Heard(word_us, now, now)
        if word_us != heard.word_us:
            paused = now - heard.at > CHANNEL_SILENT_SECONDS / 3
            heard.steady_since = now if paused else heard.steady_since
            heard.word_us, heard.at = word_us, now
        return heard

    def _patience(self, channel: Channel) -> float:
        """Return how many seconds a channel may be silent while others are not."""
        heard = self._heard[channel]
        if heard.at - heard.steady_since > STEADY_SECONDS:
            return CHANNEL_SILENT_SECONDS
        return CHANNEL_SILENT_SECONDS * max(1.0, NEVER_QUIET / self._streams[channel])
