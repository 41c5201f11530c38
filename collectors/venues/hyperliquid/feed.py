"""Hyperliquid: the perpetuals of the first dex, and spot of the assets that it trades too.

Sources: https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/subscriptions,
timeouts-and-heartbeats, rate-limits-and-user-limits, info-endpoint (as measured on 2026-09-24).

What a reader would trip over:

- One coin that does not exist closes the whole connection without a word: subscribe only to names
  out of the listings, in their own case.
- The first frame of a trade subscription repeats old trades and does not say so.
- Every book is whole. Without `fast` it comes each 5.4 s since July 2026, with it (five levels)
  each half second; `bbo` has the best prices of every block in between.
- The smallest price step depends on the price; on the wire every price is a multiple of
  `10^-(6 - szDecimals)` (8 for spot), and that fixed grid is our tick.
- `kPEPE` is a thousand PEPE.
- `tid` is a hash: unique together with time and coin, and without order.
- Anybody may list a spot token under any name. Only those known to be the asset are carried:
  Bitcoin is `UBTC`, and a token that calls itself `BTC` is not.
- `activeAssetCtx` has no time. Funding is hourly, due at the full hour; what was paid is only in
  `fundingHistory`, which wants a start time that a feed without a clock does not know, so the
  settled rate stays unknown.
- There is no stream of liquidations: see `liquidations`. The explorer is on a host of
  its own.
- The limits are those of an address, shared by both feeds: 10 connections (30 new a minute), 1,000
  subscriptions, 2,000 messages and a REST weight of 1,200 a minute.
"""

import re
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from decimal import Decimal

import msgspec
from msgspec import Struct, field

from collectors import frames, grid
from collectors.venue import (
    BookRule,
    Call,
    Chain,
    Channel,
    Found,
    Gap,
    Limits,
    LiquidationRule,
    Plan,
    Poll,
    Request,
    Stream,
)
from collectors.venues.hyperliquid.liquidations import Join
from collectors.venues.hyperliquid.trades import reader
from collectors.venues.hyperliquid.wire import TYPES, HyperliquidParser
from schemas.instruments import Instrument, make_instrument
from schemas.liquidations import LiquidationUnit, PriceKind, SamplingClass
from schemas.market import Kind, TradeIds
from schemas.units import plain

_PRICE_DECIMALS = 6
_SPOT_PRICE_DECIMALS = 8
_THOUSANDS = re.compile(r"k([A-Z][A-Z0-9]+)")
_SPOT_ASSETS = {"UBTC": "BTC", "UETH": "ETH", "USOL": "SOL", "HYPE": "HYPE", "PURR": "PURR"}
"""The spot tokens that are known to be an asset: Unit's, and the venue's own."""
_QUOTE = "USDC"
_EXPLORER_URL = "wss://rpc.hyperliquid.xyz/ws"
_INFO_WEIGHT = 20


class _Listing(Struct):
    """One entry of the universe."""

    name: str
    size_decimals: int = field(name="szDecimals")
    is_delisted: bool = field(name="isDelisted", default=False)


class _Meta(Struct):
    universe: list[msgspec.Raw]


_LISTING = msgspec.json.Decoder(_Listing)
_META = msgspec.json.Decoder(_Meta)


def _perpetuals(body: bytes) -> list[Instrument]:
    """Read the answer to `meta`."""
    return frames.read_instruments(frames.decode_body(body, _META).universe, _LISTING, _perpetual)


def _perpetual(listing: _Listing) -> Instrument | None:
    """Put one coin on its fixed grids.

    Raises:
        ValueError: its size decimals are none.
    """
    if listing.is_delisted:
        return None
    if not 0 <= listing.size_decimals <= _PRICE_DECIMALS:
        raise ValueError(f"szDecimals {listing.size_decimals} of {listing.name}")
    thousands = _THOUSANDS.fullmatch(listing.name)
    return make_instrument(
        venue="hyperliquid",
        kind=Kind.LINEAR_PERPETUAL,
        venue_symbol=listing.name,
        asset=thousands[1] if thousands else listing.name,
        quote=_QUOTE,
        venue_tick=plain(Decimal(1).scaleb(listing.size_decimals - _PRICE_DECIMALS)),
        venue_lot=plain(Decimal(1).scaleb(-listing.size_decimals)),
        multiplier=Decimal(1_000 if thousands else 1),
    )


class _Token(Struct):
    """A coin of the spot market."""

    name: str
    index: int
    size_decimals: int = field(name="szDecimals")


class _Pair(Struct):
    """Two tokens, by their index: base and quote."""

    name: str
    tokens: list[int]


