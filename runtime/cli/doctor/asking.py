"""Asking the store within a time, so that a slow or broken answer is a finding and no end."""

import time
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from runtime.errors import PerptapeError, StoreError

QUERY_SECONDS = 10
"""How long one query may take."""

ALL_SECONDS = 20.0
"""After so long no further question is asked."""

Rows = list[tuple[Any, ...]]
T = TypeVar("T")


class Answering(Protocol):
    """What answers queries: `sinks.clickhouse.access.Reader`."""

    def query(self, sql: str, parameters: dict[str, Any] | None = None) -> Any:
        """Return a table with `rows`."""
        ...


class Asker:
    """Asks one question after the other; what went wrong is kept by the question's name.

    A store that goes away is not asked again.
    """

    def __init__(self, reader: Answering, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.problems: dict[str, str] = {}
        self.reader = reader
        self._monotonic = monotonic
        self._deadline = monotonic() + ALL_SECONDS

    def ask(self, name: str, sql: str, parameters: dict[str, Any] | None = None) -> Rows:
        """Return the rows of an answer, none where there was a problem."""
        return self.run(name, lambda: list(self.reader.query(sql, parameters).rows), [])

    def run(self, name: str, question: Callable[[], T], default: T) -> T:
        """Return what a question gives, the default where there was a problem."""
        if self._monotonic() > self._deadline:
            self.problems[name] = "not asked: the store takes too long"
            return default
        try:
            return question()
        except StoreError as error:
            self._deadline = 0.0
            self.problems[name] = str(error)
        except PerptapeError as error:
            self.problems[name] = str(error)
        return default
