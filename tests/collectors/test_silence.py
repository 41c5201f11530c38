"""A dead route and a quiet market: which connections are given up, and when."""

from collections.abc import Callable, Mapping

import pytest

from collectors.registry import all_feeds
from collectors.session.line import Line
from collectors.silence import CHANNEL_SILENT_SECONDS, Silence
from collectors.venue import Channel
from schemas.instruments import make_instrument
from schemas.units import US_PER_SECOND

BASE_US = 1_800_000_000_000_000
HOUR = 3_600
Speaks = Callable[[int], bool]


def always(_: int) -> bool:
    return True


def never(_: int) -> bool:
    return False


def every(seconds: int) -> Speaks:
    return lambda second: second % seconds == 0


def until(end: int) -> Speaks:
    return lambda second: second < end


def line(feed_name: str, instruments: int, channels: Mapping[Channel, Speaks]) -> Line:
    feed = all_feeds()[feed_name]
    made = [
        make_instrument(
            venue=feed.venue,
            kind=feed.kind,
            venue_symbol=f"A{number}USDT",
            asset=f"A{number}",
            quote="USDT",
            venue_tick="0.1",
            venue_lot="0.1",
        )
        for number in range(instruments)
    ]
    streams = [one for one in feed.streams(made) if one.channel in channels]
    return Line(feed.parser(streams, feed.memory()), streams, BASE_US, list)


def given_up(
    channels: Mapping[Channel, Speaks], seconds: int, *, instruments: int = 1
) -> tuple[int, str] | None:
    """Let one stream of each channel speak at some seconds; return when and why it is given up."""
    found = line("bybit.linear", instruments, channels)
    silence = Silence(found)
    first = {one.channel: one for one in reversed(found.asked.values())}
    for second in range(seconds):
        for channel, speaks in channels.items():
            if speaks(second):
                found.hear(first[channel], BASE_US + second * US_PER_SECOND)
        if why := silence.look(float(second)):
            return second, why
    return None


def test_an_instrument_that_trades_rarely_keeps_its_connection() -> None:
    rarely = {Channel.TRADES: every(600), Channel.BOOK: always, Channel.TICKER: always}
    assert given_up(rarely, 6 * HOUR) is None


def test_a_burst_of_trades_does_not_make_the_quiet_after_it_a_fault() -> None:
    def bursts(second: int) -> bool:
        return second % HOUR < 600

    assert given_up({Channel.TRADES: bursts, Channel.BOOK: always}, 3 * HOUR) is None


def test_a_keep_alive_once_a_minute_is_a_word() -> None:
    quiet = {Channel.TRADES: never, Channel.BOOK: every(60), Channel.TOP: never}
    assert given_up(quiet, HOUR) is None


@pytest.mark.parametrize("channel", [Channel.TRADES, Channel.TICKER])
def test_a_channel_that_never_paused_and_ends_is_a_dead_route(channel: Channel) -> None:
    ends = {Channel.BOOK: always, Channel.TRADES: always, Channel.TICKER: always}
    second, why = given_up(ends | {channel: until(1_000)}, HOUR) or (0, "")
    assert 1_000 + CHANNEL_SILENT_SECONDS <= second <= 1_002 + CHANNEL_SILENT_SECONDS
    assert why == f"no word on any stream of {channel}: a dead route"


def test_a_connection_on_which_nothing_comes_from_the_start_is_a_dead_route() -> None:
    mute = {Channel.TRADES: never, Channel.BOOK: never, Channel.TOP: never}
    second, why = given_up(mute, HOUR) or (0, "")
    assert second <= CHANNEL_SILENT_SECONDS + 2
    assert why == "no word on any stream: a dead route"


@pytest.mark.parametrize(("instruments", "seconds"), [(1, 4_500), (10, 450), (60, 75), (100, 75)])
def test_a_channel_that_never_speaks_is_given_less_time_the_more_streams_it_has(
    instruments: int, seconds: int
) -> None:
    ends = {Channel.TRADES: never, Channel.BOOK: always}
    second, why = given_up(ends, 2 * HOUR, instruments=instruments) or (0, "")
    assert seconds < second <= seconds + 2
    assert "trades" in why


def test_a_connection_of_which_nothing_is_expected_to_move_is_let_be() -> None:
    assert given_up({Channel.LIQUIDATIONS: never}, HOUR) is None
