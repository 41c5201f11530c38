"""Binance: all channels of USD-M perpetuals and of spot.

Source: https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams
and https://github.com/binance/binance-spot-api-docs (read through copies up to 2026-10-23).

What a reader would trip over:

- `aggTrade`, `forceOrder` and `markPrice` live on the `/market` route; `depth`, `bookTicker` and
  `trade`, which is not documented there, on `/public`. On the wrong route a subscription is
  acknowledged and then silent.
- `aggTrade` merges what one price and side took within 100 ms, with RPI fills and without
  insurance-fund and ADL fills; so the two USD-M feeds are variants and must not run together.
- `forceOrder` tells one liquidation per symbol and second: the largest since 2026-04-14, the latest
  before. Its `S` is the side of the closing order: SELL closed a long position.
- Ids of USD-M books jump; only `pu` proves that nothing is missing. Spot has no `pu`, no gaps in
  its ids and no times beside its best prices.
- Open interest, funding intervals and settled rates come in no stream and are polled.
- Since 2026-06-30 streams may carry COIN-M (`st` 2); those are left out.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

import msgspec

from collectors import frames
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
from collectors.venues.binance import rest, wire
from collectors.venues.binance.parser import BinanceParser, renewal_ids
from schemas.instruments import Instrument
from schemas.liquidations import LiquidationUnit, PriceKind, SamplingClass
from schemas.market import Kind, TradeIds

_LISTING_CHANGES = Stream("!contractInfo", Channel.INSTRUMENTS, None)
"""Carries no values; that something on the list of instruments changed is all that is used."""


def _request(method: str, names: Sequence[str], number: int) -> str:
    return msgspec.json.encode({"method": method, "params": names, "id": number}).decode()


@dataclass(slots=True, eq=False)
class BinanceFeed:
    """One of Binance's products; see `collectors.venue.Feed` for what each method promises.

    `routes` has the path of each channel that there is, in the order of an instrument's streams,
    with the channel's name in the names of streams.
    """

    name: str
    kind: Kind
    default: bool
    trades: wire.TradeKind
    routes: dict[Channel, tuple[str, str]]
    rest_url: str
    listing_call: Request
    snapshot_call: rest.SnapshotCall
    history: rest.History | None
    gapless_ids: bool
    ws_url: str
    hosts: frozenset[str]
    paths: tuple[str, ...]
    limits: Limits
    book: BookRule
    liquidations: LiquidationRule | None
    venue: str = "binance"
    ping: str | None = None
    ping_seconds: float = 20.0
    skew_us: int = 500_000
    trade_ids: TradeIds = TradeIds.SEQUENTIAL
    replays_history: bool = False

    def instruments(self) -> Generator[Request, bytes, list[Instrument]]:
        """List what trades: crypto perpetuals, or all spot pairs."""
        body = yield self.listing_call
        return rest.read_listings(body, self.venue, self.kind)

    def streams(self, instruments: Sequence[Instrument]) -> list[Stream]:
        """Name the streams; they must be lower case (upper case is acknowledged and silent)."""
        found = [self._stream(one, channel) for one in instruments for channel in self.routes]
        if found and self.kind is not Kind.SPOT:
            found.insert(0, _LISTING_CHANGES)
        return found

    def _stream(self, instrument: Instrument, channel: Channel) -> Stream:
        _, name = self.routes[channel]
        return Stream(f"{instrument.venue_symbol.lower()}@{name}", channel, instrument)

    def plan(self, streams: Sequence[Stream]) -> list[Plan]:
        """Spread streams over connections, route by route."""
        return [
            plan
            for path in dict.fromkeys(path for path, _ in self.routes.values())
            for plan in frames.spread(
                [stream for stream in streams if self._path(stream) == path],
                self.limits.streams_per_connection,
                path,
            )
        ]

    def _path(self, stream: Stream) -> str:
        return _MARKET if stream == _LISTING_CHANGES else self.routes[stream.channel][0]

    def subscribe(self, streams: Sequence[Stream]) -> list[str]:
        """Number the requests from one; the parser knows by the number what was acknowledged."""
        found = frames.batches(streams, self.limits.names_per_request)
        return [
            _request("SUBSCRIBE", [stream.name for stream in batch], number)
            for number, batch in enumerate(found, 1)
        ]

    def resubscribe(self, stream: Stream) -> list[str]:
        """Leave the stream and ask for it again; the snapshot of a book is fetched apart."""
        released, renewed = renewal_ids(stream.name)
        return [
            _request("UNSUBSCRIBE", [stream.name], released),
            _request("SUBSCRIBE", [stream.name], renewed),
        ]

    def parser(self, streams: Sequence[Stream], shared: object) -> BinanceParser:
        """Return a parser for one connection; nothing is shared."""
        return BinanceParser(self.trades, streams, self.limits.names_per_request)

    def memory(self) -> object:
        """Share nothing between connections."""
        return None

    def snapshot(self, stream: Stream) -> Call | None:
        """Fetch the book as deep as the venue gives it."""
        if stream.channel is not Channel.BOOK or stream.instrument is None:
            return None
        return self.snapshot_call.call(stream, stream.instrument)

    def polls(self, instruments: Sequence[Instrument]) -> list[Poll]:
        """Poll open interest and funding of perpetuals."""
        if self.kind is Kind.SPOT:
            return []
        return rest.polls(instruments, lambda one: self._stream(one, Channel.TICKER), self.limits)

    def missed(self, gap: Gap) -> Generator[Request, bytes, Found] | None:
        """Fetch trades by their ids, where the ids of the stream can be asked for."""
        if self.history is None or gap.first_id is None or gap.last_id is None:
            return None
        return self.history.fetch(gap, gap.first_id, gap.last_id)

    def owns(self, url: str) -> bool:
        """Know the hosts, and on USD-M the routes; before 2026-04-23 there were none."""
        return frames.is_at(url, self.hosts, self.paths)


_MARKET = "/market/stream"
_PUBLIC = "/public/stream"
_SPOT = "/stream?timeUnit=MICROSECOND"
_SPOT_HOSTS = frozenset(
    {"stream.binance.com", "data-stream.binance.vision", "data-api.binance.vision"}
    | {f"api{which}.binance.com" for which in ("", "1", "2", "3", "4", "-gcp")}
)
USDM = BinanceFeed(
    name="binance.usdm",
    kind=Kind.LINEAR_PERPETUAL,
    default=True,
    trades=wire.AGGREGATES,
    routes={
        Channel.TRADES: (_MARKET, "aggTrade"),
        Channel.BOOK: (_PUBLIC, "depth@100ms"),
        Channel.TOP: (_PUBLIC, "bookTicker"),
        Channel.LIQUIDATIONS: (_MARKET, "forceOrder"),
        Channel.TICKER: (_MARKET, "markPrice@1s"),
    },
    rest_url="https://fapi.binance.com",
    listing_call=Request("/fapi/v1/exchangeInfo", weight=1),
    snapshot_call=rest.SnapshotCall("/fapi/v1/depth", levels=1_000, weight=20),
    history=rest.AGGREGATES,
    gapless_ids=True,
    ws_url="wss://fstream.binance.com",
    hosts=frozenset({"fstream.binance.com", "fapi.binance.com"}),
    paths=("/market/", "/public/", "/stream", "/ws", "/fapi/"),
    limits=Limits(
        streams_per_connection=200,  # of 1024
        names_per_request=100,  # 200 were accepted
        control_interval_seconds=0.3,  # of 10 a second, spot 5 with our pongs
        connect_interval_seconds=1.1,  # spot: 300 in 5 minutes
        rest_weight=1_600,  # of 2400 in a clock minute, for all that share the address
        rest_seconds=60.0,
        lifetime_seconds=85_800.0,  # ten minutes before the venue closes it
    ),
    book=BookRule(Chain.PREVIOUS_ID, snapshot_levels=1_000),
    liquidations=LiquidationRule(
        PriceKind.FILL_AVERAGE,
        LiquidationUnit.ORDER,
        SamplingClass.MAX_PER_SECOND,  # in recordings before 2026-04-14 it is the latest instead
        "forceOrder",
    ),
)
USDM_FILLS = replace(
    USDM,
    name="binance.usdm-fills",
    default=False,
    trades=wire.FILLS,
    routes=USDM.routes | {Channel.TRADES: (_PUBLIC, "trade")},
    history=None,
    gapless_ids=False,  # ids are also spent on fills that are not published
)
SPOT = BinanceFeed(
    name="binance.spot",
    kind=Kind.SPOT,
    default=True,
    trades=wire.SPOT_TRADES,
    routes={
        Channel.TRADES: (_SPOT, "trade"),
        Channel.BOOK: (_SPOT, "depth@100ms"),
        Channel.TOP: (_SPOT, "bookTicker"),
    },
    rest_url="https://api.binance.com",
    listing_call=Request("/api/v3/exchangeInfo", weight=20),
    snapshot_call=rest.SnapshotCall("/api/v3/depth", levels=5_000, weight=250),
    history=rest.SPOT_FILLS,
    gapless_ids=True,
    ws_url="wss://stream.binance.com:9443",
    hosts=_SPOT_HOSTS,
    paths=("/stream", "/ws", "/api/"),
    limits=replace(USDM.limits, rest_weight=4_000),  # of 6000
    book=BookRule(Chain.FIRST_ID, snapshot_levels=5_000),
    liquidations=None,
)
FEEDS = (USDM, USDM_FILLS, SPOT)
