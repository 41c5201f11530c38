"""Decides when records that cannot be stored are no longer the exception."""

from collections import deque

from runtime.errors import PerptapeError

WINDOW_RECORDS = 200
LEAST_POISON = 20


class PoisonError(PerptapeError):
    """Most records cannot be stored: the fault is not in single records."""


class PoisonGauge:
    """Watches the last 200 records; more than half of them bad, and at least 20, is too much."""

    def __init__(self) -> None:
        self._bad: deque[bool] = deque(maxlen=WINDOW_RECORDS)

    def good(self) -> None:
        """Count a record that could be used."""
        self._bad.append(False)

    def bad(self, detail: str) -> None:
        """Count a record that could not.

        Raises:
            PoisonError: it was one too many.
        """
        self._bad.append(True)
        count = sum(self._bad)
        if count >= LEAST_POISON and 2 * count > len(self._bad):
            raise PoisonError(
                f"{count} of the last {len(self._bad)} records could not be stored and are in the "
                f"dead letters; the last one: {detail}"
            )
