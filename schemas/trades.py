"""The trade batch (`md.norm.trades.v1`): header as an object, rows as arrays of integers."""

import msgspec

from schemas.market import DataSource, FeedState, Kind, TradeIds

TRADES_SCHEMA = "trades.v1"

TradeRow = tuple[int, int, int, int, int | str, int]
"""`[event_time_us, price_ticks, qty_lots, side, trade_id, flags]`.

`side` is the aggressor's (`schemas.market.Side`), `trade_id` an integer where the venue's is one
and text where it is not, `flags` an `OrderClass` in the low four bits, `OFF_GRID` and
`ANOTHER_ORDER`.
"""


class BatchHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What every normalized batch says about its stream.

    `sequence` counts from 0 without holes inside a `session` (one connection's life), so a lost
    batch is seen. `watermark_us` promises that nothing earlier is expected any more; it never
    falls inside a session. `clock_skew_us` is how far the newest event lay ahead of our clock,
    0 up to half a second (the watermark is not advanced by what lies beyond).
    """

    schema: str
    venue: str
    kind: Kind
    symbol: str
    venue_symbol: str
    asset: str
    quote: str
    session: str
    sequence: int
    receive_time_us: int
    watermark_us: int
    feed_state: FeedState
    clock_skew_us: int = 0


class TradeBatch(BatchHeader, frozen=True, kw_only=True):
    """All trades of one instrument that arrived within one frame or a short linger.

    Price of a row = `price_ticks * tick` in `quote`, quantity = `qty_lots * lot` in base coin.
    An empty batch carries time and feed state only. `stream` is the venue's own channel name: one
    instrument is fed by one stream, never by two that merge fills differently.
    """

    tick: str
    lot: str
    stream: str
    trade_ids: TradeIds
    source: DataSource = DataSource.STREAM
    rows: list[TradeRow]
