"""Plays recordings of any format to those who subscribe to the streams in them."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

from runtime.clock import Clock
from runtime.errors import ConfigurationError
from runtime.recordings import RecordedFrame, merge, read_recording
from simulator.dialects import make_dialect
from simulator.dialects.base import Dialect, Frame, RestRequest
from simulator.model import SimInstrument
from simulator.surface import Surface

METADATA_FRAMES = 2000
_YIELD_FRAMES = 256


@dataclass(frozen=True)
class PlaybackSource:
    """Plays the frames of one feed with their original spacing.

    Metadata is taken from the REST answers among the first 2,000 frames; what is not there comes
    from `metadata` (by the name of `Dialect.metadata_name`), else it lists `instruments`.

    Args:
        feed: whose frames are played; those of other addresses in the files are left out.
        paths: recordings, merged by receive time.
        format: of the recordings; guessed from each name where it is None.
        start_us: the clock's time for the first frame; None is when the streams are subscribed.
            What is overdue by then comes at once.
        speed: how much faster than recorded; None is as fast as the clients read.
        wait_for: streams that must be subscribed before the first frame; any stream where empty.
        metadata: REST bodies for what the recordings do not hold.
        instruments: what is listed where there is no body at all.
    """

    feed: str
    paths: Sequence[Path]
    format: str | None = None
    speed: float | None = 1.0
    start_us: int | None = None
    wait_for: Sequence[str] = ()
    metadata: Mapping[str, bytes] = field(default_factory=dict)
    instruments: Sequence[SimInstrument] = ()

    def __post_init__(self) -> None:
        if self.speed is not None and self.speed <= 0.0:
            raise ConfigurationError(f"a playback speed must be above zero, was {self.speed}")

    def dialects(self) -> Mapping[str, Dialect]:
        """Return the feed's dialect with the metadata of its recordings.

        Raises:
            PayloadError: a recording breaks off within its first frames.
        """
        plain = make_dialect(self.feed, self.instruments, {})
        bodies = dict(self.metadata) | _metadata(islice(self._frames(), METADATA_FRAMES), plain)
        return {self.feed: make_dialect(self.feed, self.instruments, bodies)}

    async def run(self, surfaces: Mapping[str, Surface], clock: Clock) -> None:
        """Play the recordings once, from the first subscription on.

        Raises:
            PayloadError: a recording breaks off; what was before it has been played.
        """
        surface = surfaces[self.feed]
        await surface.subscribed(self.wait_for)
        start_us = clock.now_us() if self.start_us is None else self.start_us
        first_us: int | None = None
        for number, frame in enumerate(self._received(surface.dialect)):
            if first_us is None:
                first_us = frame.receive_time_us
            if self.speed is None:
                await surface.room()
            else:
                elapsed_us = int((frame.receive_time_us - first_us) / self.speed)
                await clock.sleep_until_us(start_us + elapsed_us)
            if number % _YIELD_FRAMES == 0:
                await asyncio.sleep(0)
            for key in surface.dialect.keys_of(frame.data):
                surface.publish(Frame(key, frame.data))

    def _received(self, dialect: Dialect) -> Iterator[RecordedFrame]:
        return (
            frame for frame in self._frames() if frame.kind == "recv" and dialect.owns(frame.url)
        )

    def _frames(self) -> Iterator[RecordedFrame]:
        return merge([read_recording(path, self.format) for path in self.paths])


def _metadata(frames: Iterable[RecordedFrame], dialect: Dialect) -> dict[str, bytes]:
    bodies = {}
    for frame in frames:
        if frame.kind == "http" and frame.url and dialect.owns(frame.url):
            parts = urlsplit(frame.url)
            name = dialect.metadata_name(RestRequest("GET", parts.path, parts.query, frame.data))
            if name is not None:
                bodies[name] = frame.data
    return bodies
