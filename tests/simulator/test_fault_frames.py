"""Faults of frames without any socket: what comes out of the chain, and what is on record."""

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import ConfigurationError
from simulator.dialects.base import Frame
from simulator.fault_frames import HELD_FRAMES, Chain, Flight, make_stage
from simulator.fault_log import Applied, Room
from simulator.faults import (
    MAX_FAULTS,
    ClockJump,
    Close,
    Corrupt,
    Delay,
    Drop,
    Duplicate,
    Fault,
    FaultScript,
    FrameFault,
    Maintenance,
    MaxAge,
    Refuse,
    Reorder,
    ResetBooks,
    RestHang,
    RestSlow,
    Silence,
    SlowPongs,
    Throttle,
    Truncate,
)
from simulator.timeline import Timeline
from tests.simulator.support import START_US, ManualClock

FEED = "plain.feed"


class Line:
    """A chain with a fault or several, and what came out of it with the times."""

    def __init__(self, *faults: Fault, seed: int = 1, room: int = 100) -> None:
        self.clock = ManualClock()
        self.timeline = Timeline(self.clock)
        self.out: list[tuple[str, bytes, int]] = []
        self.chain = Chain(self.timeline, self._deliver)
        kept = Room(room)
        self.applied = [Applied(fault, self.clock, kept, START_US) for fault in faults]
        for number, applied in enumerate(self.applied):
            self.chain.add(make_stage(applied, Random(f"{seed}/{number}")))

    @property
    def sent(self) -> list[bytes]:
        return [data for _, data, _ in self.out]

    def send(self, numbers: range, stream: str = "a") -> None:
        for number in numbers:
            self.chain.push(Flight(Frame(stream, b"%s%d" % (stream.encode(), number))))

    async def wait(self, seconds: float) -> None:
        """Let time pass in steps of a millisecond."""
        for _ in range(round(seconds * 1000)):
            await self.clock.advance(0.001)
            self.timeline.advance()

    def end(self) -> None:
        for applied in self.applied:
            applied.end()
        self.chain.settle()

    def _deliver(self, flight: Flight) -> None:
        self.out.append((flight.frame.key, flight.frame.data, self.clock.now_us()))


def named(numbers: range, stream: str = "a") -> list[bytes]:
    return [b"%s%d" % (stream.encode(), number) for number in numbers]


def test_without_faults_frames_pass_at_once() -> None:
    line = Line()
    line.send(range(5))
    assert line.sent == named(range(5))


def test_every_third_frame_is_lost_and_on_record() -> None:
    line = Line(Drop(feed=FEED, every=3))
    line.send(range(9))
    (applied,) = line.applied
    assert applied.dropped == [("a", b"a2"), ("a", b"a5"), ("a", b"a8")]
    assert applied.touched == 3
    assert line.sent == [b"a0", b"a1", b"a3", b"a4", b"a6", b"a7"]


def test_the_next_frames_are_lost_and_then_no_more() -> None:
    line = Line(Drop(feed=FEED, count=2))
    line.send(range(5))
    (applied,) = line.applied
    assert applied.dropped == [("a", b"a0"), ("a", b"a1")]
    assert applied.ended_us == START_US
    assert not applied.holds
    assert line.sent == named(range(2, 5))


def test_only_the_named_stream_is_touched_in_whatever_unit_of_time_it_is_asked_for() -> None:
    line = Line(Silence(feed=FEED, stream="a"))
    line.send(range(2), "a")
    line.send(range(2), "ab")
    line.send(range(2), "a#us")
    assert line.sent == named(range(2), "ab")
    assert line.applied[0].dropped[-1] == ("a", b"a#us1")


@pytest.mark.parametrize(
    "fault",
    [
        Drop(feed=FEED, probability=0.3),
        Duplicate(feed=FEED, probability=0.3),
        Corrupt(feed=FEED, probability=0.3),
        Truncate(feed=FEED, probability=0.3),
        Reorder(feed=FEED, window=5),
        Delay(feed=FEED, probability=0.3, up_to_ms=50),
    ],
    ids=lambda fault: type(fault).__name__,
)
async def test_a_seed_decides_all_that_is_left_to_chance(fault: Fault) -> None:
    runs = []
    for seed in (7, 7, 8):
        line = Line(fault, seed=seed)
        for number in range(100):
            line.send(range(number, number + 1))
            await line.wait(0.001)
        await line.wait(0.1)
        assert line.applied[0].touched > 10
        runs.append(line.out)
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


