"""A session: what ends up in batches depends on receive times alone."""

from hypothesis import given
from hypothesis import strategies as st

from collectors.registry import all_feeds
from collectors.session.lanes.trades import MAX_ROWS
from collectors.session.memory import Memory
from collectors.session.outcome import Outcome
from collectors.session.session import LINGER_US, Session
from collectors.venue import Channel
from schemas.instruments import make_instrument
from schemas.market import FeedState, Kind
from schemas.trades import TradeBatch, TradeRow
from tests.collectors.frames import BASE_US, spot_feed, streams, trade_frame

SECOND = 1_000_000


def new_session(opened_us: int = BASE_US) -> Session:
    return Session(spot_feed(), streams(), "s", opened_us)


def trades(out: Outcome) -> list[TradeBatch]:
    return [batch for batch in out.batches if isinstance(batch, TradeBatch)]


def test_first_trade_is_preceded_by_an_empty_batch_that_starts_the_coverage() -> None:
    session = new_session()
    first = session.on_frame(trade_frame(1, BASE_US), BASE_US + 1000)
    assert [(batch.sequence, batch.rows) for batch in trades(first)] == [(0, [])]
    later = session.on_tick(BASE_US + 1000 + LINGER_US)
    assert [(batch.sequence, len(batch.rows)) for batch in trades(later)] == [(1, 1)]


