"""Which parts of the store a folder has in full, kept in the folder.

A file that is missing or damaged, or of another layout, only means that everything is compared
again; a folder that was filled from another store is refused, since files of it would be replaced.
"""

from pathlib import Path

import msgspec
import structlog

from runtime.disk import sync
from runtime.errors import ConfigurationError
from runtime.failpoint import failpoint

STATE_FILE = ".perptape.json"
_VERSION = 1
_log = structlog.get_logger(__name__)


class Kept(msgspec.Struct, frozen=True):
    """What is known of a dataset: the form of its files, and digests of parts."""

    form: str
    parts: list[str]


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What a folder has.

    Args:
        version: of this form.
        store: which store it was filled from.
        datasets: by name.
    """

    version: int = _VERSION
    store: str
    datasets: dict[str, Kept] = {}


def load_state(folder: Path, store: str) -> State:
    """Return what a folder has of a store; nothing where that cannot be known.

    Raises:
        ConfigurationError: it was filled from another store.
        OSError: it cannot be read.
    """
    path = folder / STATE_FILE
    try:
        state = msgspec.json.decode(path.read_bytes(), type=State)
    except FileNotFoundError:
        return State(store=store)
    except (msgspec.MsgspecError, ValueError) as error:
        _log.warning("parquet_state_unreadable", path=str(path), error=str(error))
        return State(store=store)
    if state.version != _VERSION:
        _log.warning("parquet_state_unreadable", path=str(path), version=state.version)
        return State(store=store)
    if state.store != store:
        raise ConfigurationError(
            f"{folder} was filled from another store ({state.store}, this is {store}): choose "
            f"another folder, or remove {path} to have its files replaced by those of this one"
        )
    return state


def save_state(folder: Path, state: State) -> None:
    """Replace what is kept, as a whole and on disk.

    Raises:
        OSError: it cannot be written.
    """
    path = folder / STATE_FILE
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.encode(state))
    sync(fresh)
    failpoint("parquet_before_state")
    fresh.replace(path)
    sync(folder)
