"""The spool: a bounded queue on disk that survives kills, torn writes and damage."""

import os
import resource
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from collectors.outbox.segment import encode_entry, scan
from collectors.outbox.spool import Spool
from runtime.bus.protocol import Outgoing
from runtime.errors import ConfigurationError, StoreError
from tests.collectors.spooled import (
    gaps_of,
    gaps_on_record,
    no_file_larger_than,
    numbers,
    record,
)

ROOM = 6_000


@contextmanager
def opened(folder: Path, max_bytes: int = 10**6, segment_bytes: int = 1_000) -> Iterator[Spool]:
    spool = Spool(folder, max_bytes, segment_bytes=segment_bytes)
    try:
        yield spool
    finally:
        spool.close()


def drained(spool: Spool, step: int = 7) -> list[int]:
    found = []
    while records := spool.read(step):
        found += numbers(records)
        spool.commit(len(records))
    return found


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.spool"))


def damage(path: Path, at: int, xor: int = 0xFF) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= xor
    path.write_bytes(data)


class SpoolAgainstAList(RuleBasedStateMachine):
    """Whatever is done to it, a spool is the list of what was appended and is not delivered."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="spool-"))
        self.turn = 0
        self.next = 0
        self.held = 0
        self.model: list[Outgoing] = []

    @initialize()
    def begin(self) -> None:
        self.spool = self.open()

    def open(self) -> Spool:
        self.held = 0
        return Spool(self.folder, ROOM, segment_bytes=900)

    @property
    def folder(self) -> Path:
        return self.root / str(self.turn)

    def kill(self) -> None:
        """Go on with the files as they are at this moment, as after a kill."""
        before = self.folder
        self.turn += 1
        shutil.copytree(before, self.folder)
        self.spool.close()

    @rule(sizes=st.lists(st.integers(8, 700), max_size=12))
    def append(self, sizes: list[int]) -> None:
        records = [record(self.next + place, size) for place, size in enumerate(sizes)]
        self.next += len(records)
        before = self.spool.first
        assert self.spool.append(records) == len(records)
        self.model += records
        left = self.spool.first - before
        lost = self.model[self.held : left]
        assert gaps_on_record(self.spool.losses.take()) == gaps_of(lost)
        self.model = self.model[left:]
        self.held = 0 if left else self.held

    @rule(count=st.integers(1, 9))
    def read(self, count: int) -> None:
        records = self.spool.read(count)
        assert records == self.model[: len(records)]
        assert 0 < len(records) <= count or not self.model
        self.held = len(records)

    @rule(count=st.integers(0, 12))
    def commit(self, count: int) -> None:
        before = self.spool.first
        self.spool.commit(count)
        assert self.spool.first - before == min(count, len(self.model))
        self.model = self.model[count:]
        self.held = max(0, self.held - count)
        if count:
            self.held = 0
            self.read(5)

    @rule()
    def reopen(self) -> None:
        self.spool.close()
        self.spool = self.open()

    @rule()
    def reopen_after_a_kill(self) -> None:
        self.kill()
        self.spool = self.open()

    @rule(part=st.integers(1, 60))
    def reopen_after_a_kill_within_a_write(self, part: int) -> None:
        self.kill()
        torn = encode_entry(record(0, 60))[:part]
        if files(self.folder):
            with files(self.folder)[-1].open("ab") as file:
                file.write(torn)
        self.spool = self.open()
        assert not self.spool.losses

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def reopen_with_a_damaged_byte(self, data: st.DataObject) -> None:
        self.kill()
        ends = {path: scan(path.read_bytes()).ends for path in files(self.folder)}
        delivered = sum(map(len, ends.values())) - len(self.model)
        number = data.draw(st.integers(0, len(self.model) - 1)) + delivered
        path, place = [(path, at) for path, held in ends.items() for at in range(len(held))][number]
        found = ends[path]
        begins = found[place - 1] if place else 0
        # Its checksum or its payload: the lengths say how many are lost.
        damage(path, data.draw(st.integers(begins + 4, found[place] - 1)))
        self.spool = self.open()
        lost = len(found) - place
        assert self.spool.losses.total == lost
        (gap,) = gaps_on_record(self.spool.losses.take()).values()
        times = [one.timestamp_us for one in self.model[number - delivered :][:lost]]
        assert gap[0] == lost
        assert gap[1] <= times[0]
        assert times[-1] <= gap[2]
        del self.model[number - delivered : number - delivered + lost]

    @invariant()
    def it_holds_what_the_list_holds_within_its_bounds(self) -> None:
        if not hasattr(self, "spool"):
            return
        assert self.spool.records == len(self.model)
        held = sum(path.stat().st_size for path in self.folder.iterdir())
        assert held <= ROOM
        assert sum(path.stat().st_size for path in files(self.folder)) == self.spool.size_bytes
        assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in files(self.folder))

    def teardown(self) -> None:
        if hasattr(self, "spool"):
            found = drained(self.spool)
            assert found == numbers(self.model)
            assert not files(self.folder)
            self.spool.close()
        shutil.rmtree(self.root)


TestSpoolAgainstAList = SpoolAgainstAList.TestCase
TestSpoolAgainstAList.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None, derandomize=True
)


def test_a_file_cut_at_any_byte_keeps_its_whole_entries(tmp_path: Path) -> None:
    with opened(tmp_path / "whole", segment_bytes=10_000) as spool:
        spool.append([record(number, 30) for number in range(4)])
    (path,) = files(tmp_path / "whole")
    data = path.read_bytes()
    ends = scan(data).ends
    assert ends[-1] == len(data)
    for size in range(len(data)):
        folder = tmp_path / str(size)
        folder.mkdir()
        (folder / path.name).write_bytes(data[:size])
        with opened(folder) as spool:
            whole = sum(end <= size for end in ends)
            assert spool.records == whole
            assert spool.losses.total == 0
            spool.append([record(9)])
            assert drained(spool) == [*range(whole), 9]


def test_a_block_of_zeros_is_not_taken_for_entries(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        spool.append([record(1)])
    with files(tmp_path)[0].open("ab") as file:
        file.write(bytes(4096))
    with opened(tmp_path) as spool:
        assert spool.losses.total == 1
        assert drained(spool) == [1]


def test_damage_while_it_is_open_skips_to_the_next_file_and_is_counted(tmp_path: Path) -> None:
    with opened(tmp_path, segment_bytes=500) as spool:
        for number in range(30):
            spool.append([record(number, 50)])
        first, second, *_ = files(tmp_path)
        held = len(scan(first.read_bytes()).ends)
        damage(first, scan(first.read_bytes()).ends[1] + 20)
        found = drained(spool)
        assert found == [0, 1, *range(held, 30)]
        assert spool.losses.total == held - 2
        ((count, from_us, to_us),) = gaps_on_record(spool.losses.take()).values()
        assert count == held - 2
        assert from_us == record(0).timestamp_us
        assert to_us == record(held).timestamp_us
        assert str(to_us) in second.name


def test_a_file_that_is_gone_is_counted(tmp_path: Path) -> None:
    with opened(tmp_path, segment_bytes=100) as spool:
        for number in range(3):
            spool.append([record(number, 90)])
        files(tmp_path)[1].unlink()
        assert drained(spool) == [0, 2]
        assert spool.losses.total == 1


def test_a_refusing_disk_takes_all_or_nothing_and_goes_on_afterwards(tmp_path: Path) -> None:
    with opened(tmp_path, segment_bytes=5_000) as spool:
        spool.append([record(0, 100)])
        with no_file_larger_than(400):
            with pytest.raises(StoreError, match="cannot spool"):
                spool.append([record(number, 100) for number in (7, 8, 9)])
            assert files(tmp_path)[0].stat().st_size == spool.size_bytes
        assert spool.append([record(number, 100) for number in (1, 2, 3)]) == 3
        assert drained(spool) == [0, 1, 2, 3]


def test_a_file_that_cannot_be_opened_for_now_is_not_given_up(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        spool.append([record(0), record(1)])
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            with pytest.raises(StoreError, match="cannot be read"):
                spool.read(1)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert drained(spool) == [0, 1]
        assert not spool.losses


def test_records_larger_than_a_read_are_read_one_at_a_time(tmp_path: Path) -> None:
    with opened(tmp_path, max_bytes=50 * 2**20, segment_bytes=10**7) as spool:
        records = [record(number, 3 * 2**20) for number in range(3)]
        spool.append(records)
        for one in records:
            assert spool.read(10) == [one]
            spool.commit(1)


def test_a_spool_that_is_closed_says_so(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        spool.append([record(0)])
    with pytest.raises(StoreError, match="closed"):
        spool.append([record(1)])
    with pytest.raises(StoreError, match="closed"):
        spool.read(1)


def test_what_a_refusing_disk_took_before_is_said(tmp_path: Path) -> None:
    with opened(tmp_path, segment_bytes=350) as spool, no_file_larger_than(400):
        records = [record(0, 90), record(1, 90), record(2, 900), record(3, 90)]
        assert spool.append(records) == 2
        assert drained(spool) == [0, 1]


def test_a_sync_that_fails_refuses_the_next_append(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(handle: int) -> None:
        raise OSError(5, "input/output error")

    with opened(tmp_path, segment_bytes=100) as spool:
        monkeypatch.setattr(os, "fsync", failing)
        spool.append([record(0, 90)])
        with pytest.raises(StoreError, match="input/output error"):
            spool.append([record(1, 90)])
        monkeypatch.undo()
        spool.append([record(1, 90)])
        assert drained(spool) == [0, 1]


def test_a_second_process_is_turned_away(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(ConfigurationError, match="another process"):
        Spool(tmp_path, 10**6)


def test_a_folder_that_cannot_be_one_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot open the spool"):
        Spool(tmp_path / "file", 10**6)
    with pytest.raises(ConfigurationError, match="too small"):
        Spool(tmp_path, 100)


def test_a_record_larger_than_the_spool_is_lost_alone(tmp_path: Path) -> None:
    with opened(tmp_path, max_bytes=5_000) as spool:
        assert spool.append([record(0), record(1, 9_000), record(2)]) == 3
        assert spool.losses.total == 1
        assert drained(spool) == [0, 2]


def test_a_spool_that_is_given_less_room_drops_its_oldest(tmp_path: Path) -> None:
    with opened(tmp_path, max_bytes=50_000) as spool:
        spool.append([record(number, 200) for number in range(100)])
    with opened(tmp_path, max_bytes=8_000) as spool:
        assert spool.size_bytes <= 8_000
        assert 0 < spool.records < 40
        assert spool.losses.total == 100 - spool.records
        assert drained(spool) == list(range(spool.losses.total, 100))


def test_an_old_position_only_has_records_come_again(tmp_path: Path) -> None:
    with opened(tmp_path, segment_bytes=10_000) as spool:
        spool.append([record(number) for number in range(10)])
        spool.commit(3)
        old = (tmp_path / "position").read_bytes()
        spool.commit(4)
    (tmp_path / "position").write_bytes(old)
    with opened(tmp_path) as spool:
        assert spool.records == 7
    damage(tmp_path / "position", 9)
    with opened(tmp_path) as spool:
        assert drained(spool) == list(range(10))


def test_what_a_full_spool_had_on_record_stays_on_record(tmp_path: Path) -> None:
    with opened(tmp_path, max_bytes=5_000) as spool:
        total = 400
        for number in range(total):
            spool.append([record(number, 100)])
            if spool.losses:
                spool.append(spool.losses.take())
        kept = spool.losses.take()
        while records := spool.read(50):
            kept += records
            spool.commit(len(records))
        lost = [record(number) for number in range(total) if number not in set(numbers(kept))]
        assert spool.losses.total == len(lost) > 300
        assert gaps_on_record(kept) == gaps_of(lost)
