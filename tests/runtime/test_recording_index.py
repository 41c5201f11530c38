"""Folders of recordings: an index that saves reading, files that stand alone, spans of time."""

from itertools import count
from pathlib import Path

import msgspec
import pytest

from runtime.errors import ConfigurationError, PayloadError, StoreError
from runtime.recordings import (
    FrameKind,
    IndexEntry,
    RecordedFrame,
    RecordingWriter,
    guess_format,
    read_index,
    read_recording,
)
from runtime.recordings.connections import MAX_CONNECTIONS, OpenConnections
from runtime.recordings.index import MAX_CONNECTIONS as MAX_COUNTED
from runtime.recordings.index import OTHERS, FrameCount
from runtime.recordings.writer import MAX_BUFFER_BYTES

START_US = 1_795_132_800_000_000
SECOND = 1_000_000
URL = "wss://stream.bybit.com/v5/public/linear"
INTRODUCTION = b'{"feed":"bybit.linear"}'


def event(second: float, kind: FrameKind = "recv", name: str = "a~1") -> RecordedFrame:
    time_us = START_US + round(second * SECOND)
    data = INTRODUCTION if kind == "connect" else f'{{"n":{second}}}'.encode()
    return RecordedFrame(time_us, name, kind, URL, b"" if kind == "close" else data)


def record(
    folder: Path, frames: list[RecordedFrame], seconds: float = 10, start_us: int = START_US
) -> RecordingWriter:
    """Write frames to files of so many seconds each; the last file is left open."""
    ticks = count(start_us)
    writer = RecordingWriter(folder, now_us=lambda: next(ticks), rotate_seconds=seconds)
    for frame in frames:
        writer.write(frame)
    return writer


def kill(writer: RecordingWriter) -> None:
    """Leave a file as a recorder does that is killed after its last flush."""
    writer.flush()
    assert writer._file is not None
    writer._file.close()


def half_a_minute() -> list[RecordedFrame]:
    """Two connections, of which the first is replaced in the second file of ten seconds."""
    frames = [event(0, "connect"), event(0.5, "connect", "b~1")]
    frames += [event(second, name=name) for second in range(1, 14) for name in ("a~1", "b~1")]
    frames += [event(14, "close"), event(15, "connect", "a~2")]
    frames += [event(second, name=name) for second in range(16, 30) for name in ("a~2", "b~1")]
    return frames


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.ptrec.zst"))


def index_lines(folder: Path) -> list[IndexEntry]:
    lines = (folder / "index.jsonl").read_bytes().splitlines()
    return [msgspec.json.decode(line, type=IndexEntry) for line in lines]


def read_into(frames: list[RecordedFrame], path: Path) -> None:
    for frame in read_recording(path):
        frames.append(frame)  # one by one: an error ends it


def outline(frames: list[RecordedFrame]) -> list[tuple[float, str, str]]:
    return [((one.receive_time_us - START_US) / SECOND, one.kind, one.connection) for one in frames]


def test_a_closed_file_has_a_line_that_says_what_is_in_it(tmp_path: Path) -> None:
    frames = half_a_minute()
    writer = record(tmp_path, frames)
    assert [one.file for one in index_lines(tmp_path)] == [one.name for one in files(tmp_path)[:2]]
    writer.close()
    first, second, third = index_lines(tmp_path)
    assert first == IndexEntry(
        file=files(tmp_path)[0].name,
        first_receive_time_us=START_US,
        last_receive_time_us=START_US + 9 * SECOND,
        frames=20,
        compressed_bytes=files(tmp_path)[0].stat().st_size,
        closed=True,
        frames_by_connection={"a~1": 10, "b~1": 10},
    )
    assert second.frames_by_connection == {"a~1": 5, "b~1": 8, "a~2": 5}
    assert first.frames + second.frames + third.frames == len(frames)
    assert read_index(tmp_path) == {one.file: one for one in (first, second, third)}


