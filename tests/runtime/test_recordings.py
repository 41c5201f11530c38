"""Recordings of every format are read whole, in order, and up to the point where they break."""

import gzip
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import ConfigurationError, PayloadError, StoreError
from runtime.recordings import RecordedFrame, RecordingWriter, guess_format, merge, read_recording
from runtime.recordings.perptape_format import decode_line, encode_row
from tests.captures import capture, needs_captures

START_US = 1_795_132_800_000_000
STREAM = "wss://fstream.binance.com/market/stream"


def frame(number: int, data: bytes = b"{}", time_us: int | None = None) -> RecordedFrame:
    when = START_US + number * 10_000 if time_us is None else time_us
    return RecordedFrame(when, "c1", "recv", STREAM, data)


def writer(path: Path, **rotation: float) -> RecordingWriter:
    ticks = count(START_US)
    return RecordingWriter(path, now_us=lambda: next(ticks), **rotation)  # type: ignore[arg-type]


def write_cryptofeed(path: Path, rows: Iterable[dict[str, object]]) -> Path:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_bytes(zstandard.ZstdCompressor().compress(text.encode()))
    return path


def read_until_error(path: Path) -> tuple[list[RecordedFrame], PayloadError]:
    frames: list[RecordedFrame] = []
    with pytest.raises(PayloadError) as caught:
        frames.extend(collect(read_recording(path), frames))
    return frames, caught.value


def collect(source: Iterator[RecordedFrame], into: list[RecordedFrame]) -> Iterator[RecordedFrame]:
    for item in source:
        into.append(item)
    yield from ()


def test_written_frames_come_back_in_order_with_every_field(tmp_path: Path) -> None:
    frames = [
        RecordedFrame(START_US, "c1", "connect", STREAM, b""),
        RecordedFrame(START_US + 1, "c1", "send", STREAM, b'{"method":"SUBSCRIBE"}'),
        RecordedFrame(START_US + 2, "rest", "http", "https://fapi.binance.com/x?y=1", b"{}\n "),
        RecordedFrame(START_US + 3, "c1", "recv", STREAM, "币安人生".encode()),
        RecordedFrame(START_US + 4, "c1", "recv", STREAM, b"\xff\xfe\x00"),
        RecordedFrame(START_US + 5, "c1", "pong", STREAM, b""),
        RecordedFrame(START_US + 6, "c1", "close", STREAM, b""),
    ]
    path = tmp_path / "a.ptrec.zst"
    with_writer = writer(path)
    for item in frames:
        with_writer.write(item)
    with_writer.close()
    assert list(read_recording(path)) == frames


@given(st.binary(max_size=200), st.text(max_size=20), st.integers(0, 2**62))
def test_a_row_keeps_any_bytes_any_name_and_any_time(data: bytes, name: str, time_us: int) -> None:
    item = RecordedFrame(time_us, name, "recv", name, data)
    line = encode_row(item)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert decode_line(line[:-1]) == item


def test_a_directory_gets_a_new_file_after_so_many_bytes(tmp_path: Path) -> None:
    recorder = writer(tmp_path, rotate_bytes=400)
    frames = [frame(number, b'{"n":%d}' % (number * 7919)) for number in range(400)]
    for item in frames:
        recorder.write(item)
    recorder.close()
    files = sorted(tmp_path.glob("*.ptrec.zst"))
    assert len(files) > 2
    assert [item for file in files for item in read_recording(file)] == frames


def test_a_directory_gets_a_new_file_after_so_many_seconds_of_frame_time(tmp_path: Path) -> None:
    recorder = writer(tmp_path, rotate_seconds=1)
    for number in range(250):
        recorder.write(frame(number))
    recorder.close()
    sizes = [len(list(read_recording(file))) for file in sorted(tmp_path.glob("*.zst"))]
    assert sizes == [100, 100, 50]


def test_a_recorder_that_was_killed_leaves_all_but_the_last_second(tmp_path: Path) -> None:
    path = tmp_path / "a.ptrec.zst"
    recorder = writer(path)
    for number in range(350):
        recorder.write(frame(number))
    frames = list(read_recording(path))
    assert frames == [frame(number) for number in range(len(frames))]
    assert 250 <= len(frames) < 350
    recorder.close()


def test_a_file_cut_inside_its_last_block_yields_all_blocks_before_it(tmp_path: Path) -> None:
    path = tmp_path / "a.ptrec.zst"
    recorder = writer(path)
    for number in range(10):
        recorder.write(frame(number))
    recorder.flush()
    whole = path.stat().st_size
    recorder.write(frame(10))
    recorder.close()
    path.write_bytes(path.read_bytes()[: whole + 12])
    frames, error = read_until_error(path)
    assert frames == [frame(number) for number in range(10)]
    assert error.reason == "truncated_recording"
    assert "a.ptrec.zst" in error.detail
    assert "after line 11" in error.detail


