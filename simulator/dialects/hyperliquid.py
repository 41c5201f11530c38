"""Hyperliquid perpetuals: one subscription a message, recent trades replayed, bad coins fatal.

Source: the venue sheet, sections 1-3; field order of frames from a recording of 2025-01-26.
"""

from collections import deque
from collections.abc import Container, Iterator, Mapping, Sequence
from hashlib import blake2b

import msgspec

from schemas.market import Side
from simulator.dialects.base import ABORT, Frame, Idle, Json, Reply, RestReply, RestRequest
from simulator.model import SimInstrument, SimTrade, trimmed

REPLAYED_ROWS = 30
_SILENT_SECONDS = 60.0
_BY_COIN = {"trades", "l2Book", "bbo", "activeAssetCtx", "candle"}
_GLOBAL = {"allMids", "allDexsAssetCtxs", "fastAssetCtxs"}
_DELISTED = {"name": "MATIC", "szDecimals": 1, "maxLeverage": 20, "isDelisted": True}
_OTHER_DEX = {"name": "xyz:GOLD", "szDecimals": 4, "maxLeverage": 20, "onlyIsolated": True}


class _Request(msgspec.Struct):
    method: str
    subscription: Json = {}


class _Info(msgspec.Struct):
    type: str = ""
    dex: str = ""


class _CoinData(msgspec.Struct):
    coin: str = ""
    s: str = ""


class _Data(msgspec.Struct):
    channel: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")


class _Named(msgspec.Struct):
    name: str


class _Meta(msgspec.Struct):
    universe: list[_Named]


class HyperliquidSession:
    """One connection."""

    def __init__(self, coins: Container[str]) -> None:
        self.keys: set[str] = set()
        self._coins = coins

    def on_client_message(self, text: str, now_us: int) -> Reply:
        """Answer a ping or one subscription; an unknown coin ends the connection."""
        try:
            request = msgspec.json.decode(text, type=_Request)
        except msgspec.DecodeError:
            return _error(f"Error parsing JSON into valid websocket request: {text[:200]}")
        if request.method == "ping":
            return Reply((b'{"channel":"pong"}',))
        kind, coin = request.subscription.get("type"), request.subscription.get("coin", "")
        known = kind in _GLOBAL or (kind in _BY_COIN and isinstance(coin, str))
        if request.method not in ("subscribe", "unsubscribe") or not known:
            return _error(f"Error parsing JSON into valid websocket request: {text[:200]}")
        if kind in _BY_COIN and coin not in self._coins:
            return Reply(close=ABORT)
        return self._apply(request, f"{kind}:{coin}")

    def render(self, frame: Frame) -> bytes:
        """Frames are the same for every connection."""
        return frame.data

    def _apply(self, request: _Request, key: str) -> Reply:
        shown = msgspec.json.encode(request.subscription).decode()
        body = {"method": request.method, "subscription": request.subscription}
        ack = msgspec.json.encode({"channel": "subscriptionResponse", "data": body})
        if request.method == "unsubscribe":
            if key not in self.keys:
                return _error(f"Already unsubscribed: {shown}")
            self.keys.discard(key)
            return Reply((ack,))
        if key in self.keys:
            return _error(f"Already subscribed: {shown}")
        self.keys.add(key)
        return Reply((ack,), (key,))


