"""Binance over REST: listings, snapshots of books, trades by id, open interest and funding.

Weights are those of the venue's sheet; USD-M has 2400 a minute for all of them together, and
`fundingRate` with `fundingInfo` a pool of their own of 500 calls in five minutes.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

import msgspec
from msgspec import Struct, field

from collectors import frames, grid
from collectors.grid import Id, Milliseconds
from collectors.messages import BookUpdate, Message, TickerValues
from collectors.venue import Call, Channel, Found, Gap, Limits, Poll, Request, Stream
from collectors.venues.binance.values import signed
from collectors.venues.binance.wire import Levels
from runtime.errors import PayloadError, TransportError
from schemas.instruments import Instrument, make_instrument
from schemas.market import Kind, Side
from schemas.trades import TradeRow

_USUAL_INTERVAL_HOURS = 8
_INTERVAL_SECONDS = 3_600.0
_SETTLED_SECONDS = 600.0
_SETTLED_SPACING_SECONDS = 1.2
"""Half of the pool's 500 calls in 300 seconds."""
_OPEN_INTEREST_SECONDS = 5.0
_PAGE_ROWS = 1_000
_PAGES = 50


class _Listing(Struct):
    """One symbol of `exchangeInfo`; words that we do not know are no error."""

    symbol: str
    status: str
    base: str = field(name="baseAsset")
    quote: str = field(name="quoteAsset")
    filters: list[dict[str, object]]
    contract: str = field(name="contractType", default="")
    underlying: str = field(name="underlyingType", default="COIN")
    is_spot: bool = field(name="isSpotTradingAllowed", default=True)


class _Listings(Struct):
    symbols: list[msgspec.Raw]


class _Snapshot(Struct, gc=False):
    last_id: Id = field(name="lastUpdateId")
    bids: Levels
    asks: Levels
    time: Milliseconds = field(name="T", default=0)


class _OldTrade(Struct, gc=False):
    """A row of `aggTrades`."""

    id: Id = field(name="a")
    price: str = field(name="p")
    quantity: str = field(name="q")
    time: int = field(name="T")
    buyer_is_maker: bool = field(name="m")


class _OldFill(Struct, gc=False):
    """A row of `historicalTrades`."""

    id: Id
    price: str
    quantity: str = field(name="qty")
    time: int
    buyer_is_maker: bool = field(name="isBuyerMaker")


class _OpenInterest(Struct):
    symbol: str
    quantity: str = field(name="openInterest")
    time: Milliseconds


class _Interval(Struct):
    symbol: str
    hours: int = field(name="fundingIntervalHours")


class _Settled(Struct):
    symbol: str
    rate: str = field(name="fundingRate")
    time: Milliseconds = field(name="fundingTime")


_LISTING = msgspec.json.Decoder(_Listing)
_LISTINGS = msgspec.json.Decoder(_Listings)
_SNAPSHOT = msgspec.json.Decoder(_Snapshot, strict=False)
_OLD_TRADES = msgspec.json.Decoder(list[_OldTrade])
_OLD_FILLS = msgspec.json.Decoder(list[_OldFill])
_OPEN_INTEREST = msgspec.json.Decoder(_OpenInterest)
_INTERVALS = msgspec.json.Decoder(list[_Interval])
_SETTLED = msgspec.json.Decoder(list[_Settled])


def read_listings(body: bytes, venue: str, kind: Kind) -> list[Instrument]:
    """List what trades: crypto perpetuals, or all spot pairs.

    Raises:
        PayloadError: the body cannot be read.
    """
    rows = frames.decode_body(body, _LISTINGS).symbols
    return frames.read_instruments(rows, _LISTING, partial(_instrument, venue, kind))


