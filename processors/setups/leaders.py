"""Which instrument leads: the one that traded most in the last minutes that it has in a row."""

from collections import deque
from collections.abc import Mapping

from processors.plain import Plain


class Leaders:
    """The minutes of every instrument.

    Args:
        bars: how many count.
    """

    def __init__(self, bars: int) -> None:
        self._bars = bars
        self._traded: dict[str, deque[int]] = {}
        self.name = ""

    def take(self, minute: Mapping[str, int | None]) -> None:
        """Take in what each instrument traded in a minute, None where that is not known.

        Who is not named is forgotten. Of equals the first by name leads; nobody does (the name is
        empty) where nothing is known of anybody.
        """
        for gone in [name for name in self._traded if minute.get(name) is None]:
            del self._traded[gone]
        for name, traded in minute.items():
            if traded is not None:
                held = self._traded.setdefault(name, deque(maxlen=self._bars))
                held.append(traded)
        able = sorted(self._traded)
        self.name = max(able, key=lambda name: sum(self._traded[name]), default="")

    def miss(self) -> None:
        """Forget everything after a hole in time."""
        self._traded.clear()

    def dump(self) -> Plain:
        """Return everything as plain values."""
        return [self.name, [[name, list(held)] for name, held in sorted(self._traded.items())]]

    def load(self, state: Plain) -> None:
        """Take the values of `dump` back."""
        self.name, rows = state
        self._traded = {name: deque(held, maxlen=self._bars) for name, held in rows}
