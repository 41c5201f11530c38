"""How often venues are asked for what they do not stream, which decides how old it may be."""

import msgspec


class Polls(msgspec.Struct, frozen=True, kw_only=True):
    """Polling intervals; a value counts for two of them (definitions 5.12).

    Raises:
        ValueError: an interval that is not above zero.
    """

    seconds: int = 60
    venue_seconds: dict[str, int] = {}

    def __post_init__(self) -> None:
        for seconds in (self.seconds, *self.venue_seconds.values()):
            if seconds < 1:
                raise ValueError(f"expected a polling interval above zero, was {seconds}")

    def young_us(self, venue: str) -> int:
        """Return how old a polled value of a venue may be."""
        return 2_000_000 * self.venue_seconds.get(venue, self.seconds)