def test_trades_within_the_linger_share_a_batch_and_later_ones_do_not() -> None:
    session = new_session()
    batches: list[TradeBatch] = []
    for number, after_us in enumerate((0, 5_000, 19_999, 20_000, 45_000)):
        out = session.on_frame(trade_frame(number, BASE_US + after_us), BASE_US + after_us)
        batches += trades(out)
    batches += trades(session.on_tick(BASE_US + SECOND // 2))
    sizes = [len(batch.rows) for batch in batches if batch.rows]
    assert sizes == [3, 1, 1]
    assert [batch.receive_time_us - BASE_US for batch in batches if batch.rows] == [
        20_000,
        40_000,
        65_000,
    ]


def test_a_burst_is_split_at_the_row_limit_and_nothing_is_lost() -> None:
    session = new_session()
    batches = []
    for number in range(MAX_ROWS * 2 + 7):
        batches += trades(session.on_frame(trade_frame(number, BASE_US), BASE_US))
    batches += trades(session.on_tick(BASE_US + SECOND))
    assert [len(batch.rows) for batch in batches if batch.rows] == [MAX_ROWS, MAX_ROWS, 7]
    assert [row[4] for batch in batches for row in batch.rows] == list(range(MAX_ROWS * 2 + 7))


@given(
    gaps=st.lists(st.integers(0, 400_000), min_size=1, max_size=30),
    ticks=st.lists(st.integers(0, 6_000_000), max_size=40),
)
def test_batches_do_not_depend_on_when_ticks_come(gaps: list[int], ticks: list[int]) -> None:
    frames = []
    now = BASE_US
    for number, gap in enumerate(gaps):
        now += gap
        frames.append((now, trade_frame(number, now)))
    end = now + 2 * SECOND

    def play(tick_times: list[int]) -> list[TradeBatch]:
        session = new_session()
        batches: list[TradeBatch] = []
        pending = sorted(BASE_US + tick for tick in tick_times)
        for time_us, frame in frames:
            while pending and pending[0] <= time_us:
                batches += trades(session.on_tick(pending.pop(0)))
            batches += trades(session.on_frame(frame, time_us))
        for time_us in [tick for tick in pending if tick <= end]:
            batches += trades(session.on_tick(time_us))
        return batches + trades(session.on_tick(end))

    assert play(ticks) == play([])


def test_a_stream_with_nothing_to_say_speaks_every_second() -> None:
    session = new_session()
    session.on_frame(b'{"result":null,"id":1}', BASE_US)
    out = session.on_tick(BASE_US + 3 * SECOND)
    assert [batch.receive_time_us - BASE_US for batch in trades(out)] == [
        SECOND,
        2 * SECOND,
        3 * SECOND,
    ]


def test_watermark_follows_what_is_heard_less_the_skew_and_never_falls() -> None:
    session = new_session()
    skew_us = spot_feed().skew_us
    batches = list(trades(session.on_frame(trade_frame(1, BASE_US), BASE_US + 100_000)))
    batches += trades(session.on_frame(trade_frame(2, BASE_US - SECOND), BASE_US + 200_000))
    batches += trades(session.on_tick(BASE_US + 400_000))
    marks = [batch.watermark_us for batch in batches]
    assert marks == sorted(marks)
    assert marks[-1] == BASE_US + 200_000 - skew_us


def test_events_far_ahead_of_our_clock_are_kept_but_do_not_move_the_watermark() -> None:
    session = new_session()
    ahead_us = 3_600 * SECOND
    session.on_frame(trade_frame(1, BASE_US + ahead_us), BASE_US)
    (batch,) = [b for b in trades(session.on_tick(BASE_US + LINGER_US)) if b.rows]
    assert batch.rows[0][0] == BASE_US + ahead_us
    assert batch.clock_skew_us == ahead_us - LINGER_US
    assert batch.watermark_us == BASE_US + 500_000 - spot_feed().skew_us


def test_feed_state_goes_from_live_to_quiet_to_stale_and_down() -> None:
    session = new_session()
    session.on_frame(trade_frame(1, BASE_US), BASE_US)
    states = {}
    for second in range(1, 15):
        now_us = BASE_US + second * SECOND
        if second <= 7:
            session.on_heartbeat(now_us)
        states[second] = trades(session.on_tick(now_us))[-1].feed_state
    assert states[3] is FeedState.LIVE
    assert states[7] is FeedState.QUIET
    assert states[14] is FeedState.STALE  # not heard since second 7
    closed = trades(session.detach(0, BASE_US + 15 * SECOND))[-1]
    assert closed.feed_state is FeedState.DOWN


def test_a_down_stream_keeps_its_watermark() -> None:
    session = new_session()
    session.on_frame(trade_frame(1, BASE_US), BASE_US)
    before = trades(session.on_tick(BASE_US + LINGER_US))[-1].watermark_us
    session.detach(0, BASE_US + SECOND)
    after = trades(session.on_tick(BASE_US + 30 * SECOND))
    assert {batch.watermark_us for batch in after} == {before}
    assert {batch.feed_state for batch in after} == {FeedState.DOWN}


def test_history_that_is_replayed_from_before_we_listened_is_left_out() -> None:
    feed = all_feeds()["hyperliquid.perp"]
    coin = make_instrument(
        venue="hyperliquid",
        kind=Kind.LINEAR_PERPETUAL,
        venue_symbol="BTC",
        asset="BTC",
        quote="USDC",
        venue_tick="0.1",
        venue_lot="0.00001",
    )

    def frame(*trades: tuple[int, int]) -> bytes:
        rows = ",".join(
            f'{{"coin":"BTC","side":"B","px":"60000.0","sz":"0.01","time":{time_us // 1000},'
            f'"hash":"0x0","tid":{tid},"users":["0x1","0x2"]}}'
            for tid, time_us in trades
        )
        return f'{{"channel":"trades","data":[{rows}]}}'.encode()

    streams = [one for one in feed.streams([coin]) if one.channel is Channel.TRADES]

    def taken(memory: Memory) -> list[int | str]:
        session = Session(feed, streams, "s", BASE_US, memory=memory)
        out = session.on_frame(frame((1, BASE_US - 60 * SECOND), (2, BASE_US)), BASE_US)
        batches = trades(out) + trades(session.on_tick(BASE_US + SECOND))
        return [row[4] for batch in batches for row in batch.rows]

    assert taken(Memory()) == [2]
    memory = Memory()
    earlier: TradeRow = (BASE_US - 90 * SECOND, 1, 1, 1, 7, 0)
    memory.trades("BTC-USDC-PERP", gapless=False).take([earlier], None, BASE_US)
    assert taken(memory) == [1, 2]
    assert taken(memory) == []

    session = Session(feed, streams, "s", BASE_US)
    live = (3, BASE_US + 2 * SECOND)
    session.on_frame(frame((1, BASE_US - 60 * SECOND), live), live[1])
    now_us = BASE_US + 4 * SECOND
    session.attach(1, now_us)
    missed = (2, BASE_US + SECOND)
    again = session.on_frame(frame((1, BASE_US - 60 * SECOND), missed, live), now_us, 1)
    batches = trades(again) + trades(session.on_tick(now_us + SECOND))
    assert [row[4] for batch in batches for row in batch.rows] == [3, 2]

    set_back = session.on_frame(frame((4, BASE_US - 7 * SECOND)), now_us + SECOND)
    batches = trades(set_back) + trades(session.on_tick(now_us + 2 * SECOND))
    assert [row[4] for batch in batches for row in batch.rows] == [4]


def test_what_cannot_be_used_is_handed_on_with_its_reason() -> None:
    session = new_session()
    out = session.on_frame(b"{not json", BASE_US)
    assert [(drop.reason, drop.frame) for drop in out.drops] == [("malformed_json", b"{not json")]
    assert not trades(out)
