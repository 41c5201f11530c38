"""A spool seen from outside: what waits, since when, and who has it."""

from pathlib import Path

import pytest

from collectors.outbox.look import SpoolSeen, look
from collectors.outbox.spool import Spool
from tests.collectors.spooled import BASE_US, record


def filled(folder: Path, count: int) -> Spool:
    spool = Spool(folder, 2**20)
    spool.append([record(number) for number in range(count)])
    return spool


def test_no_spool_is_empty_and_is_not_made(tmp_path: Path) -> None:
    assert look(tmp_path / "spool") == SpoolSeen()
    assert not (tmp_path / "spool").exists()


def test_what_waits_is_seen_with_its_time_and_its_process(tmp_path: Path) -> None:
    spool = filled(tmp_path, 3)
    size = next(tmp_path.glob("*.spool")).stat().st_size
    assert look(tmp_path) == SpoolSeen(size, BASE_US, is_held=True)
    spool.close()
    assert look(tmp_path) == SpoolSeen(size, BASE_US, is_held=False)


@pytest.mark.parametrize(("delivered", "left"), [(1, 2), (2, 1), (3, 0)])
def test_what_was_delivered_does_not_wait(tmp_path: Path, delivered: int, left: int) -> None:
    spool = filled(tmp_path, 3)
    size = next(tmp_path.glob("*.spool")).stat().st_size
    spool.read(delivered)
    spool.commit(delivered)
    seen = look(tmp_path)
    spool.close()
    assert seen.waiting_bytes == size * left // 3
    assert (seen.since_us is None) == (left == 0)


def test_a_look_leaves_the_spool_to_its_next_process(tmp_path: Path) -> None:
    filled(tmp_path, 3).close()
    look(tmp_path)
    spool = Spool(tmp_path, 2**20)
    assert spool.records == 3
    spool.close()
