"""Binance's conversation: streams of the address and of SUBSCRIBE, limits, routes that stay silent.

Source: the venue sheet, sections 2 and 3.
"""

import re
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from schemas.units import US_PER_SECOND
from simulator.dialects.base import POLICY, Frame, Reply

MAX_STREAMS = 1024
MICROSECOND = "#us"
"""Ends the key of a stream whose connection asked for times in microseconds."""
_BURST = {"binance.usdm": 15, "binance.spot": 5}
PATH = re.compile(r"/(?:(?P<route>public|market|private)/)?(?P<form>stream|ws)(?P<names>/.*)?")
_PUBLIC_KINDS = ("depth", "bookTicker", "rpiDepth", "trade")


class _Request(msgspec.Struct):
    method: str = ""
    params: list[str | bool] = []
    id: int | str | None = None


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


def _json(body: object) -> bytes:
    return msgspec.json.encode(body)
