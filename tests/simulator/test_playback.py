"""Recordings are played to the streams they belong to, with their spacing and metadata."""

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from runtime.errors import ConfigurationError, PayloadError
from runtime.recordings import RecordedFrame, RecordingWriter, read_recording
from simulator import PlaybackSource, Simulator
from simulator.catalogue import instruments
from tests.captures import capture, needs_captures
from tests.simulator.support import DEADLINE_SECONDS, START_US, ManualClock, Peer, dial, get_json

RECORDED_US = 1_700_000_000_000_000
LINEAR = "wss://stream.bybit.com/v5/public/linear"
SPOT = "wss://stream.bybit.com/v5/public/spot"
INFO = b'{"retCode":0,"result":{"category":"linear","list":[{"symbol":"PLAYUSDT"}]}}'


def trade(symbol: str, number: int) -> bytes:
    return b'{"topic":"publicTrade.%s","type":"snapshot","data":[{"i":"%d"}]}' % (
        symbol.encode(),
        number,
    )


def record(path: Path, frames: Iterable[RecordedFrame]) -> Path:
    writer = RecordingWriter(path, now_us=lambda: START_US)
    for frame in frames:
        writer.write(frame)
    writer.close()
    return path


def bybit_recording(path: Path) -> Path:
    rest = "https://api.bybit.com/v5/market/instruments-info?category=linear&limit=1000"
    ack = b'{"success":true,"op":"subscribe"}'
    return record(
        path,
        [
            RecordedFrame(RECORDED_US, "r", "http", rest, INFO),
            RecordedFrame(RECORDED_US + 100_000, "l", "connect", LINEAR, b""),
            RecordedFrame(RECORDED_US + 200_000, "l", "recv", LINEAR, ack),
            RecordedFrame(RECORDED_US + 1_200_000, "l", "recv", LINEAR, trade("PLAYUSDT", 1)),
            RecordedFrame(RECORDED_US + 1_300_000, "s", "recv", SPOT, trade("PLAYUSDT", 99)),
            RecordedFrame(RECORDED_US + 2_200_000, "l", "recv", LINEAR, trade("PLAYUSDT", 2)),
            RecordedFrame(RECORDED_US + 2_300_000, "l", "recv", LINEAR, trade("OTHERUSDT", 3)),
            RecordedFrame(RECORDED_US + 4_200_000, "l", "recv", LINEAR, trade("PLAYUSDT", 4)),
        ],
    )


async def ids(peer: Peer) -> list[str]:
    return [message["data"][0]["i"] for message in await peer.pending()]


@pytest.mark.parametrize("speed", [1.0, 2.0])
async def test_frames_of_subscribed_streams_come_with_their_spacing(
    tmp_path: Path, speed: float
) -> None:
    path = bybit_recording(tmp_path / "a.ptrec.zst")
    clock = ManualClock()
    source = PlaybackSource("bybit.linear", [path], speed=speed)
    async with Simulator([source], clock=clock) as simulator:
        rest, address = simulator.addresses["bybit.linear"]
        assert await get_json(rest + "/v5/market/instruments-info?category=linear") == json.loads(
            INFO
        )
        async with dial(address + "/v5/public/linear") as socket:
            peer = Peer(socket)
            await clock.advance(100)
            assert await peer.pending() == []
            await peer.send({"op": "subscribe", "args": ["publicTrade.PLAYUSDT"]})
            assert (await peer.json())["success"] is True
            seen = []
            for _ in range(4):
                await clock.advance(1.01 / speed)
                seen.append(await ids(peer))
            assert seen == [["1"], ["2"], [], ["4"]]
            await asyncio.wait_for(simulator.played(), DEADLINE_SECONDS)


async def test_a_recorded_answer_is_not_repeated_on_later_pages(tmp_path: Path) -> None:
    path = bybit_recording(tmp_path / "a.ptrec.zst")
    async with Simulator([PlaybackSource("bybit.linear", [path])], clock=ManualClock()) as played:
        rest, _ = played.addresses["bybit.linear"]
        query = "/v5/market/instruments-info?category=linear"
        assert len((await get_json(rest + query))["result"]["list"]) == 1
        assert (await get_json(f"{rest}{query}&cursor=1"))["result"]["list"] == []


async def test_playing_waits_for_the_streams_it_was_told_to_wait_for(tmp_path: Path) -> None:
    path = bybit_recording(tmp_path / "a.ptrec.zst")
    clock = ManualClock()
    topics = ["publicTrade.PLAYUSDT", "publicTrade.OTHERUSDT"]
    source = PlaybackSource(
        "bybit.linear",
        [path],
        speed=None,
        wait_for=topics,
        metadata={"more": INFO.replace(b"PLAY", b"OTHER")},
    )
    async with Simulator([source], clock=clock) as simulator:
        address = simulator.addresses["bybit.linear"][1] + "/v5/public/linear"
        async with dial(address) as first, dial(address) as second:
            peers = Peer(first), Peer(second)
            await peers[0].send({"op": "subscribe", "args": topics[:1]})
            await peers[0].json()
            assert await ids(peers[0]) == []
            await peers[1].send({"op": "subscribe", "args": topics[1:]})
            await peers[1].json()
            await asyncio.wait_for(simulator.played(), DEADLINE_SECONDS)
            assert await ids(peers[0]) == ["1", "2", "4"]
            assert await ids(peers[1]) == ["3"]


