"""The folder of a cluster: what its data belong to, and that one cluster at a time uses them."""

import base64
import fcntl
import json
import uuid
from pathlib import Path
from typing import TextIO

from runtime.errors import ConfigurationError


class Folder:
    """Where a cluster keeps its data.

    Args:
        path: made where it is missing.
        brokers: how many the cluster has; fixed with the first start.
    """

    def __init__(self, path: Path, brokers: int) -> None:
        self.path = path.absolute()
        self._brokers = brokers
        self._lock: TextIO | None = None

    def open(self) -> str:
        """Take the folder and return the id of the cluster whose data are in it.

        Raises:
            ConfigurationError: another process uses it, or its cluster is of another size.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        if self._lock is None:
            self._lock = (self.path / ".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise ConfigurationError(f"{self.path} is in use by another Kafka") from None
        try:
            return self._cluster_id()
        except ConfigurationError:
            self.close()
            raise

    def close(self) -> None:
        """Let others have the folder."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _cluster_id(self) -> str:
        about = self.path / "cluster.json"
        if not about.exists():
            about.write_text(json.dumps({"id": new_cluster_id(), "brokers": self._brokers}))
        found = json.loads(about.read_text())
        size = found["brokers"]
        if size != self._brokers:
            raise ConfigurationError(
                f"{self.path} has the data of a cluster of {size}, not of {self._brokers}"
            )
        return str(found["id"])


def new_cluster_id() -> str:
    """Return 16 random bytes as Kafka writes them: base64 for addresses, without its padding."""
    while True:
        found = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not found.startswith("-"):  # the storage tool would take it for an option
            return found
