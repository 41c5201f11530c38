"""The ticker lane: which of two values is the newer one."""

from collectors.messages import TickerValues
from collectors.registry import all_feeds
from collectors.session.lanes.tickers import TickerLane
from collectors.venue import Channel
from schemas.instruments import make_instrument
from schemas.market import Kind
from schemas.units import US_PER_SECOND

BASE_US = 1_800_000_000_000_000
YEAR_US = 365 * 86_400 * US_PER_SECOND
BITCOIN = make_instrument(
    venue="bybit",
    kind=Kind.LINEAR_PERPETUAL,
    venue_symbol="BTCUSDT",
    asset="BTC",
    quote="USDT",
    venue_tick="0.1",
    venue_lot="0.001",
)
STREAMS = all_feeds()["bybit.linear"].streams([BITCOIN])


def test_a_time_far_ahead_of_our_clock_freezes_nothing() -> None:
    (stream,) = [one for one in STREAMS if one.channel is Channel.TICKER]
    lane = TickerLane(BITCOIN, stream.name, BASE_US)

    def told(price: str, event_us: int, now_us: int) -> tuple[object, object]:
        values = TickerValues(
            stream=stream,
            instrument=BITCOIN,
            event_time_us=event_us,
            mark_price=price,
            settled_funding_rate=price,
            settled_funding_time_us=event_us,
        )
        lane.take(values, now_us)
        return lane._known["mark_price"], lane._known.get("settled_funding_rate")

    assert told("1", BASE_US + YEAR_US, BASE_US) == ("1", None)
    later_us = BASE_US + US_PER_SECOND
    assert told("2", later_us, later_us) == ("2", "2")
    assert told("3", BASE_US, later_us) == ("2", "2")