class HyperliquidDialect:
    """Perpetuals of the first dex (`hyperliquid.perp`)."""

    pings = None
    idle = Idle(_SILENT_SECONDS, 1000, counts_received=False)

    def __init__(
        self, feed: str, instruments: Sequence[SimInstrument], metadata: Mapping[str, bytes]
    ) -> None:
        self.feed = feed
        self._instruments = tuple(instruments)
        self._metadata = metadata
        self._coins = {item.symbol for item in instruments} | {str(_DELISTED["name"])}
        for body in metadata.values():
            self._coins.update(item.name for item in msgspec.json.decode(body, type=_Meta).universe)
        self._recent = {item.symbol: deque[str](maxlen=REPLAYED_ROWS) for item in self._instruments}

    def open(self, path: str, query: str) -> tuple[HyperliquidSession, Reply] | None:
        """Begin a conversation."""
        return (HyperliquidSession(self._coins), Reply()) if path == "/ws" else None

    def encode(self, trades: Sequence[SimTrade], wanted: Container[str]) -> list[Frame]:
        """Write `trades` frames, one a coin, and remember the newest rows for replay."""
        by_coin: dict[str, list[str]] = {}
        for trade in trades:
            by_coin.setdefault(trade.instrument.symbol, []).extend(_rows(trade))
        frames = []
        for coin, rows in by_coin.items():
            self._recent[coin].extend(rows)
            if (key := f"trades:{coin}") in wanted:
                frames.append(Frame(key, _envelope(rows)))
        return frames

    def first_frame(self, key: str) -> bytes | None:
        """Replay the newest trades, without a word that they are old."""
        kind, _, coin = key.partition(":")
        rows = self._recent.get(coin) if kind == "trades" else None
        return _envelope(rows) if rows else None

    def keys_of(self, frame: bytes) -> tuple[str, ...]:
        """Read channel and coin of a data frame."""
        try:
            message = msgspec.json.decode(frame, type=_Data)
            coin = _coin_of(message)
        except msgspec.DecodeError:
            return ()
        return (f"{message.channel}:{coin}",) if coin else ()

    def rest(self, request: RestRequest) -> RestReply:
        """Serve the metadata of `POST /info`."""
        try:
            info = msgspec.json.decode(request.body, type=_Info)
        except msgspec.DecodeError:
            return RestReply(b"Failed to deserialize the JSON body into the target type", 422)
        if (request.method, request.path) != ("POST", "/info"):
            return RestReply(b"", 404)
        if info.type == "meta" and not info.dex and "meta" in self._metadata:
            return RestReply(self._metadata["meta"])
        body = self._info(info)
        if body is None:
            return RestReply(b"Failed to deserialize the JSON body into the target type", 422)
        return RestReply(msgspec.json.encode(body))

    def metadata_name(self, request: RestRequest) -> str | None:
        """Name the metadata of the first dex; recordings keep the answer, not the question."""
        return "meta" if request.path == "/info" and b'"universe"' in request.body else None

    def owns(self, url: str) -> bool:
        """Everything is on one host."""
        return not url or "hyperliquid" in url

    def _info(self, info: _Info) -> object:
        other = {"universe": [_OTHER_DEX], "marginTables": [], "collateralToken": 0}
        listed: list[Json] = [
            {"name": item.symbol, "szDecimals": item.qty_decimals, "maxLeverage": 40}
            for item in self._instruments
        ]
        first = {"universe": [*listed, _DELISTED], "marginTables": [], "collateralToken": 0}
        match info.type, info.dex:
            case "meta", "":
                return first
            case "meta", "xyz":
                return other
            case "allPerpMetas", _:
                return [first, other]
            case "perpDexs", _:
                return [None, {"name": "xyz", "fullName": "XYZ"}]
            case _:
                return None


def _error(text: str) -> Reply:
    return Reply((msgspec.json.encode({"channel": "error", "data": text}),))


def _coin_of(message: _Data) -> str:
    if message.channel == "trades":
        rows = msgspec.json.decode(message.data, type=list[_CoinData])
        return rows[0].coin if rows else ""
    if message.channel in ("l2Book", "bbo", "activeAssetCtx"):
        return msgspec.json.decode(message.data, type=_CoinData).coin
    if message.channel == "candle":
        return msgspec.json.decode(message.data, type=_CoinData).s
    return ""


def _rows(trade: SimTrade) -> Iterator[str]:
    item = trade.instrument
    side = "B" if trade.side is Side.BUY else "A"
    price = trimmed(item.price_text(trade.price_ticks), 1)
    tag = blake2b(b"%d" % trade.order_tag, digest_size=32).hexdigest()
    taker = f'"0x{tag[:40]}"'
    for number, lots in enumerate(trade.fills):
        seed = b"%d %d" % (trade.order_tag, trade.first_id + number)
        digest = blake2b(seed, digest_size=27).digest()
        tid = int.from_bytes(digest[:7], "big") >> 6
        maker = f'"0x{digest[7:].hex()}"'
        users = f"{taker},{maker}" if side == "B" else f"{maker},{taker}"
        yield (
            f'{{"coin":"{item.symbol}","hash":"0x{tag}","px":"{price}","side":"{side}",'
            f'"sz":"{trimmed(item.qty_text(lots), 1)}","tid":{tid},"time":{trade.time_ms},'
            f'"users":[{users}]}}'
        )


def _envelope(rows: Sequence[str] | deque[str]) -> bytes:
    return f'{{"channel":"trades","data":[{",".join(rows)}]}}'.encode()
