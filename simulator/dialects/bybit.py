"""Bybit v5 linear and spot: one acknowledgement a request, at most ten topics of spot in one.

Source: the venue sheet, sections 2, 3 and 8; field order of frames from a recording of 2026-08-09.
Whether one bad topic refuses its whole request is unconfirmed at the venue; here it does.
"""

import uuid
from collections.abc import Container, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import groupby

import msgspec

from schemas.market import Side
from simulator.dialects.base import Frame, Idle, Json, Reply, RestReply, RestRequest
from simulator.model import SimInstrument, SimTrade

MAX_SPOT_ARGS = 10
MAX_ROWS = 1024
_DEPTHS = ("1", "50", "200", "1000")
_PUSH_DELAY_MS = 1
_IDLE_SECONDS = 600.0
_SPOT_ID_BASE = 2_290_000_000_000_000_000
_PAGE = 500


class _Request(msgspec.Struct):
    op: str = ""
    args: list[str] = []
    req_id: str = ""


class _Topic(msgspec.Struct):
    topic: str = ""


class _Listed(msgspec.Struct):
    symbol: str


class _List(msgspec.Struct):
    list: list[_Listed]


class _InstrumentsInfo(msgspec.Struct):
    result: _List


class BybitSession:
    """One connection."""

    def __init__(self, spot: bool, symbols: Container[str], number: int) -> None:
        self.keys: set[str] = set()
        self._spot = spot
        self._symbols = symbols
        self._connection = f"sim-{'spot' if spot else 'linear'}-{number:04}"

    def on_client_message(self, text: str, now_us: int) -> Reply:
        """Answer one operation."""
        try:
            request = msgspec.json.decode(text, type=_Request)
        except msgspec.DecodeError:
            return Reply((self._ack(_Request(), "error:invalid json", success=False),))
        match request.op:
            case "ping":
                return Reply((self._pong(request),))
            case "subscribe":
                return self._subscribe(request)
            case "unsubscribe":
                self.keys.difference_update(request.args)
                return Reply((self._ack(request, "unsubscribe" if self._spot else ""),))
            case _:
                return Reply((self._ack(request, "error:invalid op", success=False),))

    def render(self, frame: Frame) -> bytes:
        """Frames are the same for every connection."""
        return frame.data

    def _subscribe(self, request: _Request) -> Reply:
        if self._spot and len(request.args) > MAX_SPOT_ARGS:
            return Reply((self._ack(request, f"args size >{MAX_SPOT_ARGS}", success=False),))
        for topic in request.args:
            if why := self._refusal(topic):
                return Reply((self._ack(request, why, success=False),))
        self.keys.update(request.args)
        text = "subscribe" if self._spot else ""
        return Reply((self._ack(request, text),), tuple(request.args))

    def _refusal(self, topic: str) -> str:
        if topic in self.keys:
            return f"error:already subscribed,topic:{topic}"
        kind, *middle, symbol = topic.split(".")
        shapes = {"publicTrade": 0, "tickers": 0, "orderbook": 1, "kline": 1, "allLiquidation": 0}
        known = shapes.get(kind) == len(middle) and not (self._spot and kind == "allLiquidation")
        if not known or (kind == "orderbook" and middle[0] not in _DEPTHS):
            return f"error:handler not found,topic:{topic}"
        return "" if symbol in self._symbols else f"Invalid symbol :[{topic}]"

    def _ack(self, request: _Request, text: str, *, success: bool = True) -> bytes:
        head = {"success": success, "ret_msg": text, "conn_id": self._connection}
        # Spot leaves the field out where the request had none; linear sends it empty.
        named = {} if self._spot and not request.req_id else {"req_id": request.req_id}
        return msgspec.json.encode(head | named | {"op": request.op})

    def _pong(self, request: _Request) -> bytes:
        body = {"success": True, "ret_msg": "pong", "conn_id": self._connection}
        if not self._spot:
            body["req_id"] = request.req_id
        return msgspec.json.encode(body | {"op": "ping"})


