"""Any bytes on any socket: counted and set aside, in bounded memory, other instruments unharmed.

Each feed's sessions take the frames of a simulated venue in, and in between what no venue should
send: see `hostile` for the frames and `act` for the rest. `played` checks every record, drop and
count on its way out.
"""

import gzip
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.books.levels import MAX_LEVELS
from collectors.session.answers import MAX_REPAIRS
from collectors.session.seen import MAX_HOLES, MAX_REMEMBERED
from collectors.session.session import MAX_IGNORED_KINDS
from schemas.books import BookBatch
from schemas.market import FeedState
from schemas.ops import DeadLetter
from schemas.topics import DEADLETTER
from schemas.trades import BatchHeader
from simulator.model import SimBookUpdate, SimEvent, SimTrade
from tests.captures import capture, needs_captures
from tests.contract.test_venues import REASONS
from tests.contract.venue_cases import FEEDS, cases
from tests.faults.hostile import cut, huge, nested, repeated, spoil
from tests.faults.played import (
    ASSETS,
    End,
    Played,
    acknowledges,
    sizes,
    symbols_of,
)
from tests.golden import recorded
from tests.integration.test_simulated_venues import Bench, bench

MARKET_SECONDS = 2.5
LONG_SECONDS = 60.0
LONG_FRAMES = 200_000
SECOND_US = 1_000_000
JUMPS_US = (
    *(SECOND_US, -SECOND_US, 30 * SECOND_US, -30 * SECOND_US, 50_000, -50_000),
    *(3_600 * SECOND_US, -3_600 * SECOND_US, 36_000 * SECOND_US),
)
MOST_LINES = 3
"""A group has two, and a third while one takes over."""

TARGET = ASSETS[0]
SETTLED_STEPS = 20
"""By then every stream is acknowledged and every book is there."""

LONGEST = 50_000
"""No container of a session, its memory or what its parsers share is longer (`TOLD_TRADES`)."""

MOST_BYTES = 128 * 2**20

Frames = Sequence[bytes]

every_feed = pytest.mark.parametrize("name", FEEDS)


@lru_cache(maxsize=16)
def good_frames(name: str) -> list[bytes]:
    """Return frames of a feed: what the simulator sends of every channel, and its fixture."""
    played = Played(name, MARKET_SECONDS, keep=True)
    while not played.is_over:
        played.go_on()
    return [data for _, data in played.frames] + [case.frame for case in cases(FEEDS[name])]


@lru_cache(maxsize=16)
def good_bodies(name: str) -> list[bytes]:
    """Return answers to the REST calls that a feed's sessions may make."""
    played = Played(name, MARKET_SECONDS)
    found = [played.rest(next(played.feed.instruments()))]
    found += [played.rest(poll.call.request) for poll in played.feed.polls(played.instruments)]
    for end in played.ends:
        for stream in end.plan.streams:
            call = played.feed.snapshot(stream)
            found += [played.rest(call.request)] if call is not None else []
    return found


def foreign_frame(chance: random.Random, name: str) -> bytes:
    others = [other for other in FEEDS if FEEDS[other].venue != FEEDS[name].venue]
    return chance.choice(good_frames(chance.choice(others)))


def send(played: Played, end: End, frame: bytes, chance: random.Random) -> None:
    if end.lines:
        end.frame(chance.choice(list(end.lines)), frame, played.now_us)


def spoil_answers(played: Played, end: End, chance: random.Random, frames: Frames) -> None:
    """Answer everything that is awaited, wrongly."""
    for key in end.session.awaited if end.session is not None else ():
        bodies = good_bodies(played.feed.name)
        end.answer(key, spoil(chance, chance.choice((bodies, frames))), played.now_us)


def fail_answers(played: Played, end: End, chance: random.Random, frames: Frames) -> None:
    for key in end.session.awaited if end.session is not None else ():
        assert end.session is not None
        end.take(end.session.on_failure(key, "away", played.now_us), played.now_us)


def attach(played: Played, end: End, chance: random.Random, frames: Frames) -> None:
    if len(end.lines) < MOST_LINES:
        end.attach(played.now_us)


