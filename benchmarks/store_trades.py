"""A day of trades of six assets on four venues, perpetuals and spot, as records of collectors.

Prices walk by 2 % a day on the venues' own grids, sizes are log-normal in dollars, several fills
share a millisecond, ids are those of the venue's kind: numbers in order, or random text. One record
after the other in time; which instrument has it is drawn by how much its venue trades.
"""

import random
from collections.abc import Iterator, Sequence
from itertools import accumulate
from math import exp, sqrt
from typing import Any

import msgspec

from benchmarks.market_flow import WEIGHTS
from schemas.market import FeedState, Kind, TradeIds
from schemas.trades import TRADES_SCHEMA, TradeBatch
from schemas.units import plain
from simulator.catalogue import LISTED_ASSETS, OPENING_PRICES, listings
from simulator.model import SimInstrument

DAY_START_US = 1_799_971_200_000_000
"""2027-01-15, the day in which the simulated market opens."""
DAY_US = 86_400_000_000

_SHARES = {
    "binance.usdm": 30, "binance.spot": 25, "bybit.linear": 15, "bybit.spot": 5,
    "okx.swap": 12, "okx.spot": 5, "hyperliquid.perp": 6, "hyperliquid.spot": 2,
}  # fmt: skip
_DAILY_MOVE = 0.02
_NOISE = 0.25e-4
_MEDIAN_USD, _SPREAD = 665.0, 1.5
_SIZES = 1 << 16
_MOMENTS = 2
"""Trades to a millisecond that has any."""


def day_of_trades(trades: int, batch: int) -> Iterator[tuple[str, list[bytes]]]:
    """Yield an asset and its records, an hour at a time; assets one after the other."""
    whole = sum(WEIGHTS.values())
    for asset in LISTED_ASSETS:
        number = round(trades * WEIGHTS[asset] / whole)
        for hour in _Asset(asset, number // batch, batch).hours():
            yield asset, hour


class _Asset:
    """All records of one asset."""

    def __init__(self, asset: str, records: int, batch: int) -> None:
        self._chance = random.Random(asset)  # noqa: S311  # the same day every time
        self._streams = [_Stream(one, self._chance) for one in listings(asset)]
        self._shares = list(accumulate(_SHARES[one.tradable.feed] for one in self._streams))
        self._records, self._batch = records, batch
        self._price = OPENING_PRICES[asset]

    def hours(self) -> Iterator[list[bytes]]:
        span_us = DAY_US // self._records
        move = _DAILY_MOVE * sqrt(span_us / DAY_US)
        hour: list[bytes] = []
        for number in range(self._records):
            (stream,) = self._chance.choices(self._streams, cum_weights=self._shares)
            self._price *= 1 + self._chance.gauss(0, move)
            start_us = DAY_START_US + number * span_us
            hour.append(stream.record(start_us, span_us, self._batch, self._price))
            if (number + 1) * 24 // self._records > number * 24 // self._records:
                yield hour
                hour = []


class _Stream:
    """The trades of one instrument."""

    def __init__(self, tradable: SimInstrument, chance: random.Random) -> None:
        self.tradable, self._chance = tradable, chance
        venue, _, part = tradable.feed.partition(".")
        spot, lot = part == "spot", tradable.lot * tradable.contract
        price = OPENING_PRICES[tradable.asset]
        self._tick = float(tradable.tick)
        self._ids = TradeIds.OPAQUE if venue == "bybit" else TradeIds.SEQUENTIAL
        self._sequence, self._next_id = 0, 6_000_000_000
        lots_per_usd = 1 / (price * float(lot))
        self._sizes = [
            max(1, round(_MEDIAN_USD * exp(_SPREAD * chance.gauss(0, 1)) * lots_per_usd))
            for _ in range(_SIZES)
        ]
        widest = max(1, round(_NOISE * price / self._tick))
        self._offsets = range(-widest, widest + 1)
        self._header: dict[str, Any] = {
            "schema": TRADES_SCHEMA,
            "venue": venue,
            "kind": Kind.SPOT if spot else Kind.LINEAR_PERPETUAL,
            "symbol": f"{tradable.asset}-{tradable.quote}{'' if spot else '-PERP'}",
            "venue_symbol": tradable.symbol,
            "asset": tradable.asset,
            "quote": tradable.quote,
            "session": f"{tradable.feed}/0",
            "feed_state": FeedState.LIVE,
            "tick": plain(tradable.tick),
            "lot": plain(lot),
            "stream": "trades",
            "trade_ids": self._ids,
        }

    def record(self, start_us: int, span_us: int, size: int, price: float) -> bytes:
        """Return the next record, of trades within a span of time about a price."""
        draw = self._chance.choices
        moments = draw(range(span_us // 1000), k=max(1, size // _MOMENTS))
        times = sorted(draw(moments, k=size))
        mid = round(price / self._tick)
        rows = [
            (start_us + after * 1000, mid + offset, lots, side, trade_id, 0)
            for after, offset, lots, side, trade_id in zip(
                times,
                draw(self._offsets, k=size),
                draw(self._sizes, k=size),
                draw((1, -1), k=size),
                self._new_ids(size),
                strict=True,
            )
        ]
        newest_us = rows[-1][0]
        made = TradeBatch(
            sequence=self._sequence,
            receive_time_us=newest_us + 40_000,
            watermark_us=newest_us,
            rows=rows,
            **self._header,
        )
        self._sequence += 1
        return msgspec.json.encode(made)

    def _new_ids(self, size: int) -> Sequence[int | str]:
        if self._ids is TradeIds.OPAQUE:
            return [f"{self._chance.getrandbits(128):032x}" for _ in range(size)]
        self._next_id += size
        return range(self._next_id - size, self._next_id)