async def test_delayed_frames_keep_their_order_and_come_within_the_bound() -> None:
    line = Line(Delay(feed=FEED, at_least_ms=5, up_to_ms=20))
    for number in range(100):
        line.send(range(number, number + 1))
        await line.wait(0.001)
    await line.wait(0.02)
    assert line.sent == named(range(100))
    lags_us = [
        time_us - START_US - 1000 * number for number, (_, _, time_us) in enumerate(line.out)
    ]
    # A release is seen by the millisecond.
    assert min(lags_us) >= 5_000
    assert max(lags_us) <= 21_000
    assert len(set(lags_us)) > 5


async def test_a_frame_behind_a_delayed_one_waits_even_after_the_faults_end() -> None:
    line = Line(Delay(feed=FEED, stream="a", at_least_ms=10, up_to_ms=10, count=1))
    line.send(range(2))
    line.send(range(1), "b")
    assert line.sent == [b"b0"]
    assert not line.applied[0].holds
    await line.wait(0.009)
    line.send(range(2, 3))
    assert line.sent == [b"b0"]
    await line.wait(0.001)
    assert line.sent == [b"b0", b"a0", b"a1", b"a2"]
    line.send(range(3, 4))
    assert line.sent[-1] == b"a3"


def test_where_too_many_frames_are_delayed_the_oldest_goes_early() -> None:
    line = Line(Delay(feed=FEED, at_least_ms=1000, up_to_ms=1000))
    line.send(range(HELD_FRAMES + 3))
    assert line.sent == named(range(3))


def test_a_frame_is_sent_again_at_once() -> None:
    line = Line(Duplicate(feed=FEED, every=2, copies=2))
    line.send(range(3))
    assert line.sent == [b"a0", b"a1", b"a1", b"a1", b"a2"]


def test_pairs_change_places_within_their_stream() -> None:
    line = Line(Reorder(feed=FEED))
    for number in range(4):
        line.send(range(number, number + 1), "a")
        line.send(range(number, number + 1), "b")
    assert line.sent == [b"a1", b"a0", b"b1", b"b0", b"a3", b"a2", b"b3", b"b2"]
    assert line.applied[0].touched == 8


def test_every_window_is_out_of_order_and_complete() -> None:
    line = Line(Reorder(feed=FEED, window=4))
    line.send(range(400))
    for start in range(0, 400, 4):
        window = line.sent[start : start + 4]
        assert window != named(range(start, start + 4))
        assert sorted(window) == sorted(named(range(start, start + 4)))


async def test_a_window_that_does_not_fill_goes_out_as_it_is() -> None:
    line = Line(Reorder(feed=FEED, window=3, hold_ms=50))
    line.send(range(2))
    await line.wait(0.049)
    assert line.sent == []
    await line.wait(0.001)
    assert line.sent == named(range(2))
    line.send(range(2, 4))
    line.end()
    assert line.sent == named(range(4))
    assert line.applied[0].touched == 0


def test_windows_of_other_streams_are_let_go_where_the_count_is_reached() -> None:
    line = Line(Reorder(feed=FEED, count=2))
    line.send(range(1), "b")
    line.send(range(2), "a")
    assert line.sent == [b"a1", b"a0", b"b0"]
    line.send(range(2, 4), "a")
    assert line.sent[3:] == named(range(2, 4))


@pytest.mark.parametrize("flips", [1, 3, 99])
def test_corrupted_text_differs_in_so_many_bytes_and_stays_text(flips: int) -> None:
    line = Line(Corrupt(feed=FEED, flips=flips))
    right = '{"coin":"é","px":"1"}'.encode()
    ascii_bytes = sum(byte < 0x80 for byte in right)
    for _ in range(200):
        line.chain.push(Flight(Frame("a", right)))
    for data in line.sent:
        assert sum(a != b for a, b in zip(data, right, strict=True)) == min(flips, ascii_bytes)
        assert "é" in data.decode()


def test_binary_corruption_also_breaks_the_text() -> None:
    line = Line(Corrupt(feed=FEED, binary=True))
    line.send(range(100))
    assert any(max(data) >= 0x80 for data in line.sent)
    assert all(data != right for data, right in zip(line.sent, named(range(100)), strict=True))


def test_a_truncated_frame_is_a_beginning_and_never_whole() -> None:
    line = Line(Truncate(feed=FEED))
    line.send(range(1000, 1100))
    for data, right in zip(line.sent, named(range(1000, 1100)), strict=True):
        assert 0 < len(data) < len(right)
        assert right.startswith(data)
    line.chain.push(Flight(Frame("a", b"x")))
    assert line.sent[-1] == b""


def test_faults_act_one_after_the_other() -> None:
    line = Line(Duplicate(feed=FEED), Drop(feed=FEED, every=2))
    line.send(range(3))
    assert line.sent == named(range(3))
    assert [applied.touched for applied in line.applied] == [3, 3]