def test_a_recorder_refuses_to_overwrite_a_recording(tmp_path: Path) -> None:
    path = tmp_path / "a.ptrec.zst"
    writer(path).close()
    with pytest.raises(ConfigurationError, match="it exists"):
        writer(path)


def test_a_single_file_cannot_rotate(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="directory"):
        writer(tmp_path / "a.ptrec.zst", rotate_bytes=10)


def test_a_full_disk_is_reported_and_does_not_grow_the_buffer_for_ever(tmp_path: Path) -> None:
    recorder = writer(tmp_path / "a.ptrec.zst")
    assert recorder._file is not None
    recorder._file.close()
    recorder._file = FullDisk()  # type: ignore[assignment]
    big = b"x" * 2**20
    for number in range(20):
        with pytest.raises(StoreError, match="No space left"):
            recorder.write(frame(number, big))
    assert len(recorder._buffer) <= 10 * 2**20


class FullDisk:
    name = "full"

    def write(self, block: bytes) -> int:
        raise OSError(28, "No space left on device")

    def seek(self, position: int) -> None:
        assert position > 0

    def truncate(self) -> None:
        pass


def test_cryptofeed_frames_get_the_address_of_their_connection(tmp_path: Path) -> None:
    path = write_cryptofeed(
        tmp_path / "cryptofeed_BYBIT.jsonl.zst",
        [
            {"t": "header", "format": 2, "exchange": "BYBIT"},
            {"t": "http", "conn": "h", "ts": 1786310817.601629, "url": "https://a/b", "data": "{}"},
            {"t": "connect", "conn": "w", "ts": 1786310818.2235148, "addr": "wss://a/w"},
            {"t": "recv", "conn": "w", "ts": 1786310819.5, "data": '{"topic":"x"}'},
            {"t": "pong", "conn": "w", "ts": 1786310820.5},
        ],
    )
    http, connect, recv, pong = read_recording(path)
    assert http == RecordedFrame(1_786_310_817_601_629, "h", "http", "https://a/b", b"{}")
    assert connect == RecordedFrame(1_786_310_818_223_514, "w", "connect", "wss://a/w", b"")
    assert recv == RecordedFrame(1_786_310_819_500_000, "w", "recv", "wss://a/w", b'{"topic":"x"}')
    assert pong == RecordedFrame(1_786_310_820_500_000, "w", "pong", "wss://a/w", b"")


