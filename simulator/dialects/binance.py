"""Binance USD-M and spot: URL streams and SUBSCRIBE, routes that acknowledge and stay silent.

Source: the venue sheet, sections 2-4 and 9. What a client gets wrong is acknowledged like
everything else: the wrong route, upper-case names, unknown symbols.
"""

import re
from collections import deque
from collections.abc import Container, Mapping, Sequence
from typing import Literal
from urllib.parse import parse_qs, unquote

import msgspec

from schemas.market import Side
from schemas.units import US_PER_SECOND
from simulator.dialects import binance_metadata
from simulator.dialects.base import POLICY, Frame, Pings, Reply, RestReply, RestRequest
from simulator.model import SimInstrument, SimTrade

MAX_STREAMS = 1024
MICROSECOND = "#us"
"""Ends the key of a stream whose connection asked for times in microseconds."""
_BURST = {"binance.usdm": 15, "binance.spot": 5}
_PATH = re.compile(r"/(?:(?P<route>public|market|private)/)?(?P<form>stream|ws)(?P<names>/.*)?")
_PUBLIC_KINDS = ("depth", "bookTicker", "rpiDepth", "trade")
_EVENT_DELAY_US = 3_000


class _Request(msgspec.Struct):
    method: str = ""
    params: list[str | bool] = []
    id: int | str | None = None


class _Combined(msgspec.Struct):
    stream: str = ""


def route_of(name: str) -> Literal["public", "market"]:
    """Return the USD-M route that delivers a stream."""
    kind = name.partition("@")[2] or name.lstrip("!")
    return "public" if kind.startswith(_PUBLIC_KINDS) else "market"


class BinanceSession:
    """One connection: what it subscribed to, on which route, in which framing."""

    def __init__(self, feed: str, path: re.Match[str], query: Mapping[str, list[str]]) -> None:
        self.keys: set[str] = set()
        self._feed = feed
        # An unrouted futures address behaves like /public.
        self._route = path["route"] or ("public" if feed == "binance.usdm" else None)
        self._combined = path["form"] == "stream"
        self._suffix = MICROSECOND if query.get("timeUnit") == ["MICROSECOND"] else ""
        self._names: dict[str, None] = {}
        self._times_us: deque[int] = deque(maxlen=_BURST[feed] + 1)

    def on_client_message(self, text: str, now_us: int) -> Reply:
        """Answer one control message."""
        self._times_us.append(now_us)
        full = len(self._times_us) == self._times_us.maxlen
        if full and now_us - self._times_us[0] < US_PER_SECOND:
            return Reply(close=POLICY)
        try:
            request = msgspec.json.decode(text, type=_Request)
        except msgspec.DecodeError as error:
            return Reply((_json({"code": 3, "msg": f"Invalid JSON: {error}"}),))
        return self._answer(request)

    def render(self, frame: Frame) -> bytes:
        """Take the stream's name off a frame where the connection is not a combined one."""
        if self._combined:
            return frame.data
        head = b'{"stream":"%s","data":' % frame.key.removesuffix(MICROSECOND).encode()
        return frame.data[len(head) : -1] if frame.data.startswith(head) else frame.data

    def subscribe(self, names: Sequence[str]) -> Reply:
        """Add streams; only those that the route delivers ever send anything."""
        added: list[str] = []
        for name in names:
            if len(self._names) >= MAX_STREAMS and name not in self._names:
                error = {"error": {"code": 4, "msg": "Too many subscriptions"}}
                return Reply((_json(error),), tuple(added), POLICY)
            self._names[name] = None
            if self._route is None or route_of(name) == self._route:
                self.keys.add(name + self._suffix)
                added.append(name + self._suffix)
        return Reply(subscribed=tuple(added))

    def _answer(self, request: _Request) -> Reply:
        names = [name for name in request.params if isinstance(name, str)]
        result: object = None
        reply = Reply()
        match request.method:
            case "SUBSCRIBE":
                reply = self.subscribe(names)
            case "UNSUBSCRIBE":
                for name in names:
                    self._names.pop(name, None)
                    self.keys.discard(name + self._suffix)
            case "LIST_SUBSCRIPTIONS":
                result = list(self._names)
            case "SET_PROPERTY":
                self._combined = bool(request.params[-1]) if request.params else self._combined
            case "GET_PROPERTY":
                result = self._combined
            case other:
                detail = f"Invalid request: unknown variant `{other}`"
                return Reply((_json({"error": {"code": 2, "msg": detail}, "id": request.id}),))
        if reply.close is not None:
            return reply
        answer = _json({"result": result, "id": request.id})
        return Reply((answer,), reply.subscribed)


