"""cryptofeed's message handlers and ours on the same frames, in turn, in one run; ratios.

cryptofeed is installed into an environment of its own (`PERPTAPE_PEER_PYTHON` names the Python of
one that has it) and run in a process of its own, which times its loop. Frames are of one BTC
perpetual: the 20+20 level book of `book_frames`, and what the simulator's venues send. The work is
not the same: cryptofeed makes Decimals, keeps a sorted book and calls a callback for every message;
we make integers (`parse` for trades and best prices, `parse` and `Book.take` for books), and in
`session` all that ends in records, these encoded. Frames are 20 ms apart there:
every frame of trades makes a record, every fifth one of a book. Texts of prices are remembered from
round to round, as they are in hours of a live run.

    python -m benchmarks.peer_cryptofeed
"""

import gc
import json
import os
import statistics
import subprocess
import tempfile
import time
import venv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from operator import truediv
from pathlib import Path
from typing import Any

import msgspec
import orjson

from benchmarks.market_flow import START_US
from benchmarks.peer_cases import Case, made_cases
from collectors.books.book import Book
from collectors.messages import BookUpdate
from collectors.session.answers import call_key
from collectors.session.session import Session
from collectors.venue import Channel

REQUIREMENT = "cryptofeed==2.4.1"
INSTALL_SECONDS = 90
ROUNDS = 7
PACE_US = 20_000


def decode(case: Case) -> float:
    """Read every frame with `orjson.loads`; nanoseconds, as of all that follow."""
    began = time.perf_counter_ns()
    for frame in case.frames[1:]:
        orjson.loads(frame)
    return time.perf_counter_ns() - began


def ours(case: Case) -> float:
    """Make messages of the frames, and apply those of books."""
    parser = case.feed.parser([case.stream], case.feed.memory())
    instrument = case.stream.instrument
    if case.stream.channel is not Channel.BOOK or instrument is None:
        for frame in case.frames:
            parser.parse(frame)  # numbers repeat: live, most have been seen before
        began = time.perf_counter_ns()
        for frame in case.frames[1:]:
            parser.parse(frame)
        return time.perf_counter_ns() - began
    book = Book(case.feed.book, instrument, case.prices)
    book.take(_update(parser.parse(case.frames[0])), START_US)
    call = case.feed.snapshot(case.stream)
    if call is not None:
        book.take_snapshot(_update(call.read(case.snapshot)), START_US)
    began = time.perf_counter_ns()
    for frame in case.frames[1:]:
        book.take(_update(parser.parse(frame)), START_US)
    elapsed = time.perf_counter_ns() - began
    if not book.valid:
        raise RuntimeError(f"{case.name}: the book is {book.state}")
    return elapsed


def _update(messages: Sequence[object]) -> BookUpdate:
    if not isinstance(messages[0], BookUpdate):
        raise RuntimeError(f"no change of a book: {messages[0]}")
    return messages[0]


def session(case: Case) -> float:
    """Do all that a session does, and encode its records."""
    live = Session(case.feed, [case.stream], "benchmark", START_US)
    live.on_frame(case.frames[0], START_US)
    call = case.feed.snapshot(case.stream)
    if call is not None and case.snapshot:
        live.on_answer(call_key(call.request), case.snapshot, START_US)
    encode, now_us = msgspec.json.encode, START_US
    began = time.perf_counter_ns()
    for frame in case.frames[1:]:
        now_us += PACE_US
        for batch in live.on_frame(frame, now_us).batches:
            encode(batch)
    return time.perf_counter_ns() - began


OURS: dict[str, Callable[[Case], float]] = {"orjson": decode, "ours": ours, "session": session}