class BybitDialect:
    """Linear perpetuals (`bybit.linear`) or spot (`bybit.spot`)."""

    pings = None
    idle = Idle(_IDLE_SECONDS, 1000)

    def __init__(
        self, feed: str, instruments: Sequence[SimInstrument], metadata: Mapping[str, bytes]
    ) -> None:
        self.feed = feed
        self._spot = feed == "bybit.spot"
        self._category = "spot" if self._spot else "linear"
        self._instruments = tuple(instruments)
        self._metadata = metadata
        self._symbols = {item.symbol for item in instruments}
        for body in metadata.values():
            listed = msgspec.json.decode(body, type=_InstrumentsInfo).result.list
            self._symbols.update(item.symbol for item in listed)
        self._sessions = 0
        self._last_price: dict[str, int] = {}

    def open(self, path: str, query: str) -> tuple[BybitSession, Reply] | None:
        """Begin a conversation."""
        if path != f"/v5/public/{self._category}":
            return None
        self._sessions += 1
        return BybitSession(self._spot, self._symbols, self._sessions), Reply()

    def encode(self, trades: Sequence[SimTrade], wanted: Container[str]) -> list[Frame]:
        """Write `publicTrade` frames of up to 1,024 fills of one symbol."""
        frames = []
        for symbol, group in groupby(trades, key=lambda trade: trade.instrument.symbol):
            rows = [(trade.time_ms, row) for trade in group for row in self._rows(trade)]
            key = f"publicTrade.{symbol}"
            if key not in wanted:
                continue
            for start in range(0, len(rows), MAX_ROWS):
                part = rows[start : start + MAX_ROWS]
                frames.append(Frame(key, self._envelope(key, part)))
        return frames

    def first_frame(self, key: str) -> bytes | None:
        """Trades are not replayed."""
        return None

    def keys_of(self, frame: bytes) -> tuple[str, ...]:
        """Read the topic."""
        try:
            topic = msgspec.json.decode(frame, type=_Topic).topic
        except msgspec.DecodeError:
            return ()
        return (topic,) if topic else ()

    def rest(self, request: RestRequest) -> RestReply:
        """Serve the instruments of the category, linear ones in pages."""
        if request.path != "/v5/market/instruments-info":
            return RestReply(b'{"retCode":10017,"retMsg":"Route not found."}', 404)
        if request.argument("category") != self._category:
            return RestReply(_envelope_rest(10001, "params error: category", {}))
        recorded = self._metadata.get(f"instruments-info:{self._category}")
        if recorded is not None and not request.argument("cursor"):
            return RestReply(recorded)
        listed = [] if recorded is not None else self._listed()
        return RestReply(_envelope_rest(0, "OK", self._page(listed, request)))

    def metadata_name(self, request: RestRequest) -> str | None:
        """Name the instruments of a category."""
        if request.path != "/v5/market/instruments-info":
            return None
        return f"instruments-info:{request.argument('category')}"

    def owns(self, url: str) -> bool:
        """Tell the category from the path or the query."""
        mine = f"/v5/public/{self._category}" in url or f"category={self._category}" in url
        return not url or ("bybit" in url and mine)

    def _rows(self, trade: SimTrade) -> Iterator[str]:
        item = trade.instrument
        side = "Buy" if trade.side is Side.BUY else "Sell"
        price = item.price_text(trade.price_ticks)
        tick = self._tick_direction(trade)
        rpi = "true" if trade.rpi_fills else "false"
        block = "true" if trade.block else "false"
        for number, lots in enumerate(trade.fills):
            quantity = item.qty_text(lots)
            common = f'"BT":{block},"RPI":{rpi}'
            if self._spot:
                name = _SPOT_ID_BASE + trade.first_id + number
                yield (
                    f'{{"i":"{name}","T":{trade.time_ms},"p":"{price}","v":"{quantity}",'
                    f'"S":"{side}","seq":{trade.print_id},"s":"{item.symbol}",{common}}}'
                )
            else:
                yield (
                    f'{{"T":{trade.time_ms},"s":"{item.symbol}","S":"{side}","v":"{quantity}",'
                    f'"p":"{price}","L":"{tick}","i":"{_trade_uuid(trade, number)}",{common},'
                    f'"seq":{trade.print_id}}}'
                )

    def _tick_direction(self, trade: SimTrade) -> str:
        before = self._last_price.get(trade.instrument.symbol, trade.price_ticks)
        self._last_price[trade.instrument.symbol] = trade.price_ticks
        if trade.price_ticks == before:
            return "ZeroPlusTick" if trade.side is Side.BUY else "ZeroMinusTick"
        return "PlusTick" if trade.price_ticks > before else "MinusTick"

    def _envelope(self, key: str, rows: Sequence[tuple[int, str]]) -> bytes:
        ts = rows[-1][0] + _PUSH_DELAY_MS
        joined = ",".join(row for _, row in rows)
        if self._spot:
            head = f'{{"topic":"{key}","ts":{ts},"type":"snapshot","data":['
        else:
            head = f'{{"topic":"{key}","type":"snapshot","ts":{ts},"data":['
        return f"{head}{joined}]}}".encode()

    def _page(self, listed: list[Json], request: RestRequest) -> Json:
        if self._spot:
            return {"category": "spot", "list": listed}
        start = int(request.argument("cursor") or 0)
        end = start + int(request.argument("limit") or _PAGE)
        cursor = str(end) if end < len(listed) else ""
        return {"category": "linear", "list": listed[start:end], "nextPageCursor": cursor}

    def _listed(self) -> list[Json]:
        describe = _spot_pair if self._spot else _linear_contract
        listed = [describe(item) for item in self._instruments]
        if listed and self._spot:
            stock = {"symbol": "TSLAXUSDT", "baseCoin": "TSLAX", "symbolType": "xstocks"}
            listed.append(listed[0] | stock)
        elif listed:
            gold = {"symbol": "XAUUSDT", "baseCoin": "XAU", "symbolType": "commodity"}
            dated = {"symbol": "BTCUSDT-25DEC26", "contractType": "LinearFutures"}
            listed += [listed[0] | gold, listed[0] | dated | {"deliveryTime": "1798185600000"}]
        return listed