def _instrument(venue: str, kind: Kind, listing: _Listing) -> Instrument | None:
    wanted = (
        listing.is_spot
        if kind is Kind.SPOT
        else listing.contract == "PERPETUAL" and listing.underlying == "COIN"
    )
    if not wanted or listing.status != "TRADING":
        return None
    asset, multiplier = grid.unscaled(listing.base)
    return make_instrument(
        venue=venue,
        kind=kind,
        venue_symbol=listing.symbol,
        asset=asset,
        quote=listing.quote,
        venue_tick=_step(listing, "PRICE_FILTER", "tickSize"),
        venue_lot=_step(listing, "LOT_SIZE", "stepSize"),
        multiplier=multiplier,
    )


def _step(listing: _Listing, kind: str, name: str) -> str:
    """Return a step out of the symbol's filters.

    Raises:
        ValueError: it is not there.
    """
    for one in listing.filters:
        step = one.get(name)
        if one.get("filterType") == kind and isinstance(step, str):
            return step
    raise ValueError(f"{listing.symbol} has no {name}")


@dataclass(frozen=True, slots=True)
class SnapshotCall:
    """How a product's books are fetched whole."""

    path: str
    levels: int
    weight: int

    def call(self, stream: Stream, instrument: Instrument) -> Call:
        """Write the call for one book."""
        symbol = quote(instrument.venue_symbol)
        path = f"{self.path}?symbol={symbol}&limit={self.levels}"
        return Call(Request(path, weight=self.weight), partial(_read_snapshot, stream))


def _read_snapshot(stream: Stream, body: bytes) -> Sequence[Message]:
    """Read a book; on spot it has no time."""
    found = frames.decode_body(body, _SNAPSHOT)
    time_us = found.time * 1_000
    return (BookUpdate(stream, True, time_us, found.last_id, found.bids, found.asks),)


@dataclass(frozen=True, slots=True)
class History:
    """How a product's trades are fetched by id, oldest first."""

    path: str
    weight: int
    read: Callable[[bytes], Sequence[_OldTrade | _OldFill]]

    def fetch(self, gap: Gap, first_id: int, last_id: int) -> Generator[Request, bytes, Found]:
        """Fetch the trades with these ids, both included, at most fifty pages of a thousand.

        Raises:
            PayloadError: the first page cannot be read.
        """
        lanes = grid.lanes([gap.stream])
        (symbol,) = lanes
        rows: dict[int, TradeRow] = {}
        next_id = first_id
        for _ in range(_PAGES):
            path = f"{self.path}?symbol={quote(symbol)}&fromId={next_id}&limit={_PAGE_ROWS}"
            try:
                page = self.read((yield Request(path, weight=self.weight)))
            except (TransportError, PayloadError):
                if not rows:
                    raise
                break  # what was fetched is kept
            rows |= _rows_between(lanes, symbol, page, first_id, last_id)
            newest = max((one.id for one in page), default=-1)
            if newest < next_id or newest >= last_id:
                break
            next_id = newest + 1
        found = [rows[trade_id] for trade_id in sorted(rows)]
        return Found(found, complete=len(found) == last_id - first_id + 1)


AGGREGATES = History("/fapi/v1/aggTrades", 20, partial(frames.decode_body, decoder=_OLD_TRADES))
"""Reaches back 48 hours."""
SPOT_FILLS = History(
    "/api/v3/historicalTrades", 25, partial(frames.decode_body, decoder=_OLD_FILLS)
)


def _rows_between(
    lanes: dict[str, grid.Lane],
    symbol: str,
    page: Sequence[_OldTrade | _OldFill],
    first_id: int,
    last_id: int,
) -> dict[int, TradeRow]:
    """Return the good rows with wanted ids; what cannot be read stays missing."""
    rows: dict[int, TradeRow] = {}
    for one in page:
        if not first_id <= one.id <= last_id:
            continue
        item = grid.read_row(
            lanes,
            symbol,
            time_us=one.time * 1_000,
            price=one.price,
            quantity=one.quantity,
            side=Side.SELL if one.buyer_is_maker else Side.BUY,
            trade_id=one.id,
        )
        if isinstance(item, tuple):
            rows[one.id] = item[1]
    return rows


