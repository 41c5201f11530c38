"""What OKX tells of its swaps beside book and trades: mark, index, funding, interest, closings.

Source: the venue sheet, sections 5 and 6; field order of liquidations from a recording of
2026-10-09. `fundingTime` is a date in the calendar and does not follow a wrong clock.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import groupby

import msgspec

from schemas.units import US_PER_SECOND, plain
from simulator.dialects.base import Json
from simulator.dialects.okx_metadata import family
from simulator.model import SimEvent, SimInstrument, SimLiquidation, SimTicker, SimTrade, trimmed

US_PER_HOUR = 3600 * US_PER_SECOND
CHANNELS = ("mark-price", "index-tickers", "funding-rate", "open-interest")
_BACKLOG = 200
_OLD_HOURS = (3.9, 5.6, 2.2)
_FUNDING_LIMIT = "0.00375"
_INTEREST_RATE = "0.0001"


@dataclass(frozen=True, slots=True)
class _Pace:
    """How often a channel is pushed: where its value changed, and at least."""

    on_change: bool
    every_us: int


_PACES = {
    "mark-price": _Pace(True, 10 * US_PER_SECOND),
    "index-tickers": _Pace(True, 60 * US_PER_SECOND),
    "funding-rate": _Pace(False, 60 * US_PER_SECOND),
    "open-interest": _Pace(False, 3 * US_PER_SECOND),
}


class OkxPerpetual:
    """The four channels of one swap that a `SimTicker` feeds."""

    def __init__(self, instrument: SimInstrument) -> None:
        self.instrument = instrument
        self._ticker: SimTicker | None = None
        self._pushed: dict[str, tuple[object, int]] = {}
        self._index_open = self._index_high = self._index_low = Decimal(0)

    def key(self, channel: str) -> str:
        """Return the key of a channel; the index has a name of its own."""
        item = self.instrument
        return f"{channel}:{family(item) if channel == 'index-tickers' else item.symbol}"

    def take(self, ticker: SimTicker, now_us: int) -> list[str]:
        """Take the newest state in and return the channels that push it now."""
        if self._ticker is None:
            self._index_open = self._index_high = self._index_low = ticker.index
        self._index_high = max(self._index_high, ticker.index)
        self._index_low = min(self._index_low, ticker.index)
        self._ticker = ticker
        due = []
        for channel in CHANNELS:
            value = {"mark-price": ticker.mark, "index-tickers": ticker.index}.get(channel)
            before, pushed_us = self._pushed.get(channel, (None, -(10**18)))
            pace = _PACES[channel]
            if (pace.on_change and value != before) or now_us - pushed_us >= pace.every_us:
                self._pushed[channel] = (value, now_us)
                due.append(channel)
        return due

    def frame(self, channel: str) -> bytes | None:
        """Write the newest state for a channel, None while there is none."""
        row = self.row(channel)
        if row is None:
            return None
        arg = {"channel": channel, "instId": row["instId"]}
        return msgspec.json.encode({"arg": arg, "data": [row]})

    def row(self, channel: str) -> Json | None:
        """Return the newest state as a row of a channel, None while there is none."""
        ticker = self._ticker
        if ticker is None:
            return None
        head: Json = {"instType": "SWAP", "instId": self.instrument.symbol}
        tail: Json = {"ts": str(ticker.time_us // 1000)}
        match channel:
            case "mark-price":
                return head | {"markPx": plain(ticker.mark)} | tail
            case "index-tickers":
                return self._index(ticker) | tail
            case "funding-rate":
                return head | _funding(ticker) | tail
            case _:
                return head | _interest(ticker) | tail

    def _index(self, ticker: SimTicker) -> Json:
        opened = plain(self._index_open)
        return {
            "instId": family(self.instrument),
            "idxPx": plain(ticker.index),
            "open24h": opened,
            "high24h": plain(self._index_high),
            "low24h": plain(self._index_low),
            "sodUtc0": opened,
            "sodUtc8": opened,
        }


class OkxLiquidations:
    """The forced closings of all swaps, the newest 200 remembered.

    A subscription begins with them, out of order; among them are some from hours before the
    market's first print, made up from its price.
    """

    def __init__(self) -> None:
        self._rows: deque[str] = deque(maxlen=_BACKLOG)
        self._known: set[str] = set()

    def take_trade(self, trade: SimTrade) -> None:
        """Make up an instrument's past from its first print."""
        item = trade.instrument
        if item.symbol in self._known:
            return
        self._known.add(item.symbol)
        for number, hours in enumerate(_OLD_HOURS):
            time_ms = (trade.time_us - int(hours * US_PER_HOUR)) // 1000
            ticks = trade.price_ticks * (100 + number) // 100
            self._rows.append(_row(item, number % 2 == 0, ticks, 10 * (number + 1), time_ms))

    def take(self, closing: SimLiquidation) -> bytes:
        """Write one closing; some owners hold in net mode and have no side of their own."""
        row = _row(
            closing.instrument,
            closing.long,
            closing.bankruptcy_ticks,
            closing.qty_lots,
            closing.time_us // 1000,
            net=closing.user_tag % 4 == 0,
        )
        self._rows.append(row)
        return _closings([row])

    def backlog(self) -> bytes | None:
        """Write what is remembered, None while there is nothing."""
        rows = list(self._rows)
        return _closings(rows[1::2] + rows[::2]) if rows else None