def detach(played: Played, end: End, chance: random.Random, frames: Frames) -> None:
    if end.lines:
        end.detach(chance.choice(list(end.lines)), played.now_us)


def jump(played: Played, end: End, chance: random.Random, frames: Frames) -> None:
    """Set the collector's clock forward or back."""
    played.jumped_us += chance.choice(JUMPS_US)


def hear(played: Played, end: End, chance: random.Random, frames: Frames) -> None:
    """Let a pong come, perhaps of a connection that has ended."""
    assert end.session is not None
    end.session.on_heartbeat(played.now_us, chance.randrange(4))


def mark(played: Played, end: End, chance: random.Random, frames: Frames) -> None:
    """Force the feed state of an instrument."""
    states = (None, FeedState.HALTED, FeedState.NOT_LISTED)
    end.memory.mark(chance.choice(played.instruments).symbol, chance.choice(states))


def send_spoilt(played: Played, end: End, chance: random.Random, frames: Frames) -> None:
    send(played, end, spoil(chance, frames), chance)


def send_foreign(played: Played, end: End, chance: random.Random, frames: Frames) -> None:
    """Send a good frame of another venue."""
    send(played, end, foreign_frame(chance, played.feed.name), chance)


ACTS: dict[str, Callable[[Played, End, random.Random, Frames], None]] = {
    "frame": send_spoilt,
    "foreign": send_foreign,
    "answers": spoil_answers,
    "failure": fail_answers,
    "jump": jump,
    "attach": attach,
    "detach": detach,
    "heartbeat": hear,
    "mark": mark,
}
"""What is done to sessions that is not good."""


def act(played: Played, kind: str, chance: random.Random, frames: Frames) -> None:
    """Do one of these things to one of the feed's sessions."""
    ACTS[kind](played, chance.choice(played.ends), chance, frames)


KINDS = ("frame", "frame", "frame", *ACTS)
ON_TIME = tuple(kind for kind in KINDS if kind != "jump")
acts = st.lists(
    st.tuples(
        st.integers(1, round(MARKET_SECONDS * 20)), st.sampled_from(KINDS), st.integers(0, 2**32)
    ),
    min_size=1,
    max_size=120,
)


def check_memory(played: Played) -> None:
    roots: list[object] = [played.shared]
    for end in played.ends:
        roots += [end.session, end.memory]
        if end.session is not None:
            assert len(end.session.ignored) <= MAX_IGNORED_KINDS
            assert all(len(what) < 200 for what in end.session.ignored)
    longest, total = sizes(roots)
    assert longest <= LONGEST
    assert total <= MOST_BYTES


@settings(max_examples=15, deadline=None, derandomize=True)
@given(doings=acts)
@pytest.mark.parametrize("name", FEEDS)
def test_nothing_that_happens_makes_a_session_raise_or_lose_count(
    name: str, doings: list[tuple[int, str, int]]
) -> None:
    by_step: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for step, kind, seed in doings:
        by_step[step].append((kind, seed))
    frames = good_frames(name)
    played = Played(name, MARKET_SECONDS)
    while not played.is_over:
        played.go_on()
        for kind, seed in by_step[played.step]:
            act(played, kind, random.Random(seed), frames)
    assert set(played.checked.counts) >= {"trades.v1", "books.v1"}