class BinanceDialect:
    """USD-M futures (`binance.usdm`) or spot (`binance.spot`)."""

    idle = None

    def __init__(
        self, feed: str, instruments: Sequence[SimInstrument], metadata: Mapping[str, bytes]
    ) -> None:
        self.feed = feed
        self.futures = feed == "binance.usdm"
        self.pings = Pings(180.0, 600.0) if self.futures else Pings(20.0, 60.0)
        self._instruments = tuple(instruments)
        self._metadata = metadata

    def open(self, path: str, query: str) -> tuple[BinanceSession, Reply] | None:
        """Begin a conversation; the address may name the first streams."""
        match = _PATH.fullmatch(path)
        if match is None or (match["route"] and not self.futures):
            return None
        arguments = parse_qs(query)
        session = BinanceSession(self.feed, match, arguments)
        joined = arguments.get("streams", [""])[0] or unquote(match["names"] or "")
        return session, session.subscribe([name for name in joined.split("/") if name])

    def encode(self, trades: Sequence[SimTrade], wanted: Container[str]) -> list[Frame]:
        """Write `@aggTrade` and `@trade` frames."""
        frames: list[Frame] = []
        for trade in trades:
            symbol = trade.instrument.symbol.lower()
            for suffix in ("",) if self.futures else ("", MICROSECOND):
                key = f"{symbol}@aggTrade{suffix}"
                if key in wanted:
                    frames.append(_frame(key, self._aggregate(trade, suffix)))
                key = f"{symbol}@trade{suffix}"
                if key in wanted:
                    frames.extend(_frame(key, item) for item in self._fills(trade, suffix))
        return frames

    def first_frame(self, key: str) -> bytes | None:
        """Streams begin with what comes next."""
        return None

    def keys_of(self, frame: bytes) -> tuple[str, ...]:
        """Read the stream's name off a combined frame."""
        try:
            name = msgspec.json.decode(frame, type=_Combined).stream
        except msgspec.DecodeError:
            return ()
        return (name, name + MICROSECOND) if name else ()

    def rest(self, request: RestRequest) -> RestReply:
        """Serve the exchange information, whole or of one symbol."""
        name = self.metadata_name(request)
        if name is None:
            return RestReply(b'{"code":-5000,"msg":"Path not found"}', 404)
        if name in self._metadata:
            return RestReply(self._metadata[name])
        if self.futures:
            return RestReply(_json(binance_metadata.futures(self._instruments)))
        wanted = request.argument("symbol")
        listed = [item for item in self._instruments if wanted in ("", item.symbol)]
        if not listed:
            return RestReply(b'{"code":-1121,"msg":"Invalid symbol."}', 400)
        return RestReply(_json(binance_metadata.spot(listed)))

    def metadata_name(self, request: RestRequest) -> str | None:
        """Name the exchange information."""
        path = "/fapi/v1/exchangeInfo" if self.futures else "/api/v3/exchangeInfo"
        return "exchangeInfo" if (request.method, request.path) == ("GET", path) else None

    def owns(self, url: str) -> bool:
        """Tell futures hosts from spot hosts."""
        futures = "//fstream" in url or "//fapi" in url
        return not url or ("binance" in url and futures == self.futures)

    def _aggregate(self, trade: SimTrade, suffix: str) -> str:
        item = trade.instrument
        head = (
            f'"e":"aggTrade","E":{_time(trade.time_us + _EVENT_DELAY_US, suffix)},'
            f'"a":{trade.print_id},"s":"{item.symbol}","p":"{item.price_text(trade.price_ticks)}",'
            f'"q":"{item.qty_text(trade.qty_lots)}",'
        )
        ids = f'"f":{trade.first_id},"l":{trade.last_id},"T":{_time(trade.time_us, suffix)},'
        maker = _buyer_is_maker(trade)
        if not self.futures:
            return f'{{{head}{ids}"m":{maker},"M":true}}'
        visible = item.qty_text(sum(trade.fills[trade.rpi_fills :]))
        return f'{{{head}"nq":"{visible}",{ids}"m":{maker},"st":1}}'

    def _fills(self, trade: SimTrade, suffix: str) -> list[str]:
        item, maker = trade.instrument, _buyer_is_maker(trade)
        event, time = _time(trade.time_us + _EVENT_DELAY_US, suffix), _time(trade.time_us, suffix)
        price = item.price_text(trade.price_ticks)
        rows = []
        for number, lots in enumerate(trade.fills):
            sort = "RPI" if number < trade.rpi_fills else "MARKET"
            rows.append((trade.first_id + number, price, item.qty_text(lots), sort))
        if trade.void_before:
            rows.insert(0, (trade.first_id - 1, "0", "0", "NA"))
        if self.futures:
            return [
                f'{{"e":"trade","E":{event},"T":{time},"s":"{item.symbol}","t":{number},"p":"{at}",'
                f'"q":"{quantity}","X":"{sort}","m":{maker},"st":1}}'
                for number, at, quantity, sort in rows
            ]
        return [
            f'{{"e":"trade","E":{event},"s":"{item.symbol}","t":{number},"p":"{at}",'
            f'"q":"{quantity}","T":{time},"m":{maker},"M":true}}'
            for number, at, quantity, _ in rows
        ]


def _frame(key: str, payload: str) -> Frame:
    name = key.removesuffix(MICROSECOND)
    return Frame(key, f'{{"stream":"{name}","data":{payload}}}'.encode())


def _time(time_us: int, suffix: str) -> int:
    return time_us if suffix else time_us // 1000


def _buyer_is_maker(trade: SimTrade) -> str:
    return "true" if trade.side is Side.SELL else "false"


def _json(body: object) -> bytes:
    return msgspec.json.encode(body)