def test_a_folder_is_one_stream_with_every_frame_once(tmp_path: Path) -> None:
    frames = half_a_minute()
    record(tmp_path, frames).close()
    assert len(files(tmp_path)) == 3
    assert guess_format(tmp_path) == "perptape"
    assert list(read_recording(tmp_path)) == frames


def test_a_file_alone_begins_with_the_connections_that_were_open(tmp_path: Path) -> None:
    record(tmp_path, half_a_minute()).close()
    _, second, third = files(tmp_path)
    assert outline(list(read_recording(second)))[:3] == [
        (10, "connect", "a~1"),
        (10, "connect", "b~1"),
        (10, "recv", "a~1"),
    ]
    alone = list(read_recording(third))
    assert outline(alone)[:3] == [
        (20, "connect", "b~1"),
        (20, "connect", "a~2"),
        (20, "recv", "a~2"),
    ]
    assert alone[0] == RecordedFrame(START_US + 20 * SECOND, "b~1", "connect", URL, INTRODUCTION)


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_file_that_is_missing_is_stepped_over(tmp_path: Path, missing: int) -> None:
    frames = half_a_minute()
    record(tmp_path, frames).close()
    gone = files(tmp_path)[missing]
    lost = list(read_recording(gone))
    gone.unlink()
    read = list(read_recording(tmp_path))
    assert [one for one in read if one.kind == "recv"] == [
        one for one in frames if one.kind == "recv" and one not in lost
    ]
    joints = [place for place in outline(read) if place[1] != "recv"]
    assert (
        joints
        == {
            0: [
                (10, "connect", "a~1"),
                (10, "connect", "b~1"),
                (14, "close", "a~1"),
                (15, "connect", "a~2"),
            ],
            1: [
                (0, "connect", "a~1"),
                (0.5, "connect", "b~1"),
                (9, "close", "a~1"),
                (20, "connect", "a~2"),
            ],
            2: [
                (0, "connect", "a~1"),
                (0.5, "connect", "b~1"),
                (14, "close", "a~1"),
                (15, "connect", "a~2"),
            ],
        }[missing]
    )


def test_connections_of_a_recorder_that_was_killed_end_where_the_next_one_begins(
    tmp_path: Path,
) -> None:
    kill(record(tmp_path, [event(0, "connect"), event(1), event(2)]))
    again = [event(100, "connect"), event(101), event(102, "close")]
    record(tmp_path, again, start_us=START_US + 100 * SECOND).close()
    assert outline(list(read_recording(tmp_path))) == [
        (0, "connect", "a~1"),
        (1, "recv", "a~1"),
        (2, "recv", "a~1"),
        (2, "close", "a~1"),
        (100, "connect", "a~1"),
        (101, "recv", "a~1"),
        (102, "close", "a~1"),
    ]


def test_a_file_without_a_line_gets_one_when_it_is_read(tmp_path: Path) -> None:
    frames = half_a_minute()
    kill(record(tmp_path, frames))
    assert len(index_lines(tmp_path)) == 2
    assert list(read_recording(tmp_path)) == frames
    *_, last = index_lines(tmp_path)
    assert (last.file, last.frames, last.closed) == (files(tmp_path)[2].name, 20, False)
    assert last.last_receive_time_us == START_US + 29 * SECOND


def test_a_line_made_while_a_file_grew_does_not_count_any_more(tmp_path: Path) -> None:
    growing = record(tmp_path, [event(0, "connect"), event(1)])
    growing.flush()
    assert len(list(read_recording(tmp_path))) == 2
    growing.write(event(2))
    growing.flush()
    assert not read_index(tmp_path)
    late = read_recording(tmp_path, from_us=START_US + 2 * SECOND)
    assert outline(list(late)) == [(2, "connect", "a~1"), (2, "recv", "a~1")]
    growing.close()
    (line,) = index_lines(tmp_path)
    assert (line.frames, line.closed) == (3, True)


