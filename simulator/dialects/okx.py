"""OKX v5 swaps and spot: one acknowledgement an argument, text ping, silence ends it after 30 s.

Source: the venue sheet, sections 2, 3, 7 and 8. Sizes of swaps are in contracts.
"""

from collections.abc import Container, Mapping, Sequence

import msgspec

from schemas.market import Side
from schemas.units import plain
from simulator.dialects.base import Frame, Idle, Json, Reply, RestReply, RestRequest
from simulator.model import SimInstrument, SimTrade, trimmed

NO_DATA = 4004
_PATHS = {"/ws/v5/public": "public", "/ws/v5/business": "business"}
_CHANNELS = {
    "public": {
        *("trades", "books", "books5", "bbo-tbt", "books-rpi", "tickers", "open-interest"),
        *("funding-rate", "mark-price", "index-tickers", "price-limit", "liquidation-orders"),
        *("instruments", "status"),
    },
    "business": {"trades-all"},
}
_BY_TYPE = {"liquidation-orders", "instruments", "status"}
_NOT_BY_INSTRUMENT = _BY_TYPE | {"index-tickers"}


class _Arg(msgspec.Struct, omit_defaults=True):
    channel: str = ""
    instType: str = ""  # noqa: N815 - the venue's own name
    instId: str = ""  # noqa: N815

    @property
    def key(self) -> str:
        return f"{self.channel}:{self.instId or self.instType}"


class _Request(msgspec.Struct):
    op: str = ""
    args: list[_Arg] = []
    id: str = ""


class _Data(msgspec.Struct):
    arg: _Arg | None = None
    event: str = ""


class _Listed(msgspec.Struct):
    instId: str  # noqa: N815


class _Instruments(msgspec.Struct):
    data: list[_Listed]


class OkxSession:
    """One connection."""

    def __init__(self, route: str, symbols: Container[str], number: int) -> None:
        self.keys: set[str] = set()
        self._channels = _CHANNELS[route]
        self._symbols = symbols
        self._connection = f"5{number:07x}"

    def on_client_message(self, text: str, now_us: int) -> Reply:
        """Answer the text `ping`, or one operation with its arguments."""
        if text == "ping":
            return Reply((b"pong",))
        try:
            request = msgspec.json.decode(text, type=_Request)
        except msgspec.DecodeError:
            return Reply((self._error("", "60012", f"Invalid request: {text[:200]}"),))
        if request.op not in ("subscribe", "unsubscribe"):
            return Reply((self._error(request.id, "60012", f"Invalid request: {text[:200]}"),))
        messages = [self._apply(request, arg) for arg in request.args]
        added = [arg.key for arg in request.args if arg.key in self.keys]
        return Reply(tuple(messages), tuple(added) if request.op == "subscribe" else ())

    def render(self, frame: Frame) -> bytes:
        """Frames are the same for every connection."""
        return frame.data

    def _apply(self, request: _Request, arg: _Arg) -> bytes:
        if not self._exists(arg):
            shown = ",".join(f"{name}:{value}" for name, value in _fields(arg).items())
            detail = (
                f"Wrong URL or {shown} doesn't exist. Please use the correct URL, channel and "
                "parameters referring to API document."
            )
            return self._error(request.id, "60018", detail)
        if request.op == "subscribe":
            self.keys.add(arg.key)
        else:
            self.keys.discard(arg.key)
        head = {"id": request.id} if request.id else {}
        body = {"event": request.op, "arg": _fields(arg), "connId": self._connection}
        return msgspec.json.encode(head | body)

    def _exists(self, arg: _Arg) -> bool:
        if arg.channel not in self._channels:
            return False
        if arg.channel in _BY_TYPE:
            return not arg.instId
        return arg.channel in _NOT_BY_INSTRUMENT or arg.instId in self._symbols

    def _error(self, request_id: str, code: str, message: str) -> bytes:
        head = {"id": request_id} if request_id else {}
        body = {"event": "error", "code": code, "msg": message, "connId": self._connection}
        return msgspec.json.encode(head | body)


