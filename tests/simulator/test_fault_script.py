"""A script of faults played over real sockets on loopback, and single faults applied at once."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from runtime.errors import ConfigurationError
from simulator.catalogue import FEEDS
from simulator.fault_requests import MAX_WAITING
from simulator.faults import (
    MAX_FAULTS,
    ClockJump,
    Close,
    Corrupt,
    Delay,
    Drop,
    Duplicate,
    FaultScript,
    HalfOpen,
    Maintenance,
    MaxAge,
    Refuse,
    Reorder,
    ResetBooks,
    RestHang,
    RestSlow,
    RestWrong,
    Silence,
    SlowPongs,
    Throttle,
)
from tests.simulator.plain import FEED, NOTICE, Plain, numbers_of, plain_simulator, until
from tests.simulator.support import DEADLINE_SECONDS, START_US, Stage, get_json

SECOND_US = 1_000_000


@pytest.fixture
async def plain() -> AsyncIterator[Plain]:
    async with plain_simulator() as running:
        yield running


async def test_a_script_begins_and_ends_its_faults_at_their_times() -> None:
    script = FaultScript(
        [
            Drop(feed=FEED, stream="a", at_us=2 * SECOND_US, until_us=4 * SECOND_US),
            Duplicate(feed=FEED, stream="b", at_us=SECOND_US, until_us=2 * SECOND_US),
        ]
    )
    async with plain_simulator(script) as plain:
        peer = await plain.peer("a", "b")
        for second in range(6):
            plain.source.send([second], "a")
            plain.source.send([second + 10], "b")
            await plain.market.advance(1)
        assert await peer.numbers() == [0, 10, 1, 11, 11, 12, 13, 4, 14, 5, 15]
        duplicate, drop = plain.simulator.applied
        assert isinstance(duplicate.fault, Duplicate)
        assert (drop.began_us, drop.ended_us) == (
            START_US + 2 * SECOND_US,
            START_US + 4 * SECOND_US,
        )
        assert numbers_of(drop.dropped) == [2, 3]
        assert (drop.touched, duplicate.touched) == (2, 1)


async def test_a_scripts_times_may_be_counted_from_a_time_of_the_market() -> None:
    fault = Silence(feed=FEED, at_us=START_US + SECOND_US, until_us=START_US + 2 * SECOND_US)
    async with plain_simulator(FaultScript([fault], start_us=0)) as plain:
        peer = await plain.peer("a")
        for second in range(3):
            plain.source.send([second])
            await plain.market.advance(1)
        assert await peer.numbers() == [0, 2]


async def test_one_seed_gives_the_same_bytes_twice_and_another_seed_others() -> None:
    faults = [
        Drop(feed=FEED, probability=0.1),
        Duplicate(feed=FEED, probability=0.1),
        Corrupt(feed=FEED, probability=0.1),
        Reorder(feed=FEED, stream="a"),
        Delay(feed=FEED, probability=0.5, up_to_ms=300),
    ]
    runs = []
    for seed in (3, 3, 4):
        async with plain_simulator(FaultScript(faults, seed)) as plain:
            peer = await plain.peer("a", "b")
            for number in range(100):
                plain.source.send([number], "ab"[number % 2])
                await plain.market.advance(0.1)
            await plain.market.advance(2)
            runs.append(await peer.texts())
            assert all(applied.touched > 2 for applied in plain.simulator.applied)
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


async def test_a_fault_applied_begins_now_and_ends_where_it_is_lifted(plain: Plain) -> None:
    peer = await plain.peer("a")
    await plain.market.advance(7)
    silence = plain.simulator.apply(Silence(feed=FEED))
    assert silence.began_us == START_US + 7 * SECOND_US
    plain.source.send(range(3))
    plain.simulator.lift(silence)
    plain.simulator.lift(silence)
    plain.source.send(range(3, 5))
    assert await peer.numbers() == [3, 4]
    assert list(plain.simulator.applied) == [silence]
    assert numbers_of(silence.dropped) == [0, 1, 2]


async def test_a_fault_lifted_before_it_begins_never_does(plain: Plain) -> None:
    peer = await plain.peer("a")
    later = plain.simulator.apply(Silence(feed=FEED, at_us=SECOND_US))
    plain.simulator.lift(later)
    await plain.market.advance(2)
    plain.source.send([1])
    assert await peer.numbers() == [1]
    assert list(plain.simulator.applied) == []


async def test_frames_held_back_by_a_fault_that_is_lifted_go_on(plain: Plain) -> None:
    peer = await plain.peer("a")
    reorder = plain.simulator.apply(Reorder(feed=FEED, window=3))
    plain.source.send([1, 2])
    assert await peer.numbers() == []
    plain.simulator.lift(reorder)
    assert await peer.numbers() == [1, 2]


async def test_faults_begin_and_end_where_the_market_is_quiet() -> None:
    async with plain_simulator(quiet=True) as plain:
        jump = ClockJump(feed=FEED, seconds=1, at_us=SECOND_US, until_us=2 * SECOND_US)
        applied = plain.simulator.apply(jump)
        for _ in range(3):
            await asyncio.sleep(0)
        await plain.market.advance(1.5)
        assert plain.source.dialect.clock_offset_us == SECOND_US
        await plain.market.advance(1)
        await asyncio.wait_for(applied.released.wait(), DEADLINE_SECONDS)
        assert plain.source.dialect.clock_offset_us == 0


async def test_what_is_due_happens_before_a_source_makes_its_next_frames() -> None:
    async with plain_simulator(quiet=True) as plain:
        peer = await plain.peer("a")
        silence = plain.simulator.apply(Silence(feed=FEED, at_us=SECOND_US))
        await plain.market.advance(1)
        plain.source.send([1])
        assert numbers_of(silence.dropped) == [1]
        assert await peer.numbers() == []


async def test_faults_of_feeds_that_are_not_served_are_refused(plain: Plain) -> None:
    with pytest.raises(ConfigurationError, match=r"does not serve okx\.swap"):
        plain.simulator.apply(Silence(feed="okx.swap"))
    with pytest.raises(ConfigurationError, match=r"does not serve okx\.swap"):
        async with plain_simulator(FaultScript([Silence(feed="okx.swap")])):
            pass


async def test_a_simulator_takes_so_many_faults_and_no_more(plain: Plain) -> None:
    for _ in range(MAX_FAULTS):
        plain.simulator.apply(Silence(feed=FEED, at_us=SECOND_US))
    with pytest.raises(ConfigurationError, match="at most 10,000 faults"):
        plain.simulator.apply(Silence(feed=FEED))


async def test_frames_nobody_waits_for_are_not_touched(plain: Plain) -> None:
    drop = plain.simulator.apply(Drop(feed=FEED, count=1))
    plain.source.send([1])
    peer = await plain.peer("a")
    plain.source.send([2, 3])
    assert await peer.numbers() == [3]
    assert numbers_of(drop.dropped) == [2]


async def test_first_frames_meet_the_faults_of_their_stream(plain: Plain) -> None:
    plain.source.dialect.snapshots = True
    drop = plain.simulator.apply(Drop(feed=FEED, count=1))
    unlucky, lucky = await plain.peer("a"), await plain.peer("a")
    plain.source.send([5])
    assert await unlucky.numbers() == [5]
    assert await lucky.numbers() == [0, 5]
    assert numbers_of(drop.dropped) == [0]


async def test_delayed_frames_come_by_themselves_and_only_to_who_had_subscribed(
    plain: Plain,
) -> None:
    early = await plain.peer("a")
    plain.simulator.apply(Delay(feed=FEED, at_least_ms=500, up_to_ms=500))
    plain.source.send([1])
    late = await plain.peer("a")
    plain.source.send([2])
    assert await early.numbers() == []
    await plain.market.advance(0.499)
    assert await early.numbers() == []
    await plain.market.advance(0.001)
    assert await early.numbers() == [1, 2]
    assert await late.numbers() == [2]


async def test_dropped_trades_are_the_holes_in_a_venues_ids(stage: Stage) -> None:
    path = "/market/stream?streams=btcusdt@aggTrade/ethusdt@aggTrade"
    async with stage.peer("binance.usdm", path) as peer:
        await stage.simulator.subscribed("binance.usdm", ["ethusdt@aggTrade"])
        fault = Drop(feed="binance.usdm-fills", stream="btcusdt@aggTrade", probability=0.2)
        drop = stage.simulator.apply(fault)
        await stage.clock.advance(60)
        ids: dict[str, list[int]] = {"BTCUSDT": [], "ETHUSDT": []}
        for message in await peer.pending():
            ids[message["data"]["s"]].append(message["data"]["a"])
    lost = [json.loads(data)["data"]["a"] for _, data in drop.dropped]
    assert len(lost) > 5
    assert {stream for stream, _ in drop.dropped} == {"btcusdt@aggTrade"}
    whole = sorted(ids["BTCUSDT"] + lost)
    assert whole == list(range(whole[0], whole[0] + len(whole)))
    ethereum = ids["ETHUSDT"]
    assert ethereum == list(range(ethereum[0], ethereum[0] + len(ethereum)))


async def test_a_venue_whose_clock_jumps_writes_other_times(stage: Stage) -> None:
    path = "/market/stream?streams=btcusdt@aggTrade"
    async with stage.peer("binance.usdm", path) as peer:
        await stage.simulator.subscribed("binance.usdm")
        jump = stage.simulator.apply(ClockJump(feed="binance.usdm", seconds=3600))
        await stage.clock.advance(5)
        stage.simulator.lift(jump)
        wrong = [message["data"]["T"] for message in await peer.pending()]
        await stage.clock.advance(5)
        right = [message["data"]["T"] for message in await peer.pending()]
    assert START_US // 1000 <= min(wrong) - 3_600_000 <= START_US // 1000 + 5_000
    assert START_US // 1000 <= min(right) <= START_US // 1000 + 10_000


@pytest.mark.parametrize(
    ("feed", "path", "word"),
    [
        ("okx.swap", "/ws/v5/public", ("event", "notice")),
        ("binance.spot", "/ws/btcusdt@trade", ("e", "serverShutdown")),
        ("binance.spot", "/stream?streams=btcusdt@trade", ("stream", "!serverShutdown")),
    ],
)
async def test_venues_announce_a_disconnect_in_their_own_words(
    stage: Stage, feed: str, path: str, word: tuple[str, str]
) -> None:
    async with stage.peer(feed, path) as peer:
        await until(lambda: bool(stage.simulator._surfaces[feed]._clients))
        fault = stage.simulator.apply(Maintenance(feed=feed, after_seconds=10))
        await stage.clock.advance(11)
        name, value = word
        assert await peer.until(lambda message: message.get(name) == value)
        assert await peer.closed() == 1012
        assert fault.touched == 1


@pytest.mark.parametrize("feed", FEEDS)
async def test_the_books_of_every_feed_can_begin_anew(stage: Stage, feed: str) -> None:
    reset = stage.simulator.apply(ResetBooks(feed=feed))
    assert reset.ended_us == START_US
    await stage.clock.advance(1)
    assert list(stage.simulator.applied) == [reset]


async def test_half_open_connections_stay_open_and_say_nothing_more(plain: Plain) -> None:
    peer = await plain.peer("a")
    fault = plain.simulator.apply(HalfOpen(feed=FEED))
    fresh = await plain.peer("a")
    plain.source.send([1])
    await peer.send("ping")
    pong = asyncio.ensure_future(await peer.socket.ping())
    assert await fresh.numbers() == [1]
    await fresh.send("ping")
    assert await fresh.json() == "pong"
    assert not pong.done()
    assert not peer.socket.recv_messages.frames
    await plain.session.advance(5)
    assert not pong.done()
    assert fault.touched == 1
    await peer.socket.close()
    assert peer.socket.close_code == 1006
    pong.cancel()


async def test_what_is_queued_for_a_half_open_connection_is_not_sent_and_it_is_not_closed(
    plain: Plain,
) -> None:
    peer, other = await plain.peer("a"), await plain.peer()
    plain.source.send([1])
    plain.simulator.apply(HalfOpen(feed=FEED, stream="a"))
    close = plain.simulator.apply(Close(feed=FEED, code=1006))
    assert await other.closed() == 1006
    assert close.touched == 1
    late = await plain.peer("a")
    assert await late.numbers() == []
    assert not peer.socket.recv_messages.frames
    assert peer.socket.close_code is None


async def test_half_open_connections_are_forgotten_once_the_client_has_hung_up(
    plain: Plain,
) -> None:
    peer = await plain.peer("a")
    plain.simulator.apply(HalfOpen(feed=FEED))
    surface = plain.source.surface
    assert surface is not None
    await peer.socket.close()
    async with asyncio.timeout(DEADLINE_SECONDS):
        while "a" in surface.wanted:
            await plain.session.advance(1)


async def test_connections_opened_in_time_are_half_open_too(plain: Plain) -> None:
    plain.simulator.apply(HalfOpen(feed=FEED, until_us=SECOND_US))
    dead = await plain.peer()
    await dead.send("ping")
    await plain.market.advance(1)
    alive = await plain.peer("a")
    plain.source.send([1])
    assert await alive.numbers() == [1]
    assert not dead.socket.recv_messages.frames


async def test_slow_pongs_come_late_and_data_does_not(plain: Plain) -> None:
    peer = await plain.peer("a")
    slow = plain.simulator.apply(SlowPongs(feed=FEED, seconds=8))
    pong = asyncio.ensure_future(await peer.socket.ping())
    await peer.send("ping")
    await until(lambda: slow.touched == 2)
    plain.source.send([1])
    assert await peer.json() == {"stream": "a", "n": 1}
    await plain.session.advance(7)
    plain.source.send([2])
    assert await peer.json() == {"stream": "a", "n": 2}
    assert not pong.done()
    await plain.session.advance(1)
    assert await peer.json() == "pong"
    assert pong.done()
    plain.simulator.lift(slow)
    assert await peer.numbers() == []


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1008, 1012, 4004])
async def test_connections_are_closed_with_the_code(plain: Plain, code: int) -> None:
    peer = await plain.peer("a")
    close = plain.simulator.apply(Close(feed=FEED, code=code))
    assert await peer.closed() == code
    assert close.touched == 1
    again = await plain.peer("a")
    plain.source.send([1])
    assert await again.numbers() == [1]


async def test_the_oldest_connections_are_closed_first(plain: Plain) -> None:
    peers = [await plain.peer("a") for _ in range(3)]
    plain.simulator.apply(Close(feed=FEED, code=1012, count=2))
    assert [await peer.closed() for peer in peers[:2]] == [1012, 1012]
    assert await peers[2].numbers() == []


async def test_only_connections_with_the_stream_are_closed_until_the_end(plain: Plain) -> None:
    other = await plain.peer("b")
    close = plain.simulator.apply(Close(feed=FEED, stream="a", code=1001, until_us=SECOND_US))
    flapping = await plain.peer("a")
    assert await flapping.closed() == 1001
    await other.subscribe("a")
    assert await other.closed() == 1001
    await plain.market.advance(1)
    steady = await plain.peer("a")
    assert await steady.numbers() == []
    assert close.touched == 2


async def test_a_client_that_says_too_much_in_a_second_is_closed(plain: Plain) -> None:
    calm, hasty = await plain.peer("a"), await plain.peer("a")
    throttle = plain.simulator.apply(Throttle(feed=FEED, messages=5))
    for _ in range(10):
        await plain.session.advance(0.25)
        await calm.send("ping")
        assert await calm.json() == "pong"
    await plain.session.advance(1)
    for _ in range(5):
        await hasty.send("ping")
        assert await hasty.json() == "pong"
    pong = await hasty.socket.ping()
    assert await hasty.closed() == 1008
    with pytest.raises(ConnectionClosed):
        await pong
    assert throttle.touched == 1


async def test_a_planned_disconnect_is_announced_and_spares_newcomers(plain: Plain) -> None:
    peer = await plain.peer("a")
    fault = plain.simulator.apply(Maintenance(feed=FEED, after_seconds=60))
    assert await peer.text() == NOTICE.decode()
    fresh = await plain.peer("a")
    await plain.session.advance(59)
    plain.source.send([1])
    assert await peer.numbers() == [1]
    await plain.session.advance(1)
    assert await peer.closed() == 1012
    assert await fresh.numbers() == [1]
    assert fault.touched == 1


async def test_a_planned_disconnect_may_concern_some_connections_only(plain: Plain) -> None:
    peers = [await plain.peer("a") for _ in range(3)]
    fault = plain.simulator.apply(Maintenance(feed=FEED, after_seconds=5, count=2))
    assert [len(await peer.pending()) for peer in peers] == [1, 1, 0]
    await plain.session.advance(5)
    assert [await peer.closed() for peer in peers[:2]] == [1012, 1012]
    assert await peers[2].pending() == []
    assert not fault.holds


async def test_a_disconnect_that_is_called_off_does_not_happen(plain: Plain) -> None:
    peer = await plain.peer("a")
    fault = plain.simulator.apply(Maintenance(feed=FEED, after_seconds=60))
    plain.simulator.lift(fault)
    await plain.session.advance(61)
    assert await peer.pending() == [json.loads(NOTICE)]


async def test_connections_live_so_long_and_no_longer(plain: Plain) -> None:
    old = await plain.peer("a")
    await plain.session.advance(50)
    limit = plain.simulator.apply(MaxAge(feed=FEED, seconds=100))
    young = await plain.peer("a")
    await plain.session.advance(49)
    assert await old.numbers() == []
    await plain.session.advance(3)
    assert await old.closed() == 1001
    assert await young.numbers() == []
    assert limit.touched == 1
    await plain.session.advance(50)
    assert await young.closed() == 1001


async def test_a_restart_of_the_books_says_what_the_venue_says(plain: Plain) -> None:
    peer = await plain.peer("a")
    reset = plain.simulator.apply(ResetBooks(feed=FEED, at_us=SECOND_US))
    await plain.market.advance(2)
    assert await peer.pending() == [{"stream": "a", "n": 1}]
    assert reset.ended_us == START_US + SECOND_US


async def test_clock_jumps_add_up_and_go_back(plain: Plain) -> None:
    dialect = plain.source.dialect
    plain.simulator.apply(ClockJump(feed=FEED, seconds=3, until_us=2 * SECOND_US))
    plain.simulator.apply(
        ClockJump(feed=FEED, seconds=-0.5, at_us=SECOND_US, until_us=3 * SECOND_US)
    )
    offsets = []
    for _ in range(4):
        offsets.append(dialect.clock_offset_us)
        await plain.market.advance(1)
    assert offsets == [3 * SECOND_US, 2_500_000, -500_000, 0]


@pytest.mark.parametrize("status", [403, 418, 429, 451, 503])
async def test_handshakes_and_calls_are_refused_for_a_time(plain: Plain, status: int) -> None:
    refuse = Refuse(feed=FEED, status=status, retry_after_seconds=120, until_us=SECOND_US)
    applied = plain.simulator.apply(refuse)
    with pytest.raises(InvalidStatus) as caught:
        await plain.peer()
    assert caught.value.response.status_code == status
    assert caught.value.response.headers["Retry-After"] == "120"
    with pytest.raises(aiohttp.ClientResponseError) as refused:
        await get_json(plain.rest + "/time")
    assert refused.value.status == status
    assert applied.touched == 2
    await plain.market.advance(1)
    await plain.peer("a")
    assert await get_json(plain.rest + "/time") == {"offset": 0}


async def test_refusals_may_be_of_one_sort_of_one_path_or_so_many(plain: Plain) -> None:
    plain.simulator.apply(Refuse(feed=FEED, status=429, rest=False, count=1))
    plain.simulator.apply(Refuse(feed=FEED, status=418, handshakes=False, path="/depth", count=2))
    assert await get_json(plain.rest + "/time") == {"offset": 0}
    with pytest.raises(InvalidStatus, match="429"):
        await plain.peer()
    await plain.peer("a")
    for _ in range(2):
        with pytest.raises(aiohttp.ClientResponseError, match="418"):
            await get_json(plain.rest + "/depth?limit=5")
    assert await get_json(plain.rest + "/depth?limit=5") == {"offset": 0}


async def answer(call: asyncio.Task[Any]) -> Any:
    return await asyncio.wait_for(call, DEADLINE_SECONDS)


async def test_a_hanging_call_is_never_answered(plain: Plain) -> None:
    hang = plain.simulator.apply(RestHang(feed=FEED, path="/depth", count=1))
    # A client may ask again by itself what it got no answer to, unless it is a POST.
    call = asyncio.create_task(get_json(plain.rest + "/depth", {}))
    await until(lambda: hang.touched == 1)
    assert await get_json(plain.rest + "/depth") == {"offset": 0}
    await plain.session.advance(1000)
    assert not call.done()
    plain.simulator.lift(hang)
    with pytest.raises(aiohttp.ClientConnectionError):
        await answer(call)


async def test_calls_that_hang_at_the_end_do_not_hold_it_up() -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        async with plain_simulator() as plain:
            hang = plain.simulator.apply(RestHang(feed=FEED))
            call = asyncio.create_task(get_json(plain.rest + "/depth"))
            await until(lambda: hang.touched == 1)
        assert hang.released.is_set()
        with pytest.raises(aiohttp.ClientConnectionError):
            await answer(call)


async def test_so_many_calls_may_hang_and_no_more(
    plain: Plain, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MAX_WAITING == 1024
    monkeypatch.setattr("simulator.fault_requests.MAX_WAITING", 1)
    hang = plain.simulator.apply(RestHang(feed=FEED))
    call = asyncio.create_task(get_json(plain.rest + "/depth"))
    await until(lambda: hang.touched == 1)
    with pytest.raises(aiohttp.ClientConnectionError):
        await get_json(plain.rest + "/depth")
    assert not call.done()
    call.cancel()


async def test_a_slow_answer_says_what_was_true_when_it_was_asked(plain: Plain) -> None:
    slow = plain.simulator.apply(RestSlow(feed=FEED, seconds=9))
    call = asyncio.create_task(get_json(plain.rest + "/time"))
    await until(lambda: slow.touched == 1)
    plain.simulator.apply(ClockJump(feed=FEED, seconds=1))
    await plain.session.advance(8)
    assert not call.done()
    await plain.session.advance(1)
    assert await answer(call) == {"offset": 0}


async def test_calls_that_wait_at_the_end_of_slowness_are_answered(plain: Plain) -> None:
    slow = plain.simulator.apply(RestSlow(feed=FEED, seconds=9))
    call = asyncio.create_task(get_json(plain.rest + "/time"))
    await until(lambda: slow.touched == 1)
    plain.simulator.lift(slow)
    assert await answer(call) == {"offset": 0}


async def test_wrong_answers_are_cut_off_or_something_else_altogether(plain: Plain) -> None:
    cut = plain.simulator.apply(RestWrong(feed=FEED, count=2))
    for _ in range(2):
        with pytest.raises(json.JSONDecodeError):
            await get_json(plain.rest + "/time")
    assert cut.touched == 2
    assert await get_json(plain.rest + "/time") == {"offset": 0}
    plain.simulator.apply(RestWrong(feed=FEED, body=b'{"code":-1000}'))
    assert await get_json(plain.rest + "/time") == {"code": -1000}
