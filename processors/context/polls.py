"""How often venues tell the values of a ticker, which decides how old one may be."""

import msgspec

from processors.context.ticker import Interest, Price, TickerMemory

VENUE_SECONDS = {"binance": 5, "bybit": 5, "hyperliquid": 5, "okx": 5}


class Polls(msgspec.Struct, frozen=True, kw_only=True):
    """Intervals in which a value is told again; it counts for two of them (definitions 5.12).

    Binance is asked for open interest every 5 s and streams prices every second, OKX streams open
    interest every 3 s, Hyperliquid everything every second. Of hundreds of instruments Binance is
    asked more rarely: a polled value counts for twice the time between the last two, if that is
    longer. Bybit tells what has changed and nothing else, OKX a price that has changed, any other
    once a minute: theirs count while the stream is there and its newest record has them.

    - `seconds`: of venues that are not in `venue_seconds`, and the most that is allowed for a price
      that has not changed, or by the time between two polls.
    - `interest_on_change`, `prices_on_change`: venues that tell them when they change.

    Raises:
        ValueError: an interval that is not above zero.
    """

    seconds: int = 60
    venue_seconds: dict[str, int] = msgspec.field(default_factory=VENUE_SECONDS.copy)
    interest_on_change: tuple[str, ...] = ("bybit",)
    prices_on_change: tuple[str, ...] = ("bybit", "okx")

    def __post_init__(self) -> None:
        for seconds in (self.seconds, *self.venue_seconds.values()):
            if seconds < 1:
                raise ValueError(f"expected a polling interval above zero, was {seconds}")

    def young_us(self, venue: str) -> int:
        """Return how old a value of a venue may be."""
        return 2_000_000 * self.venue_seconds.get(venue, self.seconds)

    def interest(self, venue: str, known: TickerMemory, end_us: int) -> Interest | None:
        """Return open interest as of a time, None where there is none that counts."""
        found = known.interest
        if found is None:
            return None
        if venue in self.interest_on_change and known.stands("open_interest"):
            return found
        between_us = min(2 * found.between_us, 2_000_000 * self.seconds)
        longest_us = max(self.young_us(venue), between_us)
        return found if end_us - found.time_us <= longest_us else None

    def mark(self, venue: str, known: TickerMemory, end_us: int) -> Price | None:
        """Return the mark price as of a time, None where there is none that counts."""
        stands = venue in self.prices_on_change and known.stands("mark_price")
        return self._price(venue, known.mark, end_us, stands=stands)

    def index(self, venue: str, known: TickerMemory, end_us: int) -> Price | None:
        """Return the index price as of a time, None where there is none that counts."""
        stands = venue in self.prices_on_change and known.stands("index_price")
        return self._price(venue, known.index, end_us, stands=stands)

    def _price(self, venue: str, found: Price | None, end_us: int, *, stands: bool) -> Price | None:
        longest_us = 2_000_000 * self.seconds if stands else self.young_us(venue)
        return found if found is not None and end_us - found.time_us <= longest_us else None