@pytest.mark.long
@every_feed
def test_two_hundred_thousand_hostile_frames_leave_a_session_whole_and_small(name: str) -> None:
    chance = random.Random(f"long/{name}")
    played, frames = Played(name, LONG_SECONDS), good_frames(name)
    each = -(-LONG_FRAMES // len(played.steps))
    while not played.is_over:
        played.go_on()
        for _ in range(each):
            act(played, "frame", chance, frames)
        for _ in range(3):
            kinds = ON_TIME if played.step % 50 else KINDS
            act(played, chance.choice(kinds), chance, frames)
        for end in played.ends:
            if not end.lines:
                end.attach(played.now_us)
        if played.step % 100 == 0:
            check_memory(played)
    check_memory(played)
    assert played.checked.drops > LONG_FRAMES / 10


def comparable(records: list[BatchHeader]) -> list[dict[str, Any]]:
    """Return records as they must be whatever came for others.

    All but the watermark, which is the connection's: a hostile frame shows that the venue is there.
    """
    shown = []
    for batch in records:
        fields: dict[str, Any] = msgspec.to_builtins(batch)
        del fields["watermark_us"]
        shown.append(fields)
    return shown


def target_frames(name: str) -> list[tuple[int, bytes]]:
    """Return good frames that are of the target alone, with the end that they come to."""
    played = Played(name, MARKET_SECONDS, keep=True)
    while not played.is_over:
        played.go_on()
    target = next(one.symbol for one in played.instruments if one.asset == TARGET)
    parsers = [played.feed.parser(end.plan.streams, played.feed.memory()) for end in played.ends]
    return [
        (number, data)
        for number, data in played.frames
        if symbols_of(parsers[number].parse(data)) == {target}
    ]


@every_feed
def test_other_instruments_have_the_same_records_whatever_comes_for_one(name: str) -> None:
    calm = Played(name, MARKET_SECONDS, keep=True)
    while not calm.is_over:
        calm.go_on()

    chance = random.Random(f"isolation/{name}")
    disturbed = Played(name, MARKET_SECONDS, keep=True)
    mine = target_frames(name)
    touched: set[str] = set()
    sent = unusable = 0
    while not disturbed.is_over:
        disturbed.go_on()
        for _ in range(40 if disturbed.step > SETTLED_STEPS else 0):
            number = chance.randrange(len(disturbed.ends))
            end = disturbed.ends[number]
            frames = [data for of, data in mine if of == number]
            foreign = not frames or chance.random() < 0.1
            frame = foreign_frame(chance, name) if foreign else spoil(chance, frames)
            before = disturbed.checked.drops
            messages = end.frame(next(iter(end.lines)), frame, disturbed.now_us)
            assert not acknowledges(messages)
            touched |= symbols_of(messages)
            sent += 1
            unusable += disturbed.checked.drops > before
    (target,) = touched
    assert comparable(disturbed.checked.records[target]) != comparable(calm.checked.records[target])
    others = {one.symbol for one in disturbed.instruments} - touched
    assert len(others) == len(ASSETS) - 1
    assert unusable > sent / 10
    for symbol in others:
        before_all = comparable(calm.checked.records[symbol])
        assert len(before_all) > 20
        books = [one for one in calm.checked.records[symbol] if isinstance(one, BookBatch)]
        assert books[-1].book_valid
        assert comparable(disturbed.checked.records[symbol]) == before_all


@pytest.mark.parametrize("name", [name for name in FEEDS if FEEDS[name].book.chain.is_fetched])
def test_wrong_answers_for_one_instrument_change_no_other(name: str) -> None:
    """What is asked of one instrument alone: its snapshot, and its missed trades."""
    calm = Played(name, MARKET_SECONDS, keep=True)
    while not calm.is_over:
        calm.go_on()
    chance = random.Random(f"answers/{name}")
    disturbed = Played(name, MARKET_SECONDS, keep=True)
    target = next(one for one in disturbed.instruments if one.asset == TARGET)
    bodies = good_bodies(name)
    answered = 0
    while not disturbed.is_over:
        disturbed.go_on()
        for end in disturbed.ends:
            assert end.session is not None
            for key in end.session.awaited:
                if target.venue_symbol in key:
                    end.answer(key, spoil(chance, bodies), disturbed.now_us)
                    answered += 1
    assert answered > len(disturbed.steps) / 2
    assert disturbed.checked.drops
    for one in disturbed.instruments:
        if one is not target:
            before = comparable(calm.checked.records[one.symbol])
            assert comparable(disturbed.checked.records[one.symbol]) == before


@every_feed
def test_an_oversized_frame_is_set_aside_by_its_beginning(name: str) -> None:
    played = Played(name, MARKET_SECONDS)
    end = played.ends[0]
    assert end.session is not None
    size = played.feed.limits.max_frame_bytes + 1
    out = end.session.on_frame(b"[" * size, played.now_us, next(iter(end.lines)))
    (drop,) = out.drops
    assert (drop.reason, drop.size_bytes) == ("oversized", size)
    assert len(drop.frame) <= 65_536
    played.go_on()
    assert played.checked.counts["books.v1"]


def flood(played: Played, batches: list[list[SimEvent]]) -> None:
    """Let the venue send these events, a step for each batch."""
    played.steps = [*played.steps[: played.step], *batches]
    while not played.is_over:
        played.go_on()


def settled(name: str) -> Played:
    played = Played(name, MARKET_SECONDS)
    while played.step < SETTLED_STEPS:
        played.go_on()
    return played


def a_trade(played: Played) -> SimTrade:
    """Return a trade of the market: the newest that was sent, else the first to come."""
    past, future = played.steps[: played.step], played.steps[played.step :]
    for step in (*reversed(past), *future):
        for event in step:
            if isinstance(event, SimTrade):
                return event
    raise AssertionError("nothing is traded")


@every_feed
def test_of_a_flood_of_trades_and_holes_little_is_remembered_and_no_hole_is_forgotten(
    name: str,
) -> None:
    """Every second id is missing, more than are remembered; where ids tell, all are in gaps."""
    played = settled(name)
    last = a_trade(played)
    trades: list[SimEvent] = [
        replace(
            last,
            time_us=played.now_us,
            fills=(1,),
            first_id=last.last_id + 2 * number,
            print_id=last.print_id + 2 * number,
            order_tag=last.order_tag + number,
            rpi_fills=0,
            void_before=False,
        )
        for number in range(1, MAX_REMEMBERED + 5_000)
    ]
    a_second: list[list[SimEvent]] = [[] for _ in range(30)]
    batches = [trades[start : start + 500] for start in range(0, len(trades), 500)]
    flood(played, [*batches, *a_second])
    longest, _ = sizes([end.memory for end in played.ends])
    asked = sum(len(end.session.awaited) for end in played.ends if end.session is not None)
    calls = 3 * len(ASSETS) + len(played.feed.polls(played.instruments))
    assert asked <= MAX_REPAIRS * len(played.ends) + calls
    if played.feed.gapless_ids:
        gaps = sorted(played.checked.gaps)
        assert all(later[0] <= sooner[1] + 2 for sooner, later in pairwise(gaps))
        assert gaps[-1][1] - gaps[0][0] > 2 * len(trades) - 10
        assert longest <= MAX_HOLES
    else:
        assert longest == MAX_REMEMBERED


@every_feed
def test_a_book_keeps_no_more_levels_than_it_may(name: str) -> None:
    played = Played(name, MARKET_SECONDS, keep=True)
    while played.step < SETTLED_STEPS:
        played.go_on()
    past = [event for step in played.steps[: played.step] for event in step]
    books = [one for one in past if isinstance(one, SimBookUpdate)]
    last = next(one for one in reversed(books) if one.instrument.asset == TARGET)
    best = min(price for one in books for price, _ in one.bids if one.instrument == last.instrument)
    floods: list[list[SimEvent]] = [
        [
            replace(
                last,
                time_us=played.now_us + 50_000 * number,
                number=last.number + number,
                bids=tuple((best - 1_000 * number - at, 1) for at in range(1_000)),
                asks=(),
            )
        ]
        for number in range(1, MAX_LEVELS // 1_000 + 6)
    ]
    flood(played, floods)
    target = next(one.symbol for one in played.instruments if one.asset == TARGET)
    records = [one for one in played.checked.records[target] if isinstance(one, BookBatch)]
    rule = played.feed.book
    assert records[-1].book_valid
    assert max(one.bid_levels for one in records) <= (rule.depth or MAX_LEVELS)
    assert not rule.chain.is_fetched or records[-1].bid_levels == MAX_LEVELS


@every_feed
def test_kinds_that_nobody_has_heard_of_are_counted_without_their_names(name: str) -> None:
    """Else a venue's texts would fill what is kept of ignored frames."""
    played = settled(name)
    chance = random.Random(7)
    frames = [case.frame for case in cases(played.feed)]
    words = sorted({word for frame in frames for word in recorded_words(frame)})
    for number in range(10 * MAX_IGNORED_KINDS):
        unheard = b"unheard%d%s" % (number, b"x" * chance.choice((0, 5_000)))
        frame = chance.choice(frames).replace(chance.choice(words), unheard)
        send(played, chance.choice(played.ends), frame, chance)
    ignored = [what for end in played.ends if end.session for what in end.session.ignored]
    assert ignored
    assert not [what for what in ignored if "unheard" in what]


def recorded_words(frame: bytes) -> set[bytes]:
    """Return the texts in a frame that could be the name of a kind."""
    return {word for word in frame.split(b'"')[1::2] if word.isalpha()}


def captured(name: str) -> list[bytes]:
    """Return recorded frames of a feed's venue."""
    venue, _, product = name.partition(".")
    if venue == "binance":
        path = next(iter(sorted(capture(f"binance/{product.split('-')[0]}").glob("*.gz"))))
        with gzip.open(path) as lines:
            return [line.partition(b" ")[2].strip() for line in islice(lines, 2_000)]
    version = {"bybit": "bybit_v5", "okx": "okx_v5", "hyperliquid": "hyperliquid"}[venue]
    return recorded.tardis(f"{venue}/tardis_node_frames_{version}.jsonl")


@needs_captures
@every_feed
def test_recorded_frames_whole_and_spoilt_among_simulated_ones_are_counted(name: str) -> None:
    chance = random.Random(f"captures/{name}")
    played, frames = Played(name, MARKET_SECONDS), captured(name)
    assert len(frames) >= 10
    while not played.is_over:
        played.go_on()
        for _ in range(20):
            frame = chance.choice(frames) if chance.random() < 0.3 else spoil(chance, frames)
            send(played, chance.choice(played.ends), frame, chance)
    assert played.checked.drops
    check_memory(played)


WAIT_SECONDS = 90.0
HOSTILE_FRAMES = 40
UNREADABLE = b"{not json"


def hostile_frames(feed: str) -> list[bytes]:
    """Return spoilt frames of data, the first of them one that no feed can read."""
    chance = random.Random(f"loopback/{feed}")
    frames = good_frames(feed)[:200]
    recipes = (cut, nested, huge, repeated)
    spoilt = [chance.choice(recipes)(chance, frames) for _ in range(HOSTILE_FRAMES)]
    return [UNREADABLE, *(frame for frame in spoilt if frame)]


async def test_hostile_frames_on_every_socket_are_set_aside_and_the_flow_goes_on(
    tmp_path: Path,
) -> None:
    default = tuple(name for name, feed in FEEDS.items() if feed.default)
    async with bench(tmp_path, default, speed=1.0, rate=8.0) as at:
        await at.until(lambda: all_heard(at, default), WAIT_SECONDS)
        await at.until(lambda: all_traded(at, default, 3), WAIT_SECONDS)
        before = {name: stats.frames for name, stats in at.collector.connections.items()}
        for feed in default:
            for frame in hostile_frames(feed):
                at.simulator.inject(feed, frame)
        await at.until(lambda: all_rejected(at), WAIT_SECONDS)
        trades = {feed: at.trades(feed) for feed in default}
        await at.until(lambda: all_traded(at, default, 3, trades), WAIT_SECONDS)
        connections = dict(at.collector.connections)
        letters = [
            msgspec.json.decode(one, type=DeadLetter) for one in await at.records(DEADLETTER)
        ]
    for name, stats in connections.items():
        assert stats.connects == 1, name
        assert stats.frames > before[name], name
    for feed in default:
        mine = [one for one in letters if one.origin.startswith(feed)]
        counted = sum(
            sum(stats.rejected.values())
            for name, stats in connections.items()
            if name.startswith(f"{feed}/")
        )
        assert len(mine) == counted
        assert {one.reason for one in mine} <= REASONS
        assert UNREADABLE.decode() in {one.payload for one in mine}


async def all_traded(
    at: Bench, feeds: Sequence[str], count: int, since: dict[str, int] | None = None
) -> bool:
    return all(at.trades(feed) >= count + (since or {}).get(feed, 0) for feed in feeds)


async def all_heard(at: Bench, feeds: Sequence[str]) -> bool:
    known = at.collector.connections
    asked = {name.partition("/")[0] for name in known}
    return asked == set(feeds) and all(stats.frames for stats in known.values())


async def all_rejected(at: Bench) -> bool:
    return all(stats.rejected for stats in at.collector.connections.values())
