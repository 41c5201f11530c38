"""Bybit's conversation: one acknowledgement a request, at most ten topics of spot in one.

Source: the venue sheet, section 2. Whether one bad topic refuses its whole request is unconfirmed
at the venue; here it does.
"""

from collections.abc import Container

import msgspec

from simulator.dialects.base import Frame, Reply
from simulator.dialects.bybit_books import DEPTHS

MAX_SPOT_ARGS = 10


class _Request(msgspec.Struct):
    op: str = ""
    args: list[str] = []
    req_id: str = ""


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
        if not known or (kind == "orderbook" and middle[0] not in DEPTHS):
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