class OkxDialect:
    """Swaps (`okx.swap`) or spot (`okx.spot`)."""

    pings = None
    idle = Idle(30.0, NO_DATA)

    def __init__(
        self, feed: str, instruments: Sequence[SimInstrument], metadata: Mapping[str, bytes]
    ) -> None:
        self.feed = feed
        self._type = "SPOT" if feed == "okx.spot" else "SWAP"
        self._instruments = tuple(instruments)
        self._metadata = metadata
        self._symbols = {item.symbol for item in instruments}
        for body in metadata.values():
            listed = msgspec.json.decode(body, type=_Instruments).data
            self._symbols.update(item.instId for item in listed)
        self._sessions = 0

    def open(self, path: str, query: str) -> tuple[OkxSession, Reply] | None:
        """Begin a conversation."""
        if path not in _PATHS:
            return None
        self._sessions += 1
        return OkxSession(_PATHS[path], self._symbols, self._sessions), Reply()

    def encode(self, trades: Sequence[SimTrade], wanted: Container[str]) -> list[Frame]:
        """Write `trades` (one frame a print) and `trades-all` (one frame a fill)."""
        frames: list[Frame] = []
        for trade in trades:
            key = f"trades:{trade.instrument.symbol}"
            if key in wanted:
                tail = f'"count":"{len(trade.fills)}","source":"{_source(trade)}"'
                tail += f',"seqId":{trade.print_id}'
                row = _row(trade, trade.last_id, trade.qty_lots, tail)
                frames.append(Frame(key, _envelope("trades", trade, row)))
            key = f"trades-all:{trade.instrument.symbol}"
            if key in wanted:
                tail = f'"source":"{_source(trade)}"'
                for number, lots in enumerate(trade.fills):
                    row = _row(trade, trade.first_id + number, lots, tail)
                    frames.append(Frame(key, _envelope("trades-all", trade, row)))
        return frames

    def first_frame(self, key: str) -> bytes | None:
        """Trades are not replayed."""
        return None

    def keys_of(self, frame: bytes) -> tuple[str, ...]:
        """Read the argument of a data frame."""
        try:
            data = msgspec.json.decode(frame, type=_Data)
        except msgspec.DecodeError:
            return ()
        return (data.arg.key,) if data.arg is not None and not data.event else ()

    def rest(self, request: RestRequest) -> RestReply:
        """Serve the instruments of one type."""
        name = self.metadata_name(request)
        if name is None:
            return RestReply(b'{"code":"404","msg":"Not Found","data":[]}', 404)
        if name in self._metadata:
            return RestReply(self._metadata[name])
        kind = request.argument("instType")
        if kind not in ("SPOT", "SWAP", "FUTURES", "OPTION"):
            body = {"code": "51000", "msg": "Parameter instType error", "data": []}
            return RestReply(msgspec.json.encode(body))
        listed = self._listed() if kind == self._type else []
        return RestReply(msgspec.json.encode({"code": "0", "msg": "", "data": listed}))

    def metadata_name(self, request: RestRequest) -> str | None:
        """Name the instruments of a type."""
        if request.path != "/api/v5/public/instruments":
            return None
        return f"instruments:{request.argument('instType')}"

    def owns(self, url: str) -> bool:
        """Swaps and spot share their hosts; instrument names tell them apart."""
        return not url or "okx" in url

    def _listed(self) -> list[Json]:
        listed = [_describe(item, self._type) for item in self._instruments]
        if not listed:
            return []
        if self._type == "SWAP":
            stock = {"instId": "TSLA-USDT-SWAP", "instFamily": "TSLA-USDT", "uly": "TSLA-USDT"}
            listed.append(listed[0] | stock | {"ctValCcy": "TSLA", "instCategory": "3"})
        else:
            unnamed = {"instId": "NEW-USDT", "baseCcy": "", "quoteCcy": "", "state": "preopen"}
            listed.append(listed[0] | unnamed)
        return listed


def _fields(arg: _Arg) -> dict[str, str]:
    return {
        name: value
        for name, value in (
            ("channel", arg.channel),
            ("instType", arg.instType),
            ("instId", arg.instId),
        )
        if value
    }


def _row(trade: SimTrade, trade_id: int, lots: int, tail: str) -> str:
    item = trade.instrument
    side = "buy" if trade.side is Side.BUY else "sell"
    return (
        f'{{"instId":"{item.symbol}","tradeId":"{trade_id}",'
        f'"px":"{trimmed(item.price_text(trade.price_ticks))}",'
        f'"sz":"{trimmed(item.qty_text(lots))}","side":"{side}","ts":"{trade.time_ms}",{tail}}}'
    )


def _envelope(channel: str, trade: SimTrade, row: str) -> bytes:
    arg = f'{{"channel":"{channel}","instId":"{trade.instrument.symbol}"}}'
    return f'{{"arg":{arg},"data":[{row}]}}'.encode()


def _source(trade: SimTrade) -> str:
    return "1" if trade.rpi_fills else "0"


def _describe(item: SimInstrument, kind: str) -> Json:
    swap = kind == "SWAP"
    family = f"{item.asset}-{item.quote}"
    return {
        "instType": kind,
        "instId": item.symbol,
        "instFamily": family if swap else "",
        "uly": family if swap else "",
        "baseCcy": "" if swap else item.asset,
        "quoteCcy": "" if swap else item.quote,
        "settleCcy": item.quote if swap else "",
        "ctVal": plain(item.contract) if swap else "",
        "ctMult": "1" if swap else "",
        "ctValCcy": item.asset if swap else "",
        "ctType": "linear" if swap else "",
        "listTime": "1573557408000",
        "expTime": "",
        "tickSz": plain(item.tick),
        "lotSz": plain(item.lot),
        "minSz": plain(item.lot),
        "state": "live",
        "ruleType": "normal",
        "instCategory": "1",
        "upcChg": [],
    }
