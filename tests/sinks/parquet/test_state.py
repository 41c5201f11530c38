"""What a folder remembers of its store."""

from pathlib import Path

import pytest

from runtime.errors import ConfigurationError
from sinks.parquet.state import STATE_FILE, Kept, State, load_state, save_state

STATE = State(store="one", datasets={"trades": Kept("form", ["a", "b"])})


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    save_state(tmp_path, STATE)

    assert load_state(tmp_path, "one") == STATE
    assert [path.name for path in tmp_path.iterdir()] == [STATE_FILE]


@pytest.mark.parametrize(
    "text",
    [None, b"", b'{"version":1,"sto', b"\xff\x00", b"[]", b'{"version":99,"store":"other"}'],
    ids=["missing", "empty", "cut", "no text", "another form", "another version"],
)
def test_what_cannot_be_read_is_nothing(tmp_path: Path, text: bytes | None) -> None:
    if text is not None:
        (tmp_path / STATE_FILE).write_bytes(text)

    assert load_state(tmp_path, "one") == State(store="one")


def test_a_folder_of_another_store_is_refused_by_name(tmp_path: Path) -> None:
    save_state(tmp_path, STATE)

    with pytest.raises(ConfigurationError, match=r"was filled from another store \(one, this is"):
        load_state(tmp_path, "two")