@pytest.mark.parametrize(
    "damage",
    [b"", b"not json\n", b'{"file":"x"}\n', b'{"file":7}\n\xff\n'],
    ids=["empty", "text", "fields", "types"],
)
def test_a_damaged_index_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    frames = half_a_minute()
    record(tmp_path, frames).close()
    before = read_index(tmp_path)
    (tmp_path / "index.jsonl").write_bytes(damage)
    assert list(read_recording(tmp_path)) == frames
    after = read_index(tmp_path)
    assert after.keys() == before.keys()
    assert [one.frames_by_connection for one in after.values()] == [
        one.frames_by_connection for one in before.values()
    ]
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


def test_an_index_that_cannot_be_kept_takes_nothing_from_the_recording(tmp_path: Path) -> None:
    (tmp_path / "index.jsonl").mkdir()
    frames = half_a_minute()
    record(tmp_path, frames).close()
    assert list(read_recording(tmp_path)) == frames
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


def test_a_damaged_file_is_reported_after_all_that_can_be_read(tmp_path: Path) -> None:
    frames = half_a_minute()
    record(tmp_path, frames).close()
    second = files(tmp_path)[1]
    whole = second.read_bytes()
    second.write_bytes(whole[: len(whole) // 2])
    read: list[RecordedFrame] = []
    with pytest.raises(PayloadError, match=second.name) as caught:
        read_into(read, tmp_path)
    assert caught.value.reason == "truncated_recording"
    lost = [one for one in frames if one.kind == "recv" and one not in read]
    assert lost
    assert {(one.receive_time_us - START_US) // SECOND // 10 for one in lost} == {1}
    assert [place[1:] for place in outline(read) if place[1] != "recv"] == [
        ("connect", "a~1"),
        ("connect", "b~1"),
        ("close", "a~1"),
        ("connect", "a~2"),
    ]


def test_a_span_begins_with_what_is_open_and_ends_before_its_end(tmp_path: Path) -> None:
    record(tmp_path, half_a_minute()).close()
    span = read_recording(tmp_path, from_us=START_US + 12 * SECOND, until_us=START_US + 16 * SECOND)
    assert outline(list(span)) == [
        (12, "connect", "a~1"),
        (12, "connect", "b~1"),
        (12, "recv", "a~1"),
        (12, "recv", "b~1"),
        (13, "recv", "a~1"),
        (13, "recv", "b~1"),
        (14, "close", "a~1"),
        (15, "connect", "a~2"),
    ]


@pytest.mark.parametrize(
    ("from_second", "until_second"),
    [
        (0, 30),
        (0, 10),
        (10, 20),
        (20, 30),
        (9.5, 20.5),
        (14, 15),
        (14.5, 14.6),
        (29, 99),
        (99, 100),
    ],
)
def test_a_span_is_the_same_with_an_index_and_without(
    tmp_path: Path, from_second: float, until_second: float
) -> None:
    frames = half_a_minute()
    record(tmp_path, frames).close()
    from_us = START_US + round(from_second * SECOND)
    until_us = START_US + round(until_second * SECOND)
    indexed = list(read_recording(tmp_path, from_us=from_us, until_us=until_us))
    (tmp_path / "index.jsonl").unlink()
    assert list(read_recording(tmp_path, from_us=from_us, until_us=until_us)) == indexed
    assert [one for one in indexed if one.kind == "recv"] == [
        one for one in frames if one.kind == "recv" and from_us <= one.receive_time_us < until_us
    ]


def test_files_outside_of_a_span_are_not_opened(tmp_path: Path) -> None:
    record(tmp_path, half_a_minute()).close()
    first, _, third = files(tmp_path)
    for path in (first, third):
        size = path.stat().st_size
        path.write_bytes(b"\0" * size)
    span = read_recording(tmp_path, from_us=START_US + 10 * SECOND, until_us=START_US + 20 * SECOND)
    assert len(list(span)) == 18 + 2


def test_a_span_of_a_single_file_begins_with_what_is_open(tmp_path: Path) -> None:
    path = tmp_path / "one.ptrec.zst"
    ticks = count(START_US)
    writer = RecordingWriter(path, now_us=lambda: next(ticks))
    for frame in half_a_minute():
        writer.write(frame)
    writer.close()
    assert outline(list(read_recording(path, from_us=START_US + 29 * SECOND))) == [
        (29, "connect", "b~1"),
        (29, "connect", "a~2"),
        (29, "recv", "a~2"),
        (29, "recv", "b~1"),
    ]
    assert not (tmp_path / "index.jsonl").exists()


def test_a_folder_without_recordings_or_of_another_format_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no folder of"):
        read_recording(tmp_path)
    record(tmp_path, [event(0)]).close()
    with pytest.raises(ConfigurationError, match="name the files"):
        read_recording(tmp_path, "cryptofeed")


def test_a_file_that_is_gone_when_it_is_its_turn_is_a_clear_error(tmp_path: Path) -> None:
    record(tmp_path, half_a_minute()).close()
    (tmp_path / "index.jsonl").unlink()
    reading = read_recording(files(tmp_path)[1])
    files(tmp_path)[1].unlink()
    with pytest.raises(ConfigurationError, match="cannot read recording"):
        next(reading)


def test_connections_are_counted_apart_up_to_a_bound() -> None:
    frames = FrameCount()
    for number in range(MAX_COUNTED + 5):
        frames.add(event(0, name=f"a~{number}"))
    entry = frames.entry("x", 1, closed=True)
    assert entry.frames == MAX_COUNTED + 5
    assert len(entry.frames_by_connection) == MAX_COUNTED + 1
    assert entry.frames_by_connection[OTHERS] == 5


def test_of_too_many_open_connections_the_newest_are_kept() -> None:
    connections = OpenConnections()
    for number in range(MAX_CONNECTIONS + 5):
        connections.note(event(0, "connect", f"a~{number}"))
    names = [one.connection for one in connections.connects]
    assert len(names) == MAX_CONNECTIONS
    assert (names[0], names[-1]) == ("a~5", f"a~{MAX_CONNECTIONS + 4}")


def test_a_frame_that_comes_while_a_file_cannot_be_ended_is_kept(tmp_path: Path) -> None:
    writer = record(tmp_path, [event(0, "connect"), event(0.5)], seconds=5)
    file = writer._file
    assert file is not None
    writer._file = Refusing()  # type: ignore[assignment]
    with pytest.raises(StoreError, match="No space left"):
        writer.write(event(6))
    writer._file = file
    writer.write(event(7))
    writer.close()
    first, second = files(tmp_path)
    assert outline(list(read_recording(first))) == [
        (0, "connect", "a~1"),
        (0.5, "recv", "a~1"),
        (6, "recv", "a~1"),
    ]
    assert outline(list(read_recording(second))) == [(7, "connect", "a~1"), (7, "recv", "a~1")]


def test_a_connection_that_was_opened_while_the_disk_was_full_is_in_the_next_file(
    tmp_path: Path,
) -> None:
    writer = record(tmp_path, [event(0, "connect")], seconds=5)
    file = writer._file
    assert file is not None
    writer._file = Refusing()  # type: ignore[assignment]
    big = RecordedFrame(START_US, "a~1", "recv", URL, b"x" * MAX_BUFFER_BYTES)
    for lost in (big, event(1, "connect", "b~1")):
        with pytest.raises(StoreError, match="No space left"):
            writer.write(lost)
    writer._file = file
    writer.write(event(6, name="b~1"))
    writer.close()
    assert outline(list(read_recording(tmp_path)))[-2:] == [
        (6, "connect", "b~1"),
        (6, "recv", "b~1"),
    ]


class Refusing:
    """A disk without room."""

    name = "full"

    def write(self, block: bytes) -> int:
        raise OSError(28, "No space left on device")

    def seek(self, position: int) -> None:
        assert position > 0

    def truncate(self) -> None:
        pass
