"""OKX over REST: the list of instruments, and trades that were missed.

Source: https://www.okx.com/docs-v5/en/#public-data-rest-api-get-instruments and
#order-book-trading-market-data-get-trades-history (read through copies of 2026-07-04; rows of
2022 to 2026). An answer with HTTP 200 may be a refusal. Swaps have no base and quote of their own,
only a family.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec
from msgspec import Struct

from collectors import frames, grid
from collectors.grid import Lane
from collectors.venue import Found, Request, Stream
from collectors.venues.okx import rows as okx_rows
from collectors.venues.okx import wire
from runtime.errors import PayloadError, TransportError
from schemas.instruments import Instrument, make_instrument
from schemas.market import Kind
from schemas.trades import TradeRow
from schemas.units import parse_decimal

PAGE_TRADES = 100
MAX_PAGES = 100
"""Ten seconds of what the venue allows; a gap of more than 10,000 fills stays one."""


class _Answer(Struct):
    """What every call is answered with; `code` is "0" where all is well."""

    code: str
    message: str = msgspec.field(name="msg", default="")
    data: list[msgspec.Raw] = []


class _Listing(Struct):
    """One row of `instruments`; old ones have no family and no category."""

    symbol: str = msgspec.field(name="instId")
    state: str
    tick: str = msgspec.field(name="tickSz")
    lot: str = msgspec.field(name="lotSz")
    base: str = msgspec.field(name="baseCcy", default="")
    quote: str = msgspec.field(name="quoteCcy", default="")
    family: str = msgspec.field(name="instFamily", default="")
    underlying: str = msgspec.field(name="uly", default="")
    category: str = msgspec.field(name="instCategory", default="")
    contract_type: str = msgspec.field(name="ctType", default="")
    contract_value: str = msgspec.field(name="ctVal", default="")
    contract_multiplier: str = msgspec.field(name="ctMult", default="")
    contract_currency: str = msgspec.field(name="ctValCcy", default="")


_ANSWER = msgspec.json.Decoder(_Answer)
_LISTING = msgspec.json.Decoder(_Listing)
_TRADE = msgspec.json.Decoder(wire.AnyTrade, strict=False)


def _rows(body: bytes) -> list[msgspec.Raw]:
    answer = frames.decode_body(body, _ANSWER)
    if answer.code != "0":
        frames.refuse_body(grid.brief(f"code {answer.code}: {answer.message}"))
    return answer.data


def read_listing(body: bytes, venue: str, kind: Kind) -> list[Instrument]:
    """Build the instruments of one kind out of an answer.

    Raises:
        PayloadError: the answer cannot be read, or is a refusal.
    """
    return frames.read_instruments(
        _rows(body), _LISTING, lambda listing: _instrument(listing, venue, kind)
    )


def _instrument(listing: _Listing, venue: str, kind: Kind) -> Instrument | None:
    if listing.state != "live" or listing.category not in ("", "1"):
        return None
    base, quote, unit = listing.base, listing.quote, Decimal(1)
    if kind is not Kind.SPOT:
        base, _, quote = (listing.family or listing.underlying).partition("-")
        if listing.contract_type != "linear" or listing.contract_currency != base:
            return None
        unit = parse_decimal(listing.contract_value)
        unit *= parse_decimal(listing.contract_multiplier)
    return make_instrument(
        venue=venue,
        kind=kind,
        venue_symbol=listing.symbol,
        asset=base,
        quote=quote,
        venue_tick=listing.tick,
        venue_lot=listing.lot,
        unit=unit,
    )


@dataclass(slots=True)
class _Search:
    """What is known of a gap so far.

    Rows may be single fills or merged ones, each with the id of its last fill: whether the venue
    merges here is not documented, so both are counted by what they cover.
    """

    lanes: Mapping[str, Lane]
    first_id: int
    last_id: int
    oldest_id: int
    newer_seen: bool = False
    clean: bool = True
    covered: int = 0
    rows: dict[int, TradeRow] = field(default_factory=dict)

    def take(self, raw: msgspec.Raw) -> None:
        """Take one row in; one that cannot be used, or is only partly of the gap, is a flaw."""
        try:
            trade = _TRADE.decode(raw)
        except (ValueError, RecursionError):
            self.clean = False
            return
        self.oldest_id = min(self.oldest_id, trade.id)
        self.newer_seen |= trade.id > self.last_id
        begin = trade.id - trade.count + 1
        if trade.id < self.first_id or begin > self.last_id or trade.id in self.rows:
            return
        item = okx_rows.read_trade(self.lanes, trade)
        if begin < self.first_id or trade.id > self.last_id or not isinstance(item, tuple):
            self.clean = False
            return
        self.rows[trade.id] = item[1]
        self.covered += trade.count

    @property
    def has_all(self) -> bool:
        """Whether every id of the gap is accounted for."""
        return self.covered == self.last_id - self.first_id + 1

    @property
    def passed(self) -> bool:
        """Whether what came before the gap was reached."""
        return self.oldest_id < self.first_id

    def found(self) -> Found:
        """Say what was found.

        That ids are never left out is not documented. So the gap is closed as well where the venue
        listed, in one piece, trades from after it to before it: then there are no others. A list
        that does not begin after the gap may only be late.
        """
        complete = self.has_all or (self.clean and self.newer_seen and self.passed)
        return Found([self.rows[trade_id] for trade_id in sorted(self.rows)], complete)


def find_missed(
    stream: Stream, symbol: str, first_id: int, last_id: int
) -> Generator[Request, bytes, Found]:
    """Page from the newest missing trade to the oldest; `after` means older than.

    Raises:
        PayloadError: the first answer cannot be read, or is a refusal.
    """
    search = _Search(grid.lanes([stream]), first_id, last_id, oldest_id=last_id + 2)
    for _ in range(MAX_PAGES):
        cursor = search.oldest_id
        path = (
            f"/api/v5/market/history-trades?instId={symbol}&type=1&after={cursor}"
            f"&limit={PAGE_TRADES}"
        )
        try:
            page = _rows((yield Request(path)))
        except (TransportError, PayloadError):
            if not search.rows:
                raise
            break  # what was fetched is kept
        for raw in page:
            search.take(raw)
        if search.has_all or search.passed or search.oldest_id >= cursor:
            break
    return search.found()
