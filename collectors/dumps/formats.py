"""The formats of trade files: how each names its columns, and what they mean.

Sources: venue notes on historical files (read 2026-11). Columns are found by their names, in any
order and with any others between them; files without names are read by the places that the format
gives. Sides are the aggressor's.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from collectors.dumps.times import TimeUnit
from schemas.market import Kind, Side, TradeIds


class Role(StrEnum):
    """What a column is to us."""

    TIME = "time"
    PRICE = "price"
    QTY = "quantity"
    SIDE = "side"
    ID = "trade id"
    RPI = "rpi"


MAKER_SIDES = {
    "true": Side.SELL,
    "false": Side.BUY,
    "True": Side.SELL,
    "False": Side.BUY,
}
"""Of a column that says whether the buyer was the maker."""

TAKER_SIDES = {
    "buy": Side.BUY,
    "sell": Side.SELL,
    "Buy": Side.BUY,
    "Sell": Side.SELL,
    "unknown": Side.UNKNOWN,
}

_MS, _US = TimeUnit.MILLISECONDS, TimeUnit.MICROSECONDS


@dataclass(frozen=True)
class Format:
    """One format of trade files.

    Args:
        name: how `--format` calls it.
        venue: whose files they are; empty where the file or an option says so.
        names: the names that the column of each role may have.
        units: of the time column.
        sides: what the side column may say.
        trade_ids: what the ids promise.
        places: the roles of a file without names, by its number of columns.
        optional: roles that may be missing.
        kinds: what is traded, by the number of columns, where that tells.
        stream: the live stream with the same trades under the same ids, with `{symbol}` or
            `{lower}`; empty where there is none.
        contracts: whether quantities of perpetuals are in contracts.
    """

    name: str
    venue: str
    names: dict[Role, tuple[str, ...]]
    units: tuple[TimeUnit, ...]
    sides: dict[str, Side]
    trade_ids: TradeIds = TradeIds.SEQUENTIAL
    places: dict[int, tuple[Role | None, ...]] = field(default_factory=dict)
    optional: frozenset[Role] = frozenset()
    kinds: dict[int, Kind] = field(default_factory=dict)
    stream: str = ""
    contracts: bool = False


_FUTURES_TRADES = (Role.ID, Role.PRICE, Role.QTY, None, Role.TIME, Role.SIDE)
_FUTURES_AGGREGATES = (Role.ID, Role.PRICE, Role.QTY, None, None, Role.TIME, Role.SIDE)
_OKX = (None, Role.ID, Role.SIDE, Role.PRICE, Role.QTY, Role.TIME)

FORMATS = (
    Format(
        "binance.aggTrades",
        "binance",
        {
            Role.TIME: ("transact_time", "time"),
            Role.PRICE: ("price",),
            Role.QTY: ("quantity", "qty"),
            Role.SIDE: ("is_buyer_maker", "isBuyerMaker"),
            Role.ID: ("agg_trade_id", "id"),
        },
        units=(_MS, _US),
        sides=MAKER_SIDES,
        places={7: _FUTURES_AGGREGATES, 8: (*_FUTURES_AGGREGATES, None)},
        kinds={7: Kind.LINEAR_PERPETUAL, 8: Kind.SPOT},
        stream="{lower}@aggTrade",
    ),
    Format(
        "binance.trades",
        "binance",
        {
            Role.TIME: ("time",),
            Role.PRICE: ("price",),
            Role.QTY: ("qty",),
            Role.SIDE: ("is_buyer_maker", "isBuyerMaker"),
            Role.ID: ("id",),
        },
        units=(_MS, _US),
        sides=MAKER_SIDES,
        places={6: _FUTURES_TRADES, 7: (*_FUTURES_TRADES, None)},
        kinds={6: Kind.LINEAR_PERPETUAL, 7: Kind.SPOT},
        stream="{lower}@trade",
    ),
    Format(
        "bybit.trades",
        "bybit",
        {
            Role.TIME: ("timestamp",),
            Role.PRICE: ("price",),
            Role.QTY: ("size",),
            Role.SIDE: ("side",),
            Role.ID: ("trdMatchID",),
            Role.RPI: ("RPI",),
        },
        units=(TimeUnit.SECONDS,),
        sides=TAKER_SIDES,
        trade_ids=TradeIds.OPAQUE,
        optional=frozenset({Role.RPI}),
        stream="publicTrade.{symbol}",
    ),
    Format(
        # The id counts the lines of the file, so the stream's trades cannot be known by it.
        "bybit.spot",
        "bybit",
        {
            Role.TIME: ("timestamp",),
            Role.PRICE: ("price",),
            Role.QTY: ("volume",),
            Role.SIDE: ("side",),
            Role.ID: ("id",),
            Role.RPI: ("rpi",),
        },
        units=(_MS,),
        sides=TAKER_SIDES,
        trade_ids=TradeIds.OPAQUE,
        optional=frozenset({Role.RPI}),
    ),
    Format(
        # Every fill, where the live stream merges those of one order: not the same ids.
        "okx.trades",
        "okx",
        {
            Role.TIME: ("created_time",),
            Role.PRICE: ("price",),
            Role.QTY: ("size",),
            Role.SIDE: ("side",),
            Role.ID: ("trade_id",),
        },
        units=(_MS,),
        sides=TAKER_SIDES,
        places={6: _OKX, 7: (*_OKX, None)},
        contracts=True,
    ),
    Format(
        "tardis.trades",
        "",
        {
            Role.TIME: ("timestamp",),
            Role.PRICE: ("price",),
            Role.QTY: ("amount",),
            Role.SIDE: ("side",),
            Role.ID: ("id",),
        },
        units=(_US,),
        sides=TAKER_SIDES,
        trade_ids=TradeIds.OPAQUE,
        contracts=True,
    ),
    Format(
        "plain",
        "",
        {
            Role.TIME: ("timestamp", "time", "event_time_us", "event_time_ms"),
            Role.PRICE: ("price",),
            Role.QTY: ("quantity", "qty", "amount", "size"),
            Role.SIDE: ("side",),
            Role.ID: ("tradeId", "trade_id", "id"),
        },
        units=(_MS, _US),
        sides=TAKER_SIDES,
    ),
)
BY_NAME = {one.name: one for one in FORMATS}

TELLING_NAMES = (
    ("bybit.trades", "trdMatchID"),
    ("tardis.trades", "local_timestamp"),
    ("okx.trades", "instrument_name"),
    ("binance.aggTrades", "agg_trade_id"),
    ("bybit.spot", "volume"),
    ("binance.trades", "is_buyer_maker"),
    ("binance.trades", "isBuyerMaker"),
)
"""Column names that tell the format where the name of the file does not."""

TARDIS_EXCHANGES = {
    "binance": ("binance", Kind.SPOT),
    "binance-futures": ("binance", Kind.LINEAR_PERPETUAL),
    "bybit": ("bybit", Kind.LINEAR_PERPETUAL),
    "bybit-spot": ("bybit", Kind.SPOT),
    "okex": ("okx", Kind.SPOT),
    "okex-swap": ("okx", Kind.LINEAR_PERPETUAL),
    "hyperliquid": ("hyperliquid", Kind.LINEAR_PERPETUAL),
}
"""What Tardis calls the markets that we know."""
