"""OKX v5: linear swaps and spot, over the public address.

Source: https://www.okx.com/docs-v5/en/ (read through copies of July and August 2026; changes up to
2026-09-30).

What a reader would trip over:

- Swap sizes are in contracts: a quantity step is `lotSz` contracts of `ctVal * ctMult` coins.
- `trades` merges the fills of one taker order at one price, under the id of the last; `trades-all`
  is on another address, and the two must never be added.
- Books begin with a snapshot and are chained by ids that may fall after a maintenance.
- Liquidations are subscribed by type only: one stream on one connection tells those of all swaps,
  so the parsers of a run share what is carried.
- Port 8443 was to be closed on 2026-10-31; the same hosts answer on 443.
- Swap and spot share one address, so a recorded connection may carry both.
"""

import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass

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
from collectors.venues.okx import rest, wire
from collectors.venues.okx.parser import OkxParser
from schemas.instruments import Instrument
from schemas.liquidations import LiquidationUnit, PriceKind, SamplingClass
from schemas.market import Kind, TradeIds

_MARKET = {
    wire.TRADES: Channel.TRADES,
    wire.BOOKS: Channel.BOOK,
    wire.TOPS: Channel.TOP,
}
_CONTEXT = dict.fromkeys((wire.FUNDING, wire.MARK, wire.INDEX, wire.INTEREST), Channel.TICKER)
_BOOKS_PER_CONNECTION = 28
"""Fewer than 30 of 400 levels are recommended."""
_BUSY = re.compile(rb'"code":\s*"500(?:01|04|11|13|26)"')
"""Not available, timed out, too many requests, busy, an error of theirs."""
_BOOK = BookRule(Chain.PREVIOUS_SEQUENCE, depth=400)


def _limits(streams_per_connection: int, rest_weight: int) -> Limits:
    """Return one feed's share of what an address may do.

    That is 20 calls for old trades in two seconds, the tightest of those made, and three
    connections a second.
    """
    return Limits(
        streams_per_connection=streams_per_connection,
        names_per_request=50,  # 64 KB of channels a connection
        control_interval_seconds=0.5,  # 480 requests an hour
        connect_interval_seconds=0.8,
        rest_weight=rest_weight,
        rest_seconds=2.0,
        busy=_BUSY,
    )


@dataclass(slots=True, eq=False)
class OkxFeed:
    """Linear swaps or spot; see `collectors.venue.Feed` for what each method promises."""

    name: str
    kind: Kind
    instrument_type: str
    channels: Mapping[str, Channel]
    limits: Limits
    liquidations: LiquidationRule | None = None
    venue: str = "okx"
    default: bool = True
    rest_url: str = "https://openapi.okx.com"
    ws_url: str = "wss://ws.okx.com"
    ping: str | None = "ping"
    ping_seconds: float = 20.0
    skew_us: int = 500_000
    trade_ids: TradeIds = TradeIds.SEQUENTIAL
    gapless_ids: bool = True
    replays_history: bool = False
    book: BookRule = _BOOK

    def instruments(self) -> Generator[Request, bytes, list[Instrument]]:
        """List what is live: linear swaps on crypto, or spot pairs."""
        body = yield Request(f"/api/v5/public/instruments?instType={self.instrument_type}")
        return rest.read_listing(body, self.venue, self.kind)

    def streams(self, instruments: Sequence[Instrument]) -> list[Stream]:
        """Name channel and instrument, as OKX does with two words of one argument.

        The stream of all liquidations is the last, so that its connection is opened when the
        others are and what is carried is known.
        """
        streams = [
            Stream(f"{name}:{one.venue_symbol}", channel, one)
            for one in instruments
            for name, channel in self.channels.items()
        ]
        if streams and self.liquidations is not None:
            name = f"{wire.LIQUIDATIONS}:{self.instrument_type}"
            streams.append(Stream(name, Channel.LIQUIDATIONS, None))
        return streams

    def plan(self, streams: Sequence[Stream]) -> list[Plan]:
        """Spread channels over public connections."""
        return frames.spread(streams, self.limits.streams_per_connection, "/ws/v5/public")

    def subscribe(self, streams: Sequence[Stream]) -> list[str]:
        """Ask for many at once; each is acknowledged by itself."""
        requests = frames.batches(streams, self.limits.names_per_request)
        return [_request("subscribe", str(number), one) for number, one in enumerate(requests, 1)]

    def resubscribe(self, stream: Stream) -> list[str]:
        """Leave one channel and ask for it again: two of the 480 requests of the hour."""
        return [
            _request("unsubscribe", "leave", (stream,)),
            _request("subscribe", "again", (stream,)),
        ]

    def parser(self, streams: Sequence[Stream], shared: object) -> OkxParser:
        """Return a parser for one connection, which adds its instruments to those shared."""
        return OkxParser(streams, shared if isinstance(shared, dict) else {})

    def memory(self) -> dict[str, Instrument]:
        """Return the instruments of the run by OKX's name; as many as there are listings."""
        return {}

    def snapshot(self, stream: Stream) -> Call | None:
        """Books begin with a snapshot in the stream."""
        return None

    def polls(self, instruments: Sequence[Instrument]) -> list[Poll]:
        """Everything comes in streams."""
        return []

    def missed(self, gap: Gap) -> Generator[Request, bytes, Found] | None:
        """Fetch missed trades by their ids, newest first."""
        one = gap.stream.instrument
        if one is None or gap.first_id is None or gap.last_id is None:
            return None
        return rest.find_missed(gap.stream, one.venue_symbol, gap.first_id, gap.last_id)

    def owns(self, url: str) -> bool:
        """Know the hosts of all regions at any port; REST says which type it asked for."""
        return frames.is_at(
            url, ("ws.okx.com", "wseea.okx.com", "wsus.okx.com"), ("/ws/v5/public",)
        ) or frames.is_at(
            url,
            ("openapi.okx.com", "www.okx.com", "eea.okx.com", "us.okx.com"),
            ("/api/v5/",),
            {"instType": self.instrument_type},
        )


def _request(operation: str, number: str, streams: Sequence[Stream]) -> str:
    message = {"id": number, "op": operation, "args": list(map(wire.argument, streams))}
    return msgspec.json.encode(message).decode()


FEEDS = (
    OkxFeed(
        "okx.swap",
        Kind.LINEAR_PERPETUAL,
        "SWAP",
        channels=_MARKET | _CONTEXT,
        limits=_limits(_BOOKS_PER_CONNECTION * len(_MARKET | _CONTEXT) + 1, rest_weight=10),
        liquidations=LiquidationRule(
            PriceKind.BANKRUPTCY,
            LiquidationUnit.ORDER,
            SamplingClass.INCOMPLETE,
            wire.LIQUIDATIONS,
        ),
    ),
    OkxFeed(
        "okx.spot",
        Kind.SPOT,
        "SPOT",
        channels=_MARKET,
        limits=_limits(_BOOKS_PER_CONNECTION * len(_MARKET), rest_weight=6),
    ),
)
