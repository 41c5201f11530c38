"""How long to wait before the next try: exponential, with full jitter and a ceiling."""

from collections.abc import Callable


class Backoff:
    """Delays that double up to a ceiling, each drawn between a tenth and the whole of it.

    Args:
        first_seconds: the longest first delay.
        ceiling_seconds: the longest delay ever.
        random: returns a number in [0, 1).
    """

    def __init__(
        self, first_seconds: float, ceiling_seconds: float, random: Callable[[], float]
    ) -> None:
        self._first = first_seconds
        self._ceiling = ceiling_seconds
        self._random = random
        self._tries = 0

    def next_seconds(self) -> float:
        """Return the next delay in seconds."""
        longest = min(self._ceiling, self._first * float(1 << min(self._tries, 30)))
        self._tries += 1
        return longest * (0.1 + 0.9 * self._random())

    def reset(self) -> None:
        """Start over, after a success that lasted."""
        self._tries = 0
