"""The ticker lane: what several streams and polls say of one perpetual, put together."""

from collectors.messages import TickerValues
from collectors.session.lanes.base import CLOCK_TOLERANCE_US, Header, Lane
from schemas.instruments import Instrument
from schemas.market import DataSource
from schemas.tickers import TICKERS_SCHEMA, TickerBatch

_TIMES = {
    "mark_price": "mark_time_us",
    "index_price": "index_time_us",
    "funding_rate": "funding_seen_us",
    "open_interest": "open_interest_time_us",
}
"""What is published with a time of its own."""

_VALUES = (
    "mark_price", "index_price", "funding_rate", "funding_time_us", "funding_interval_seconds",
    "open_interest",
)  # fmt: skip


class TickerLane(Lane):
    """The context of one perpetual, published once a second."""

    schema = TICKERS_SCHEMA

    def __init__(self, instrument: Instrument, stream: str, opened_us: int) -> None:
        super().__init__(instrument, stream, opened_us)
        self._known: dict[str, object] = {}
        self._told_us: dict[str, int] = {}

    def take(self, values: TickerValues, receive_us: int, *, fetched: bool = False) -> None:
        """Take values in: None is unchanged, and what is older than known is left out.

        No time counts for more than a little ahead of our clock, or a wrong one would be the newest
        for ever.
        """
        latest_us = receive_us + CLOCK_TOLERANCE_US
        time_us = min(values.event_time_us or receive_us, latest_us)
        for name in _VALUES:
            value = getattr(values, name)
            if value is None or time_us < self._told_us.get(name, 0):
                continue
            self._known[name] = value
            self._told_us[name] = time_us
            if name in _TIMES:
                self._known[_TIMES[name]] = time_us
            if name == "open_interest":
                source = DataSource.REST if fetched else DataSource.STREAM
                self._known["open_interest_source"] = source
                self._known["open_interest_halved"] = values.open_interest_halved
        if values.settled_funding_rate is not None:
            settled_us = values.settled_funding_time_us or 0
            self._take_settled(values.settled_funding_rate, settled_us, latest_us)
        self.item_us = receive_us

    def _take_settled(self, rate: str, time_us: int, latest_us: int) -> None:
        if self._told_us.get("settled", 0) <= time_us <= latest_us:
            self._told_us["settled"] = time_us
            self._known["settled_funding_rate"] = rate
            self._known["settled_funding_time_us"] = time_us or None

    def build(self, header: Header, now_us: int) -> TickerBatch:
        """Make a record of everything that is known."""
        return TickerBatch(**header, stream=self.stream, **self._known)  # type: ignore[arg-type]