def _trade_uuid(trade: SimTrade, number: int) -> uuid.UUID:
    seed = b"%d %d" % (trade.order_tag, trade.first_id + number)
    return uuid.UUID(bytes=blake2b(seed, digest_size=16).digest(), version=5)


def _linear_contract(item: SimInstrument) -> Json:
    return {
        "symbol": item.symbol,
        "contractType": "LinearPerpetual",
        "status": "Trading",
        "baseCoin": item.asset,
        "quoteCoin": item.quote,
        "settleCoin": item.quote,
        "symbolType": "",
        "launchTime": "1584230400000",
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": str(item.price_decimals),
        "priceFilter": {"minPrice": item.price_text(1), "tickSize": item.price_text(1)},
        "lotSizeFilter": {"minOrderQty": item.qty_text(1), "qtyStep": item.qty_text(1)},
        "fundingInterval": 480,
        "isPreListing": False,
        "preListingInfo": None,
    }


def _spot_pair(item: SimInstrument) -> Json:
    return {
        "symbol": item.symbol,
        "baseCoin": item.asset,
        "quoteCoin": item.quote,
        "status": "Trading",
        "symbolType": "",
        "xstockMultiplier": "1",
        "lotSizeFilter": {"basePrecision": item.qty_text(1), "quotePrecision": "0.0000001"},
        "priceFilter": {"tickSize": item.price_text(1)},
    }


def _envelope_rest(code: int, message: str, result: Json) -> bytes:
    body = {"retCode": code, "retMsg": message, "result": result, "retExtInfo": {}, "time": 0}
    return msgspec.json.encode(body)