class _SpotMeta(Struct):
    universe: list[msgspec.Raw]
    tokens: list[msgspec.Raw]


_TOKEN = msgspec.json.Decoder(_Token)
_PAIR = msgspec.json.Decoder(_Pair)
_SPOT_META = msgspec.json.Decoder(_SpotMeta)


def _spot_pairs(body: bytes) -> list[Instrument]:
    """Read the answer to `spotMeta`."""
    meta = frames.decode_body(body, _SPOT_META)
    tokens = _tokens(meta.tokens)

    def build(pair: _Pair) -> Instrument | None:
        if len(pair.tokens) < 2 or not tokens.keys() >= set(pair.tokens):
            raise ValueError(f"{pair.name} is no pair of known tokens")
        return _spot_pair(pair.name, tokens[pair.tokens[0]], tokens[pair.tokens[1]])

    return frames.read_instruments(meta.universe, _PAIR, build)


def _tokens(rows: Sequence[msgspec.Raw]) -> dict[int, _Token]:
    """Read the tokens by their index; the pairs of one that cannot be read are skipped for it."""
    tokens: dict[int, _Token] = {}
    for row in rows:
        try:
            token = _TOKEN.decode(row)
        except (ValueError, RecursionError):
            continue
        tokens[token.index] = token
    return tokens


def _spot_pair(name: str, base: _Token, quote: _Token) -> Instrument | None:
    """Put one pair on its fixed grids.

    Raises:
        ValueError: its size decimals are none.
    """
    if base.name not in _SPOT_ASSETS or quote.name != _QUOTE:
        return None
    if not 0 <= base.size_decimals <= _SPOT_PRICE_DECIMALS:
        raise ValueError(f"szDecimals {base.size_decimals} of {base.name}")
    return make_instrument(
        venue="hyperliquid",
        kind=Kind.SPOT,
        venue_symbol=name,
        asset=_SPOT_ASSETS[base.name],
        quote=_QUOTE,
        venue_tick=plain(Decimal(1).scaleb(base.size_decimals - _SPOT_PRICE_DECIMALS)),
        venue_lot=plain(Decimal(1).scaleb(-base.size_decimals)),
    )


def _question(kind: str, coin: str = "") -> Request:
    """Ask the venue's one REST path; lists of trades cost a little more, inside the margin."""
    asked = {"type": kind, "coin": coin} if coin else {"type": kind}
    return Request("/info", "POST", msgspec.json.encode(asked), _INFO_WEIGHT)


def _control(method: str, stream: Stream) -> str:
    """Write one request about one subscription; more than one a message is not taken."""
    asked: dict[str, object] = {"type": TYPES[stream.channel]}
    if stream.instrument is not None:
        asked["coin"] = stream.instrument.venue_symbol
    if stream.channel is Channel.BOOK:
        asked["fast"] = True
    return msgspec.json.encode({"method": method, "subscription": asked}).decode()


_RECENT = msgspec.json.Decoder(list[object])


def _recent_trades(gap: Gap, coin: str) -> Generator[Request, bytes, Found]:
    """Fetch the newest trades of a coin; the list is short, and older ones cannot be had.

    It is whole where it reaches back to the trade before the gap and on to the one after.
    """
    body = yield _question("recentTrades", coin)
    newest_first = frames.decode_body(body, _RECENT)
    items = list(map(reader(grid.lanes([gap.stream])), reversed(newest_first)))
    rows = [item[1] for item in items if isinstance(item, tuple)]
    rows.sort(key=lambda row: row[0])
    complete = len(rows) == len(items) > 0 and rows[0][0] <= gap.from_us <= gap.to_us <= rows[-1][0]
    return Found([row for row in rows if gap.from_us <= row[0] <= gap.to_us], complete)


_BOOK = BookRule(Chain.SNAPSHOTS, depth=5, silent_seconds=3.0, always_moves=True)


