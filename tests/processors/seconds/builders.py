"""Closed seconds as tests need them; everything that is not said was there and quiet.

Prices and quantities are integers on the asset's grid, as operators see them.
"""

import json
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from processors.measures.ticker_check import check_ticker
from processors.operator import Output
from processors.scopes import PERP, SPOT, ScopeKey
from processors.seconds.second import (
    BookView,
    Liquidation,
    MemberSecond,
    Second,
    SecondOperator,
    StreamSecond,
)
from processors.trades import Trade
from processors.units import AssetUnits
from schemas.books import BookBand, BookLevel, BookState, TopChange
from schemas.lineage import InputRange, revision_of
from schemas.market import FeedState, Scope
from schemas.tickers import TickerBatch
from schemas.units import US_PER_SECOND

NOON_SECOND = 1_704_110_400
"""2024-01-01 12:00 UTC."""

UNITS = AssetUnits(tick="0.01", lot="0.001", row_size="1")
ASSET = "BTC"
BINANCE, BYBIT, OKX = ("binance", "BTC-USDT-PERP"), ("bybit", "BTC-USDT-PERP"), ("okx", "BTC-PERP")
BINANCE_SPOT = ("binance", "BTC-USDT")

There = tuple[int, FeedState]
LIVE: There = (US_PER_SECOND, FeedState.LIVE)
DOWN: There = (0, FeedState.DOWN)


def member(
    instrument: tuple[str, str] = BINANCE,
    *,
    trades: Sequence[Trade] = (),
    books: Sequence[BookView] = (),
    book: BookView | None = None,
    liquidations: Sequence[Liquidation] = (),
    ticker: TickerBatch | None = None,
    there: There = LIVE,
) -> MemberSecond:
    """Return one instrument in one second; a symbol without `PERP` is spot.

    `book` is by default the last of `books`; of one that is not there, nothing is.
    """
    venue, symbol = instrument
    perp = symbol.endswith("PERP")
    newest = book or (books[-1] if books else None)
    told = None if ticker is None else check_ticker(ticker)
    return MemberSecond(
        key=ScopeKey(Scope.VENUE, venue, symbol),
        aggregate=PERP if perp else SPOT,
        trade_stream=StreamSecond(*there),
        trades=trades,
        book_stream=StreamSecond(*there),
        books=books,
        book=newest if newest is not None and newest.valid and there[0] else None,
        liquidation_stream=StreamSecond(*there) if perp else None,
        liquidations=liquidations,
        ticker_stream=StreamSecond(*there) if perp else None,
        ticker=told.ticker if told else None,
        ticker_refused=told.refused if told else (),
    )


def second(number: int, *members: MemberSecond, **fields: object) -> Second:
    """Return the second that begins so many seconds after noon."""
    at = NOON_SECOND + number
    made = Second(
        asset=ASSET,
        start_us=at * US_PER_SECOND,
        members={one.name: one for one in sorted(members, key=lambda one: one.name)},
        revision=revision_of(1, at),
        inputs=[InputRange("md.norm.trades.v1", 0, number, number)],
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def trade(
    number: int,
    price: int,
    qty: int,
    side: int = 1,
    *,
    instrument: tuple[str, str] = BINANCE,
    at_us: int = 0,
    rank: int = 0,
) -> Trade:
    """Return a trade `at_us` into the second that begins so many seconds after noon."""
    time_us = (NOON_SECOND + number) * US_PER_SECOND + at_us
    return (time_us, ":".join(instrument), rank, price, qty, side)


def book(
    number: int,
    bids: Sequence[BookLevel],
    asks: Sequence[BookLevel],
    *,
    bands: Sequence[BookBand] = (),
    tops: Sequence[TopChange] = (),
    at_us: int = 0,
    epoch: int = 0,
    valid: bool = True,
) -> BookView:
    """Return a book at a time in a second."""
    return BookView(
        time_us=(NOON_SECOND + number) * US_PER_SECOND + at_us,
        epoch=("s1", epoch),
        valid=valid,
        state=BookState.LIVE if valid else BookState.GAP,
        bids=list(bids) if valid else [],
        asks=list(asks) if valid else [],
        bands=list(bands) if valid else [],
        top_epoch=("s1", epoch),
        tops=list(tops),
    )


def run(operator: SecondOperator, seconds: Iterable[Second]) -> list[Output]:
    """Hand seconds to an operator and return all that it sends."""
    return [output for one in seconds for output in operator.on_second(one)]


def run_with_restarts(
    make: Callable[[], SecondOperator], seconds: Sequence[Second], seed: int = 1
) -> list[Output]:
    """Do the same with an operator that is replaced now and then by one restored from a snapshot.

    Args:
        make: returns a new operator.
        seconds: all of them.
        seed: of the moments.
    """
    chance = random.Random(seed)
    operator = make()
    stored: dict[str, bytes] = {}
    outputs: list[Output] = []
    for one in seconds:
        outputs += operator.on_second(one)
        if chance.random() < 0.1:
            state = operator.snapshot()
            stored.update(state.parts)
            operator = make()
            operator.restore(plainly(state.head), dict(stored))
            stored = {name: part for name, part in stored.items() if operator.keeps(name)}
    return outputs


def plainly(head: object) -> object:
    """Return a state as it comes back from JSON."""
    return json.loads(json.dumps(head))