def test_hftbacktest_times_are_nanoseconds_or_microseconds(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(
        gzip.compress(
            b'1723161255030314667 {"stream":"btcusdt@trade","data":{}}\n'
            b'1680652700423575 {"channel":"trades","data":[]}\n'
            b'1680652700423576 {"lastUpdateId":1,"bids":[]}\n'
        )
    )
    frames = list(read_recording(path))
    assert [item.receive_time_us for item in frames] == [
        1_723_161_255_030_314,
        1_680_652_700_423_575,
        1_680_652_700_423_576,
    ]
    assert [item.kind for item in frames] == ["recv", "recv", "http"]
    assert frames[0].data == b'{"stream":"btcusdt@trade","data":{}}'


def test_a_cut_gzip_yields_what_was_before_the_cut(tmp_path: Path) -> None:
    lines = b"".join(
        b'%d {"stream":"btcusdt@trade","data":{"t":%d}}\n' % (10**18 + number * 10**9, number**5)
        for number in range(5000)
    )
    path = tmp_path / "a.gz"
    whole = gzip.compress(lines)
    path.write_bytes(whole[: len(whole) // 2])
    frames, error = read_until_error(path)
    assert error.reason == "truncated_recording"
    assert 1000 < len(frames) < 5000
    assert frames[-1].data == b'{"stream":"btcusdt@trade","data":{"t":%d}}' % (len(frames) - 1) ** 5


@pytest.mark.parametrize(
    "line", [b"no time", b'12 ["x"]', b'"x" {}', b"\xff\xff"], ids=["text", "list", "word", "bytes"]
)
def test_a_broken_line_is_named_with_its_file_and_number(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b'1680652700423575 {"stream":"x"}\n' + line + b"\n"))
    frames, error = read_until_error(path)
    assert len(frames) == 1
    assert error.reason == "broken_recording"
    assert f"{path}, line 2" in error.detail


@pytest.mark.parametrize(
    "row",
    [{"t": "surprise"}, {"t": "recv", "ts": "x"}, {"no": "t"}],
    ids=["kind", "time", "shape"],
)
def test_a_broken_cryptofeed_line_is_named(tmp_path: Path, row: dict[str, object]) -> None:
    path = write_cryptofeed(tmp_path / "cryptofeed.jsonl.zst", [{"t": "header"}, row])
    frames, error = read_until_error(path)
    assert frames == []
    assert "line 2" in error.detail


def test_bytes_that_are_not_zstd_are_a_broken_recording(tmp_path: Path) -> None:
    path = tmp_path / "a.ptrec.zst"
    path.write_bytes(b"this is not zstd at all")
    frames, error = read_until_error(path)
    assert frames == []
    assert error.reason == "broken_recording"


def test_formats_are_told_from_names_and_headers(tmp_path: Path) -> None:
    cryptofeed = write_cryptofeed(tmp_path / "plain.jsonl.zst", [{"t": "header", "format": 2}])
    writer(tmp_path / "own.perptape.jsonl.zst").close()
    renamed = (tmp_path / "own.perptape.jsonl.zst").rename(tmp_path / "renamed.jsonl.zst")
    assert guess_format(cryptofeed) == "cryptofeed"
    assert guess_format(renamed) == "perptape"
    assert guess_format(Path("x/cryptofeed_OKX.jsonl.zst")) == "cryptofeed"
    assert guess_format(Path("x/btc.dat.gz")) == "hftbacktest"
    assert guess_format(Path("x/day.ptrec.zst")) == "perptape"


def test_an_unknown_format_says_what_to_pass(tmp_path: Path) -> None:
    other = write_cryptofeed(tmp_path / "other.jsonl.zst", [{"channel": "trades"}])
    for path in (other, tmp_path / "missing.jsonl.zst", tmp_path / "a.csv"):
        with pytest.raises(ConfigurationError, match="perptape, cryptofeed, hftbacktest"):
            guess_format(path)
    with pytest.raises(ConfigurationError, match="one of perptape"):
        read_recording(other, "tardis")
    with pytest.raises(ConfigurationError, match="is not a file"):
        read_recording(tmp_path / "missing.gz")


def test_merging_orders_by_time_and_keeps_the_first_recording_first_on_ties() -> None:
    left = [frame(0, b"left", 10), frame(0, b"left", 20), frame(0, b"left", 30)]
    right = [frame(0, b"right", 10), frame(0, b"right", 25), frame(0, b"right", 30)]
    merged = [(item.receive_time_us, item.data.decode()) for item in merge([left, right])]
    assert merged == [
        (10, "left"),
        (10, "right"),
        (20, "left"),
        (25, "right"),
        (30, "left"),
        (30, "right"),
    ]


@needs_captures
@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("bybit/cryptofeed_BYBIT_btc_sol.jsonl.zst", {"recv": 1686, "http": 2, "send": 24}),
        ("okx/cryptofeed_OKX.jsonl.zst", {"recv": 410, "http": 25}),
        ("binance/usdm/cryptofeed_BINANCE_FUTURES.jsonl.zst", {"recv": 1535, "http": 5}),
        ("binance/spot/cryptofeed_BINANCE.jsonl.zst", {"recv": 265, "http": 5}),
        ("binance/usdm/hftbacktest_usdm_btcusdt_20240808.gz", {"recv": 93_953, "http": 1}),
        ("binance/usdm/hftbacktest_usdm_btcusdt_20230404.dat.gz", {"recv": 13_383, "http": 1}),
        ("binance/usdm/hftbacktest_usdm_btcusdt_20240718.gz", {"recv": 11_413, "http": 1}),
        ("binance/usdm/hftbacktest_usdm_btcusdt_20240719.gz", {"recv": 60_570}),
        ("binance/spot/hftbacktest_spot_btcusdt_20240808.gz", {"recv": 41_248, "http": 1}),
        ("hyperliquid/hftbacktest_btc_20250126.gz", {"recv": 55}),
    ],
)
def test_captures_hold_as_many_frames_as_their_index_says(name: str, kinds: dict[str, int]) -> None:
    counted = Counter[str](item.kind for item in read_recording(capture(name)))
    assert {kind: counted[kind] for kind in kinds} == kinds
    assert counted["http"] == kinds.get("http", 0)


@needs_captures
def test_captures_of_two_markets_merge_by_receive_time() -> None:
    names = (
        "spot/hftbacktest_spot_btcusdt_20240808.gz",
        "usdm/hftbacktest_usdm_btcusdt_20240808.gz",
    )
    last_us, frames = 0, 0
    for item in merge(read_recording(capture(f"binance/{name}")) for name in names):
        assert item.receive_time_us >= last_us
        last_us, frames = item.receive_time_us, frames + 1
    assert frames == 93_954 + 41_249