async def test_a_recording_that_breaks_off_is_played_to_the_break_and_reported(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.ptrec.zst"
    writer = RecordingWriter(path, now_us=lambda: START_US)
    for number in range(4000):
        writer.write(
            RecordedFrame(RECORDED_US + number, "l", "recv", LINEAR, trade("BTCUSDT", number))
        )
    writer.flush()
    whole = path.stat().st_size
    writer.write(RecordedFrame(RECORDED_US, "l", "recv", LINEAR, trade("BTCUSDT", 4000)))
    writer.close()
    path.write_bytes(path.read_bytes()[: whole + 10])
    source = PlaybackSource(
        "bybit.linear", [path], speed=None, instruments=instruments("bybit.linear")
    )
    simulator = Simulator([source], clock=ManualClock())
    await simulator.__aenter__()
    async with dial(simulator.addresses["bybit.linear"][1] + "/v5/public/linear") as socket:
        peer = Peer(socket)
        await peer.send({"op": "subscribe", "args": ["publicTrade.BTCUSDT"]})
        await peer.json()
        for number in range(4000):
            assert (await peer.json())["data"][0]["i"] == str(number)
        with pytest.raises(PayloadError, match="truncated_recording"):
            await asyncio.wait_for(simulator.played(), DEADLINE_SECONDS)
    with pytest.raises(PayloadError, match="truncated_recording"):
        await simulator.__aexit__(None, None, None)


def test_a_speed_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="above zero"):
        PlaybackSource("bybit.linear", [], speed=0.0)


async def test_a_binance_recorded_snapshot_of_a_book_is_served_again(tmp_path: Path) -> None:
    url = "https://fapi.binance.com/fapi/v1/depth?symbol=PLAYUSDT&limit=1000"
    body = b'{"lastUpdateId":7,"E":1,"T":1,"bids":[["1.0","2"]],"asks":[]}'
    path = tmp_path / "a.ptrec.zst"
    record(path, [RecordedFrame(RECORDED_US, "r", "http", url, body)])
    source = PlaybackSource("binance.usdm", [path], metadata={"depth:OTHERUSDT": b"[]"})
    async with Simulator([source], clock=ManualClock()) as played:
        rest, _ = played.addresses["binance.usdm"]
        query = "/fapi/v1/depth?limit=1000&symbol="
        assert await get_json(f"{rest}{query}PLAYUSDT") == json.loads(body)
        assert await get_json(f"{rest}{query}OTHERUSDT") == []


@needs_captures
@pytest.mark.parametrize(
    ("feed", "name", "path", "subscribe", "stream"),
    [
        (
            "bybit.spot",
            "bybit/cryptofeed_BYBIT_btc_sol.jsonl.zst",
            "/v5/public/spot",
            {"op": "subscribe", "args": ["publicTrade.BTCUSDT"]},
            "publicTrade.BTCUSDT",
        ),
        (
            "okx.spot",
            "okx/cryptofeed_OKX.jsonl.zst",
            "/ws/v5/public",
            {"op": "subscribe", "args": [{"channel": "trades", "instId": "BTC-USDT"}]},
            "trades:BTC-USDT",
        ),
        (
            "binance.usdm",
            "binance/usdm/cryptofeed_BINANCE_FUTURES.jsonl.zst",
            "/market/stream",
            {"method": "SUBSCRIBE", "params": ["sushiusdt@aggTrade"], "id": 1},
            "sushiusdt@aggTrade",
        ),
        (
            "hyperliquid.perp",
            "hyperliquid/hftbacktest_btc_20250126.gz",
            "/ws",
            {"method": "subscribe", "subscription": {"type": "trades", "coin": "BTC"}},
            "trades:BTC",
        ),
    ],
)
async def test_a_capture_arrives_byte_for_byte(
    feed: str, name: str, path: str, subscribe: object, stream: str
) -> None:
    source = PlaybackSource(
        feed, [capture(name)], speed=None, instruments=instruments(feed), wait_for=[stream]
    )
    async with Simulator([source], clock=ManualClock()) as simulator:
        dialect = simulator._surfaces[feed].dialect
        recorded = [
            frame.data.decode()
            for frame in read_recording(capture(name))
            if frame.kind == "recv" and dialect.owns(frame.url)
            if stream in dialect.keys_of(frame.data)
        ]
        assert recorded
        async with dial(simulator.addresses[feed][1] + path) as socket:
            peer = Peer(socket)
            await peer.send(subscribe)
            await peer.json()
            assert [await peer.text() for _ in recorded] == recorded
