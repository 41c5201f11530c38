"""What a book costs, in units of `orjson.loads` of the same frames; the target is 4 at most.

One step after the other is added: `parse` makes a message of the frame, `book` applies it to a book
of a thousand levels a side, `session` is all of `Session.on_frame` with its records built and
encoded: once with frames 100 ms apart (one record a frame), once 20 ms apart (one in five frames).
All of them are measured in turn, round by round, in one process, so that a busy machine slows all;
a ratio is the median over the rounds. `python -m benchmarks.books profile` says where it goes.

    python -m benchmarks.books
"""

import cProfile
import gc
import pstats
import statistics
import sys
import time
from collections.abc import Callable
from operator import truediv
from typing import Any

import msgspec
import orjson

from benchmarks.book_frames import (
    CAPTURES,
    FEED,
    NOW_MS,
    BookFrames,
    instrument,
    made,
    recorded,
    stream,
)
from collectors.books.book import Book
from collectors.grid import Steps
from collectors.messages import BookUpdate
from collectors.session.answers import call_key
from collectors.session.session import Session
from runtime.errors import PayloadError
from schemas.books import BookBatch

FRAMES = 1_500
ROUNDS = 11
START_US = NOW_MS * 1_000
PRICES = Steps(instrument().venue_tick)
"""Texts of prices are remembered from round to round, as they are in hours of a live run."""
PACES_US = {"session, 100 ms": 100_000, "session, 20 ms": 20_000}

Way = Callable[[BookFrames], tuple[float, int]]
"""Works frames off; returns the seconds it took and the records it made."""


def decode(given: BookFrames) -> tuple[float, int]:
    """Read every frame with `orjson.loads`."""
    began = time.perf_counter()
    for frame in given.frames:
        orjson.loads(frame)
    return time.perf_counter() - began, 0


def parse(given: BookFrames) -> tuple[float, int]:
    """Make messages of the frames."""
    parser = FEED.parser([stream()], FEED.memory())
    began = time.perf_counter()
    for frame in given.frames:
        parser.parse(frame)
    return time.perf_counter() - began, 0


def book(given: BookFrames) -> tuple[float, int]:
    """Apply them to a book."""
    parser = FEED.parser([stream()], FEED.memory())
    kept = Book(FEED.book, instrument(), PRICES)
    (first,) = parser.parse(given.frames[0])
    kept.take(_update(first), START_US)
    if not kept.take_snapshot(_update(_snapshot(given)), START_US):
        raise RuntimeError("the snapshot does not fit the frames")
    began = time.perf_counter()
    for frame in given.frames[1:]:
        for message in parser.parse(frame):
            kept.take(_update(message), START_US)
    elapsed = time.perf_counter() - began
    if not kept.valid or kept.gaps:
        raise RuntimeError(f"the book is {kept.state} after {kept.gaps} gaps")
    return elapsed, 0


def session(given: BookFrames, pace_us: int) -> tuple[float, int]:
    """Do all that a session does, frames so far apart, and encode the records."""
    call = FEED.snapshot(stream())
    if call is None:
        raise RuntimeError("no snapshot is fetched of this stream")
    live = Session(FEED, [stream()], "benchmark", START_US - pace_us)
    live.on_frame(given.frames[0], START_US)
    live.on_answer(call_key(call.request), given.snapshot, START_US)
    encode, on_frame = msgspec.json.encode, live.on_frame
    records, now_us, last = 0, START_US, None
    began = time.perf_counter()
    for frame in given.frames[1:]:
        now_us += pace_us
        for last in on_frame(frame, now_us).batches:
            encode(last)
            records += 1
    elapsed = time.perf_counter() - began
    if not isinstance(last, BookBatch) or not last.book_valid:
        raise RuntimeError("the session has no valid book")
    return elapsed, records


def _snapshot(given: BookFrames) -> object:
    call = FEED.snapshot(stream())
    if call is None:
        raise RuntimeError("no snapshot is fetched of this stream")
    try:
        (message,) = call.read(given.snapshot)
    except PayloadError as error:
        raise RuntimeError("the snapshot cannot be read") from error
    return message


def _update(message: object) -> BookUpdate:
    if not isinstance(message, BookUpdate):
        raise RuntimeError(f"no change of a book: {message}")
    return message


def _at(pace_us: int) -> Way:
    return lambda given: session(given, pace_us)


WAYS: dict[str, Way] = {"orjson.loads": decode, "parse": parse, "parse, book": book}
WAYS |= {name: _at(pace_us) for name, pace_us in PACES_US.items()}


def measure(given: BookFrames, rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """Time every way over the same frames in turn."""
    spent: dict[str, list[float]] = {name: [] for name in WAYS}
    records = dict.fromkeys(WAYS, 0)
    for _ in range(rounds):
        for name, way in WAYS.items():
            seconds, records[name] = way(given)
            spent[name].append(seconds)
    return [
        {
            "frames": given.source,
            "way": name,
            "bytes": round(statistics.mean(map(len, given.frames))),
            "us": statistics.median(spent[name]) / len(given.frames) * 1e6,
            "records": records[name] / len(given.frames),
            "ratio": statistics.median(map(truediv, spent[name], spent["orjson.loads"])),
        }
        for name in WAYS
    ]


def sources() -> list[BookFrames]:
    """Return what is measured: made frames, and recorded ones where they can be had."""
    return [made(FRAMES), *([recorded(FRAMES)] if CAPTURES.is_dir() else [])]


def run() -> list[dict[str, Any]]:
    """Measure every source; the frames are not part of what the cycle collector looks at."""
    given = sources()
    gc.collect()
    gc.freeze()
    try:
        return [row for one in given for row in measure(one)]
    finally:
        gc.unfreeze()


def profile() -> None:
    """Print where the time of made frames goes, one record a frame."""
    given = made(FRAMES)
    profiler = cProfile.Profile()
    profiler.enable()
    session(given, PACES_US["session, 100 ms"])
    profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(25)


def main() -> None:
    """Print the table, or a profile."""
    if sys.argv[1:] == ["profile"]:
        profile()
        return
    if not CAPTURES.is_dir():
        print("recorded frames not found: made ones only")
    print(f"{'frames':<22}{'bytes':>6}  {'way':<18}{'us/frame':>10}{'records':>9}{'/orjson':>9}")
    for row in run():
        print(
            f"{row['frames']:<22}{row['bytes']:>6}  {row['way']:<18}{row['us']:>10.2f}"
            f"{row['records']:>9.2f}{row['ratio']:>9.2f}"
        )


if __name__ == "__main__":
    main()