def whole_closings(events: Sequence[SimEvent]) -> Iterator[SimEvent]:
    """Yield events with the parts of one closed position, a part a print, put together."""
    for order_tag, group in groupby(events, key=_closing_order):
        if order_tag is None:
            yield from group
            continue
        parts = [event for event in group if isinstance(event, SimLiquidation)]
        yield replace(parts[0], qty_lots=sum(part.qty_lots for part in parts))


def _closing_order(event: SimEvent) -> int | None:
    return event.order_tag if isinstance(event, SimLiquidation) else None


def _funding(ticker: SimTicker) -> Json:
    following_us = ticker.next_funding_us + ticker.interval_hours * US_PER_HOUR
    return {
        "method": "current_period",
        "formulaType": "withRate",
        "fundingRate": plain(ticker.funding_rate),
        "fundingTime": str(ticker.next_funding_us // 1000),
        "nextFundingTime": str(following_us // 1000),
        "minFundingRate": f"-{_FUNDING_LIMIT}",
        "maxFundingRate": _FUNDING_LIMIT,
        "nextFundingRate": "",
        "interestRate": _INTEREST_RATE,
        "impactValue": "20000",
        "premium": plain(round((ticker.mark - ticker.index) / ticker.index, 8)),
        "settState": "settled",
        "settFundingRate": plain(ticker.settled_rate),
    }


def _interest(ticker: SimTicker) -> Json:
    item = ticker.instrument
    contracts = ticker.open_interest_lots * item.lot
    coins = contracts * item.contract
    return {
        "oi": plain(contracts),
        "oiCcy": plain(coins),
        "oiUsd": plain(round(coins * ticker.mark, 4)),
    }


def _row(
    item: SimInstrument, long: bool, ticks: int, lots: int, time_ms: int, *, net: bool = False
) -> str:
    side = "sell" if long else "buy"
    position = "net" if net else ("long" if long else "short")
    detail = (
        f'{{"bkLoss":"0","bkPx":"{trimmed(item.price_text(ticks))}","ccy":"",'
        f'"posSide":"{position}","side":"{side}","sz":"{trimmed(item.qty_text(lots))}",'
        f'"ts":"{time_ms}"}}'
    )
    return (
        f'{{"details":[{detail}],"instFamily":"{family(item)}","instId":"{item.symbol}",'
        f'"instType":"SWAP","uly":"{family(item)}"}}'
    )


def _closings(rows: list[str]) -> bytes:
    arg = '{"channel":"liquidation-orders","instType":"SWAP"}'
    return f'{{"arg":{arg},"data":[{",".join(rows)}]}}'.encode()