class Peer:
    """The process that has cryptofeed."""

    def __init__(self, python: Path, cases: Path) -> None:
        child = Path(__file__).with_name("peer_child.py")
        self._process = subprocess.Popen(  # noqa: S603  # our own script
            [str(python), str(child), str(cases)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def ask(self, case: str) -> dict[str, Any]:
        """Let it work a case off once.

        Raises:
            RuntimeError: it ended.
        """
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("cryptofeed's process has no pipes")
        self._process.stdin.write(f"{case}\n")
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"cryptofeed's process ended with {self._process.wait()}")
        found: dict[str, Any] = json.loads(line)
        return found

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


@contextmanager
def environment() -> Iterator[Path]:
    """Give a Python that has cryptofeed, from `PERPTAPE_PEER_PYTHON` or installed for this run.

    Raises:
        RuntimeError: it is not there, or cannot be installed.
    """
    known = os.environ.get("PERPTAPE_PEER_PYTHON")
    if known:
        if not Path(known).is_file():
            raise RuntimeError(f"is not at {known}")
        yield Path(known)
        return
    with tempfile.TemporaryDirectory(prefix="perptape-peer-") as name:
        venv.create(name, with_pip=True)
        python = Path(name) / "bin" / "python"
        command = [str(python), "-m", "pip", "install", "--quiet", REQUIREMENT]
        try:
            subprocess.run(  # noqa: S603  # our own command
                command, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS
            )
        except subprocess.TimeoutExpired as error:
            raise RuntimeError(f"not installed within {INSTALL_SECONDS} seconds") from error
        except subprocess.CalledProcessError as error:
            reason = error.stderr.strip().splitlines() or ["no reason given"]
            raise RuntimeError(f"not installed: {reason[-1]}") from error
        yield python


def measure(case: Case, peer: Peer) -> dict[str, Any]:
    """Time all of them in turn."""
    spent: dict[str, list[float]] = {name: [] for name in (*OURS, "cryptofeed")}
    failed = ""
    for _ in range(ROUNDS):
        for name, way in OURS.items():
            spent[name].append(way(case))
        answer = peer.ask(case.name)
        failed = failed or _fault(answer, len(case.frames) - 1)
        spent["cryptofeed"].append(answer.get("nanoseconds", 0))
    return {
        "case": case.name,
        "bytes": round(statistics.mean(map(len, case.frames))),
        "orjson_us": statistics.median(spent["orjson"]) / (len(case.frames) - 1) / 1e3,
        "failed": failed,
        **{
            f"{name}_ratio": statistics.median(map(truediv, times, spent["orjson"]))
            for name, times in spent.items()
        },
        "cryptofeed_to_ours": statistics.median(map(truediv, spent["cryptofeed"], spent["ours"])),
    }


def _fault(answer: dict[str, Any], frames: int) -> str:
    """Say why an answer is none; every frame has to lead to a callback."""
    if "failed" in answer:
        return str(answer["failed"])
    calls = answer["calls"]
    return "" if calls >= frames else f"{calls} callbacks for {frames} frames"


def run() -> list[dict[str, Any]]:
    """Measure every case.

    Raises:
        RuntimeError: cryptofeed is not to be had.
    """
    cases = made_cases()
    with environment() as python, tempfile.TemporaryDirectory(prefix="perptape-bench-") as name:
        path = Path(name) / "cases.jsonl"
        path.write_text("".join(map(_line, cases)), encoding="utf-8")
        peer = Peer(python, path)
        gc.collect()
        gc.freeze()
        try:
            return [measure(case, peer) for case in cases]
        finally:
            gc.unfreeze()
            peer.close()


def _line(case: Case) -> str:
    document = {
        "name": case.name,
        "venue": case.feed.venue,
        "snapshot": case.snapshot.decode(),
        "frames": [frame.decode() for frame in case.frames],
    }
    return json.dumps(document) + "\n"


def main() -> None:
    """Print the table, or why there is none."""
    try:
        rows = run()
    except RuntimeError as error:
        print(f"skipped: {REQUIREMENT} {error}")
        return
    print(
        f"{REQUIREMENT}; x orjson.loads\n{'case':<26}{'bytes':>6}{'orjson us':>11}{'ours':>8}"
        f"{'session':>9}{'cryptofeed':>12}{'cryptofeed/ours':>17}"
    )
    for row in rows:
        if row["failed"]:
            print(f"{row['case']:<26}skipped: {row['failed']}")
            continue
        print(
            f"{row['case']:<26}{row['bytes']:>6}{row['orjson_us']:>11.2f}"
            f"{row['ours_ratio']:>8.2f}{row['session_ratio']:>9.2f}"
            f"{row['cryptofeed_ratio']:>12.2f}{row['cryptofeed_to_ours']:>17.2f}"
        )


if __name__ == "__main__":
    main()
