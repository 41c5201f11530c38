"""Binance's REST calls on the market: books, prints by id, funding, open interest, their weights.

Source: the venue sheet, sections 4.3, 5.2, 5.4, 7, 8 and 10. Prints that are no longer kept are
refused with the code of the futures' two days, on spot as well, where the venue keeps them.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal

import msgspec

from schemas.units import US_PER_SECOND
from simulator.dialects.base import Json, RestReply, RestRequest
from simulator.dialects.binance_frames import buyer_is_maker, eight_decimals, rows, visible_qty
from simulator.dialects.binance_symbol import BinanceSymbol
from simulator.model import SimTicker, SimTrade

WEIGHT_HEADER = "X-MBX-USED-WEIGHT-1M"
_FUTURES_DEPTHS = {5: 2, 10: 2, 20: 2, 50: 2, 100: 5, 500: 10, 1000: 20}
_SPOT_DEPTHS = {100: 5, 500: 25, 1000: 50, 5000: 250}
_WEIGHTS = {
    "/fapi/v1/exchangeInfo": 1,
    "/fapi/v1/aggTrades": 20,
    "/fapi/v1/openInterest": 1,
    "/fapi/v1/premiumIndex": 1,
    "/api/v3/exchangeInfo": 20,
    "/api/v3/aggTrades": 4,
    "/api/v3/historicalTrades": 25,
}
_USUAL_ROWS = 500
_MOST_ROWS = 1000
_MOST_DIGITS = 20
_MINUTE_US = 60 * US_PER_SECOND


class Refusal(Exception):
    """A call that is answered with one of the venue's codes."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.reply = RestReply(msgspec.json.encode({"code": code, "msg": message}), status)


class UsedWeight:
    """What has been spent in the present clock minute; refused calls cost as well."""

    def __init__(self) -> None:
        self._minute = 0
        self._used = 0

    def spend(self, request: RestRequest, now_us: int) -> dict[str, str]:
        """Count a call and return the header that tells the sum."""
        minute = now_us // _MINUTE_US
        if minute != self._minute:
            self._minute, self._used = minute, 0
        self._used += _weight(request)
        return {WEIGHT_HEADER: str(self._used)}