def polls(
    instruments: Sequence[Instrument], stream_of: Callable[[Instrument], Stream], limits: Limits
) -> list[Poll]:
    """Poll what no stream of USD-M has: open interest, funding intervals and settled rates.

    Open interest is asked for every five seconds, of many instruments more rarely, so that it
    takes a third of the weight at most.
    """
    streams = {one.venue_symbol: stream_of(one) for one in instruments}
    if not streams:
        return []
    third = limits.rest_weight / limits.rest_seconds / 3
    open_interest_seconds = max(_OPEN_INTEREST_SECONDS, len(streams) / third)
    settled_seconds = max(_SETTLED_SECONDS, len(streams) * _SETTLED_SPACING_SECONDS)
    all_of_them = Stream("fundingInfo", Channel.TICKER, None)
    intervals = Call(
        Request("/fapi/v1/fundingInfo"), partial(_read_intervals, list(streams.values()))
    )
    found = [Poll(all_of_them, intervals, _INTERVAL_SECONDS)]
    for symbol, stream in streams.items():
        name = quote(symbol)
        interest = Request(f"/fapi/v1/openInterest?symbol={name}")
        settled = Request(f"/fapi/v1/fundingRate?symbol={name}&limit=1")
        found += [
            Poll(
                stream, Call(interest, partial(_read_open_interest, stream)), open_interest_seconds
            ),
            Poll(stream, Call(settled, partial(_read_settled, stream)), settled_seconds),
        ]
    return found


def _instrument_of(stream: Stream, symbol: str | None = None) -> Instrument:
    """Return whose stream it is, and check that the answer is about it.

    Raises:
        PayloadError: it is about another symbol.
    """
    instrument = stream.instrument
    if instrument is None or symbol not in (None, instrument.venue_symbol):
        raise PayloadError("unknown_symbol", f"{grid.shown(symbol)} for {stream.name}")
    return instrument


def _read_open_interest(stream: Stream, body: bytes) -> Sequence[Message]:
    found = frames.decode_body(body, _OPEN_INTEREST)
    instrument = _instrument_of(stream, found.symbol)
    try:
        quantity = grid.coin_quantity(instrument, found.quantity)
    except ValueError as error:
        raise PayloadError("invalid_quantity", grid.brief(error)) from error
    return (
        TickerValues(
            stream=stream,
            instrument=instrument,
            event_time_us=found.time * 1_000,
            open_interest=quantity,
        ),
    )


def _read_intervals(streams: Sequence[Stream], body: bytes) -> Sequence[Message]:
    """Read the exceptions; a symbol that is none of them has the usual interval."""
    hours = {one.symbol: one.hours for one in frames.decode_body(body, _INTERVALS)}
    found = []
    for stream in streams:
        instrument = _instrument_of(stream)
        own = hours.get(instrument.venue_symbol, _USUAL_INTERVAL_HOURS)
        if own > 0:
            found.append(
                TickerValues(
                    stream=stream,
                    instrument=instrument,
                    event_time_us=0,
                    funding_interval_seconds=own * 3_600,
                )
            )
    return found


def _read_settled(stream: Stream, body: bytes) -> Sequence[Message]:
    """Read the newest settled rate; what was listed today has none."""
    found = frames.decode_body(body, _SETTLED)
    if not found:
        return ()
    newest = max(found, key=lambda one: one.time)
    instrument = _instrument_of(stream, newest.symbol)
    try:
        rate = signed(newest.rate)
    except ValueError as error:
        raise PayloadError("unexpected_shape", grid.brief(error)) from error
    return (
        TickerValues(
            stream=stream,
            instrument=instrument,
            event_time_us=0,
            settled_funding_rate=rate,
            settled_funding_time_us=newest.time * 1_000,
        ),
    )