@dataclass(slots=True, eq=False)
class HyperliquidFeed:
    """One market of the venue; see `collectors.venue.Feed` for what each method promises.

    `question` is the request that lists its instruments, `read_listing` reads the answer,
    `channels` are those that each instrument has.
    """

    name: str
    kind: Kind
    question: str
    read_listing: Callable[[bytes], list[Instrument]]
    channels: tuple[Channel, ...]
    limits: Limits
    liquidations: LiquidationRule | None = None
    venue: str = "hyperliquid"
    default: bool = True
    rest_url: str = "https://api.hyperliquid.xyz"
    ws_url: str = "wss://api.hyperliquid.xyz"
    ping: str | None = '{"method":"ping"}'
    ping_seconds: float = 20.0
    skew_us: int = 2_000_000
    trade_ids: TradeIds = TradeIds.OPAQUE
    gapless_ids: bool = False
    replays_history: bool = True
    book: BookRule = _BOOK

    def instruments(self) -> Generator[Request, bytes, list[Instrument]]:
        """List the coins that are not delisted, or the spot pairs of known tokens."""
        return self.read_listing((yield _question(self.question)))

    def streams(self, instruments: Sequence[Instrument]) -> list[Stream]:
        """Name subscription and coin; one more carries the transactions of all perpetuals."""
        streams = [
            Stream(f"{TYPES[channel]}:{instrument.venue_symbol}", channel, instrument)
            for instrument in instruments
            for channel in self.channels
        ]
        if streams and self.liquidations is not None:
            streams.append(Stream(TYPES[Channel.LIQUIDATIONS], Channel.LIQUIDATIONS, None))
        return streams

    def plan(self, streams: Sequence[Stream]) -> list[Plan]:
        """Spread coins over connections; the explorer has its own, elsewhere."""
        size = self.limits.streams_per_connection
        coins = [one for one in streams if one.channel is not Channel.LIQUIDATIONS]
        rest = [one for one in streams if one.channel is Channel.LIQUIDATIONS]
        return [
            *frames.spread(coins, size, "/ws"),
            *frames.spread(rest, size, "/explorer/ws", _EXPLORER_URL),
        ]

    def subscribe(self, streams: Sequence[Stream]) -> list[str]:
        """Ask for one subscription a message, as it must be."""
        return [_control("subscribe", stream) for stream in streams]

    def resubscribe(self, stream: Stream) -> list[str]:
        """End the subscription and begin it again: it starts with the newest state."""
        return [_control("unsubscribe", stream), _control("subscribe", stream)]

    def parser(self, streams: Sequence[Stream], shared: object) -> HyperliquidParser:
        """Return a parser for one connection."""
        return HyperliquidParser(streams, shared if isinstance(shared, Join) else None)

    def memory(self) -> Join | None:
        """Return where trades and transactions meet; spot has no forced trades."""
        return None if self.liquidations is None else Join()

    def snapshot(self, stream: Stream) -> Call | None:
        """Say that every book in the stream is whole."""
        return None

    def polls(self, instruments: Sequence[Instrument]) -> list[Poll]:
        """Say that the streams carry all that is used."""
        return []

    def missed(self, gap: Gap) -> Generator[Request, bytes, Found] | None:
        """Ask for the coin's newest trades."""
        instrument = gap.stream.instrument
        if instrument is None or gap.stream.channel is not Channel.TRADES:
            return None
        return _recent_trades(gap, instrument.venue_symbol)

    def owns(self, url: str) -> bool:
        """Know the public host, which serves both markets, its page's, and the explorer's."""
        hosts = ("api.hyperliquid.xyz", "api-ui.hyperliquid.xyz")
        if frames.is_at(url, hosts, ("/ws", "/info")):
            return True
        explorer = ("rpc.hyperliquid.xyz",)
        return self.liquidations is not None and frames.is_at(url, explorer, ("/ws",))


_MARKET = (Channel.TRADES, Channel.BOOK, Channel.TOP)

# What an address may do is divided between the two feeds; spot has few instruments.
PERP = HyperliquidFeed(
    name="hyperliquid.perp",
    kind=Kind.LINEAR_PERPETUAL,
    question="meta",
    read_listing=_perpetuals,
    channels=(*_MARKET, Channel.TICKER),
    limits=Limits(
        streams_per_connection=200,
        names_per_request=1,
        control_interval_seconds=0.05,
        connect_interval_seconds=4.0,
        rest_weight=800,
        rest_seconds=60.0,
    ),
    liquidations=LiquidationRule(
        PriceKind.FILL_AVERAGE,
        LiquidationUnit.FILL,
        SamplingClass.INCOMPLETE,
        "explorer_tx_join",
        always_moves=True,  # it tells of every transaction
    ),
)
SPOT = HyperliquidFeed(
    name="hyperliquid.spot",
    kind=Kind.SPOT,
    question="spotMeta",
    read_listing=_spot_pairs,
    channels=_MARKET,
    limits=Limits(
        streams_per_connection=200,
        names_per_request=1,
        control_interval_seconds=0.05,
        connect_interval_seconds=8.0,
        rest_weight=200,
        rest_seconds=60.0,
    ),
)
FEEDS = (PERP, SPOT)