class BinanceRest:
    """Answers from the symbols of one feed.

    Args:
        symbols: by their names; what has sent nothing yet times out.
        futures: whether the paths are those of USD-M.
    """

    def __init__(self, symbols: Mapping[str, BinanceSymbol], *, futures: bool) -> None:
        self.offset_us = 0
        self._symbols = symbols
        self._futures = futures
        self._calls: dict[str, Callable[[RestRequest], bytes]] = (
            {
                "/fapi/v1/depth": self._depth,
                "/fapi/v1/aggTrades": self._aggregates,
                "/fapi/v1/openInterest": self._open_interest,
                "/fapi/v1/premiumIndex": self._premium,
                "/fapi/v1/fundingInfo": self._funding_info,
                "/fapi/v1/fundingRate": self._funding_rates,
            }
            if futures
            else {
                "/api/v3/depth": self._depth,
                "/api/v3/aggTrades": self._aggregates,
                "/api/v3/historicalTrades": self._trades,
            }
        )

    def answer(self, request: RestRequest) -> RestReply:
        """Answer one call."""
        call = self._calls.get(request.path) if request.method == "GET" else None
        try:
            if call is None:
                raise Refusal(-5000, "Path not found", 404)
            return RestReply(call(request))
        except Refusal as refusal:
            return refusal.reply

    def _depth(self, request: RestRequest) -> bytes:
        symbol = self._symbol(request)
        limit = _number(request, "limit", _USUAL_ROWS if self._futures else 100)
        if self._futures and limit not in _FUTURES_DEPTHS:
            raise Refusal(-4021, f"{limit} is not valid depth limit.")
        item, book = symbol.instrument, symbol.book
        if not book.number:
            raise _timed_out()
        times = ""
        if self._futures:
            time = (book.time_us + self.offset_us) // 1000
            times = f'"E":{time},"T":{time},'
        return (
            f'{{"lastUpdateId":{symbol.last_update_id},{times}'
            f'"bids":{rows(item, book.bids.top(max(1, limit)))},'
            f'"asks":{rows(item, book.asks.top(max(1, limit)))}}}'
        ).encode()

    def _aggregates(self, request: RestRequest) -> bytes:
        symbol, limit = self._symbol(request), _limit(request)
        from_id = _number(request, "fromId", -1)
        known = from_id >= 0
        prints = symbol.prints_from(from_id, limit) if known else symbol.newest_prints(limit)
        if prints is None:
            raise _too_old()
        joined = ",".join(self._aggregate(trade) for trade in prints)
        return f"[{joined}]".encode()

    def _trades(self, request: RestRequest) -> bytes:
        symbol, limit = self._symbol(request), _limit(request)
        from_id = _number(request, "fromId", -1)
        fills = symbol.fills_from(from_id, limit) if from_id >= 0 else symbol.newest_fills(limit)
        if fills is None:
            raise _too_old()
        joined = ",".join(self._fill(trade, number) for trade, number in fills)
        return f"[{joined}]".encode()

    def _open_interest(self, request: RestRequest) -> bytes:
        ticker = _reported(self._symbol(request))
        item = ticker.instrument
        return msgspec.json.encode(
            {
                "openInterest": item.qty_text(ticker.open_interest_lots),
                "symbol": item.symbol,
                "time": (ticker.time_us + self.offset_us) // 1000,
            }
        )

    def _premium(self, request: RestRequest) -> bytes:
        if request.argument("symbol"):
            return msgspec.json.encode(self._premium_of(_reported(self._symbol(request))))
        known = [symbol.ticker for symbol in self._symbols.values() if symbol.ticker is not None]
        return msgspec.json.encode([self._premium_of(ticker) for ticker in known])

    def _funding_info(self, request: RestRequest) -> bytes:
        """List all symbols but the first, as the venue leaves out those with usual terms."""
        adjusted = [symbol.ticker for symbol in self._symbols.values()][1:]
        listed: list[Json] = [
            {
                "symbol": ticker.instrument.symbol,
                "adjustedFundingRateCap": "0.02000000",
                "adjustedFundingRateFloor": "-0.02000000",
                "fundingIntervalHours": ticker.interval_hours,
                "updateTime": 1_750_000_000_000,
            }
            for ticker in adjusted
            if ticker is not None
        ]
        return msgspec.json.encode(listed)

    def _funding_rates(self, request: RestRequest) -> bytes:
        symbol = self._symbol(request)
        settled = list(symbol.settlements)[-_limit(request) :]
        listed = [
            {
                "symbol": symbol.instrument.symbol,
                "fundingTime": time_us // 1000,
                "fundingRate": rate,
                "markPrice": mark,
            }
            for time_us, rate, mark in settled
        ]
        return msgspec.json.encode(listed)

    def _premium_of(self, ticker: SimTicker) -> Json:
        return {
            "symbol": ticker.instrument.symbol,
            "markPrice": eight_decimals(ticker.mark),
            "indexPrice": eight_decimals(ticker.index),
            "estimatedSettlePrice": eight_decimals(ticker.mark),
            "lastFundingRate": eight_decimals(ticker.funding_rate),
            "interestRate": "0.00010000",
            "nextFundingTime": ticker.next_funding_us // 1000,
            "time": (ticker.time_us + self.offset_us) // 1000,
        }

    def _aggregate(self, trade: SimTrade) -> str:
        item = trade.instrument
        hidden = f'"nq":"{visible_qty(trade)}",' if self._futures else ""
        tail = "" if self._futures else ',"M":true'
        return (
            f'{{"a":{trade.print_id},"p":"{item.price_text(trade.price_ticks)}",'
            f'"q":"{item.qty_text(trade.qty_lots)}",{hidden}"f":{trade.first_id},'
            f'"l":{trade.last_id},"T":{(trade.time_us + self.offset_us) // 1000},'
            f'"m":{buyer_is_maker(trade)}{tail}}}'
        )

    def _fill(self, trade: SimTrade, number: int) -> str:
        item = trade.instrument
        price, quantity = item.price_text(trade.price_ticks), item.qty_text(trade.fills[number])
        return (
            f'{{"id":{trade.first_id + number},"price":"{price}","qty":"{quantity}",'
            f'"quoteQty":"{eight_decimals(Decimal(price) * Decimal(quantity))}",'
            f'"time":{(trade.time_us + self.offset_us) // 1000},'
            f'"isBuyerMaker":{buyer_is_maker(trade)},"isBestMatch":true}}'
        )

    def _symbol(self, request: RestRequest) -> BinanceSymbol:
        name = request.argument("symbol")
        if not name:
            raise Refusal(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null.")
        if name not in self._symbols:
            raise Refusal(-1121, "Invalid symbol.")
        return self._symbols[name]


def _weight(request: RestRequest) -> int:
    if request.path in ("/fapi/v1/depth", "/api/v3/depth"):
        depths = _FUTURES_DEPTHS if request.path.startswith("/fapi") else _SPOT_DEPTHS
        text = request.argument("limit", "100")
        limit = int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else 0
        return next((weight for depth, weight in depths.items() if limit <= depth), 0)
    if request.path == "/fapi/v1/premiumIndex" and not request.argument("symbol"):
        return 10
    return _WEIGHTS.get(request.path, 0)


def _limit(request: RestRequest) -> int:
    return max(1, min(_number(request, "limit", _USUAL_ROWS), _MOST_ROWS))


def _number(request: RestRequest, name: str, default: int) -> int:
    text = request.argument(name)
    if not text:
        return default
    if not text.isdecimal() or len(text) > _MOST_DIGITS:
        legal = "^[0-9]{1,20}$"
        raise Refusal(-1100, f"Illegal characters found in parameter '{name}'; legal: '{legal}'.")
    return int(text)


def _too_old() -> Refusal:
    return Refusal(-4166, "Search window is restricted to recent 2 days only.")


def _reported(symbol: BinanceSymbol) -> SimTicker:
    if symbol.ticker is None:
        raise _timed_out()
    return symbol.ticker


def _timed_out() -> Refusal:
    return Refusal(-1007, "Timeout waiting for response from backend server.", 408)
