"""One connection as its session sees it: what was acknowledged and what was heard on it."""

from collections.abc import Callable, Iterable, Sequence

from collectors.venue import Channel, Parser, Stream
from schemas.units import US_PER_SECOND

FIRST_WORD_US = 30 * US_PER_SECOND
"""A stream that begins with a snapshot or repeats itself, and has said nothing by then, is dead."""

MAX_TRIES = 3
"""How often a stream that never spoke is begun anew."""

REFUSED_US = 10 * US_PER_SECOND
"""When a stream that was refused is asked for again; twice as late where it is refused again."""

LONGEST_REFUSED_US = 3_600 * US_PER_SECOND

LULL_US = {Channel.TOP: 60 * US_PER_SECOND, Channel.TICKER: 300 * US_PER_SECOND}
"""How long a stream that spoke may then say nothing: best prices while the instrument moves, a
ticker whatever it does. The slowest ticker, a funding rate of OKX, comes every 90 seconds."""

MOVING = (Channel.TRADES, Channel.BOOK, Channel.TOP, Channel.TICKER)
"""Channels on which there always is something, on one stream or another."""

Listed = Callable[[Iterable[Stream]], list[Stream]]


class Line:
    """What one connection has shown of itself.

    Args:
        parser: reads its frames.
        streams: what is asked for on it.
        opened_us: when it was opened.
        listed: leaves out streams of what the venue does not list any more: nothing is expected
            of them.
        moving: the channels that always move.

    Attributes:
        asked: what is asked for on it, by name.
    """

    def __init__(
        self,
        parser: Parser,
        streams: Sequence[Stream],
        opened_us: int,
        listed: Listed,
        moving: Sequence[Channel],
    ) -> None:
        self.parser = parser
        self.opened_us = opened_us
        self.heard_us = opened_us
        self.asked = {stream.name: stream for stream in streams}
        self._listed = listed
        self._moving = moving
        self._acknowledged: set[str] = set()
        self._words_us: dict[str, int] = {}
        self._tries: dict[str, tuple[int, int | None]] = {}
        """How often a stream was begun anew, and its last word before."""
        self._refused: dict[str, tuple[int, int]] = {}
        """Of streams that are not served: how long we wait, and when they are next asked for."""

    def hear(self, stream: Stream, now_us: int) -> bool:
        """Note a word on a stream; return whether it is the first."""
        is_first = stream.name not in self._words_us
        self._words_us[stream.name] = now_us
        return is_first

    def acknowledge(self, names: Iterable[str]) -> list[str]:
        """Note what the venue acknowledged (everything where it does not say what)."""
        known = [name for name in names if name in self.asked] or list(self.asked)
        self._acknowledged.update(known)
        for name in names:
            self._refused.pop(name, None)
        return known

    def refuse(self, names: Iterable[str], now_us: int) -> None:
        """Note what the venue will not serve: nothing is expected of it until it acknowledges."""
        for name in names:
            if name in self.asked:
                waited_us, _ = self._refused.get(name, (REFUSED_US // 2, 0))
                wait_us = min(2 * waited_us, LONGEST_REFUSED_US)
                self._refused[name] = (wait_us, now_us + wait_us)

    def refused_streams(self, now_us: int) -> list[Stream]:
        """Return streams that were refused and are to be asked for again, each ever later."""
        found = []
        for name, (wait_us, due_us) in tuple(self._refused.items()):
            if self._words_us.get(name, 0) > due_us - wait_us:
                del self._refused[name]  # it is served all the same
            elif due_us <= now_us:
                self._refused[name] = (wait_us, now_us + wait_us)
                found.append(self.asked[name])
        return self._listed(found)

    def expects(self, name: str) -> bool:
        """Say whether a stream was asked for, not refused, and of something the venue lists."""
        stream = self.asked.get(name)
        return stream is not None and name not in self._refused and bool(self._listed((stream,)))

    @property
    def unacknowledged(self) -> list[str]:
        """Streams that were asked for, not acknowledged, and on which nothing came."""
        return [
            stream.name
            for stream in self._expected()
            if stream.name not in self._acknowledged and stream.name not in self._words_us
        ]

    @property
    def ready(self) -> bool:
        """Whether everything is acknowledged and every stream that must speak has spoken."""
        return not (self.unacknowledged or self._refused) and all(
            stream.name in self._words_us
            for stream in self._expected()
            if stream.channel in (*LULL_US, Channel.BOOK)
        )

    def newest_words_us(self) -> dict[Channel, int]:
        """Return when each channel that always moves was last heard on any of its streams."""
        newest: dict[Channel, int] = {}
        for stream in self._expected():
            if stream.channel in self._moving:
                newest_us = newest.get(stream.channel, 0)
                newest[stream.channel] = max(newest_us, self.word_us(stream))
        return newest

    def word_us(self, stream: Stream) -> int:
        """Return when a stream was last heard, at first when it was asked for."""
        return self._words_us.get(stream.name, self.opened_us)

    def dead_streams(self, now_us: int, moved_us: Callable[[Stream], int]) -> list[Stream]:
        """Return streams that say nothing and should; each again, ever later.

        Args:
            now_us: receive time.
            moved_us: returns when a stream's instrument was last seen to move.
        """
        found = []
        for stream in self._expected():
            if stream.channel not in LULL_US:
                continue
            word_us = self._words_us.get(stream.name)
            tries, before_us = self._tries.get(stream.name, (0, word_us))
            if before_us != word_us:
                tries = 0
            if word_us is None:
                wait_us = FIRST_WORD_US * (tries + 1)
                dead = tries < MAX_TRIES and now_us - self.opened_us > wait_us
            else:
                until_us = moved_us(stream) if stream.channel is Channel.TOP else now_us
                dead = until_us - word_us > LULL_US[stream.channel] << tries
            if dead:
                self._tries[stream.name] = (tries + 1, word_us)
                found.append(stream)
        return found

    def _expected(self) -> list[Stream]:
        return self._listed([one for one in self.asked.values() if one.name not in self._refused])