def test_lost_frames_are_kept_while_there_is_room_in_all() -> None:
    line = Line(Silence(feed=FEED, stream="a"), Silence(feed=FEED, stream="b"), room=3)
    line.send(range(2), "a")
    line.send(range(2), "b")
    first, second = line.applied
    assert first.dropped == [("a", b"a0"), ("a", b"a1")]
    assert second.dropped == [("b", b"b0")]
    assert second.touched == 2


FRAME_FAULTS = st.one_of(
    st.builds(Duplicate, feed=st.just(FEED), every=st.integers(1, 4), copies=st.integers(1, 3)),
    st.builds(
        Delay,
        feed=st.just(FEED),
        stream=st.sampled_from(["*", "a"]),
        up_to_ms=st.integers(0, 9),
        probability=st.sampled_from([0.5, 1.0]),
        count=st.none() | st.integers(1, 9),
    ),
    st.builds(
        Reorder,
        feed=st.just(FEED),
        window=st.integers(2, 5),
        hold_ms=st.integers(1, 9),
        count=st.none() | st.integers(1, 9),
    ),
)


@settings(max_examples=60, deadline=None)
@given(
    faults=st.lists(FRAME_FAULTS, max_size=4),
    steps=st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 4)), max_size=40),
)
async def test_nothing_is_lost_where_nothing_is_dropped(
    faults: list[FrameFault], steps: list[tuple[str, int]]
) -> None:
    line = Line(*faults)
    for number, (stream, wait_ms) in enumerate(steps):
        line.send(range(number, number + 1), stream)
        await line.wait(wait_ms / 1000)
    line.end()
    await line.wait(0.1)
    expected = Counter(b"%s%d" % (stream.encode(), at) for at, (stream, _) in enumerate(steps))
    found = Counter(line.sent)
    assert found.keys() == expected.keys()
    if not any(isinstance(fault, Duplicate) for fault in faults):
        assert found == expected
    if not any(isinstance(fault, Reorder) for fault in faults):
        for stream in "ab":
            mine = [int(data[1:]) for key, data, _ in line.out if key == stream]
            assert mine == sorted(mine)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: Drop(feed=FEED, at_us=-1), "at_us must not be negative"),
        (lambda: Drop(feed=FEED, at_us=5, until_us=5), "until_us ends it first"),
        (lambda: Drop(feed=FEED, count=0), "count must be above zero"),
        (lambda: Drop(feed=FEED, every=0), "every must be above zero"),
        (lambda: Drop(feed=FEED, probability=1.5), "probability must be"),
        (lambda: Delay(feed=FEED, up_to_ms=1, at_least_ms=2), "at_least_ms exceeds"),
        (lambda: Duplicate(feed=FEED, copies=0), "copies must be"),
        (lambda: Reorder(feed=FEED, window=1), "window must be between 2 and 64"),
        (lambda: Reorder(feed=FEED, hold_ms=0), "hold_ms must be"),
        (lambda: Corrupt(feed=FEED, flips=0), "flips must be"),
        (lambda: Close(feed=FEED, code=1005), "1005 is not a close code"),
        (lambda: Close(feed=FEED, code=2000), "2000 is not a close code"),
        (lambda: Throttle(feed=FEED, messages=256), "messages must be between 1 and 255"),
        (lambda: Throttle(feed=FEED, messages=1, code=999), "999 is not"),
        (lambda: Maintenance(feed=FEED, after_seconds=-1), "after_seconds must not"),
        (lambda: MaxAge(feed=FEED, seconds=0), "seconds must be"),
        (lambda: SlowPongs(feed=FEED, seconds=0), "seconds must be"),
        (lambda: Refuse(feed=FEED, status=200), "status must be one of failure"),
        (lambda: Refuse(feed=FEED, handshakes=False, rest=False), "refuses nothing"),
        (lambda: RestSlow(feed=FEED, seconds=-1), "seconds must be"),
        (lambda: RestHang(feed=FEED, path="depth"), "path must begin with a slash"),
        (lambda: RestHang(feed=FEED, stream="a"), "a path, not a stream"),
        (lambda: ResetBooks(feed=FEED, stream="a"), "the whole feed"),
        (lambda: ClockJump(feed=FEED, seconds=1, count=1), "the whole feed"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused_in_words(
    make: Callable[[], Any], complaint: str
) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        make()


def test_a_script_has_an_end() -> None:
    with pytest.raises(ConfigurationError, match="at most 10,000 faults"):
        FaultScript([Drop(feed=FEED)] * (MAX_FAULTS + 1))
