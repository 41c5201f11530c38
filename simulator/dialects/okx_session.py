"""One connection to OKX v5: an acknowledgement for each argument, refusals in its words.

Source: the venue sheet, section 2. `books5`, `books-rpi`, `tickers`, `price-limit`, `instruments`
and `status` are acknowledged and silent.
"""

from collections.abc import Container

import msgspec

from simulator.dialects.base import Frame, Reply

PATHS = {"/ws/v5/public": "public", "/ws/v5/business": "business"}
_CHANNELS = {
    "public": {
        *("trades", "books", "books5", "bbo-tbt", "books-rpi", "tickers", "open-interest"),
        *("funding-rate", "mark-price", "index-tickers", "price-limit", "liquidation-orders"),
        *("instruments", "status"),
    },
    "business": {"trades-all"},
}
_BY_TYPE = {"liquidation-orders", "instruments"}
_TYPES = ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION")


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


def keys_of(frame: bytes) -> tuple[str, ...]:
    """Return the key of a data frame's argument; none for anything else."""
    try:
        data = msgspec.json.decode(frame, type=_Data)
    except msgspec.DecodeError:
        return ()
    return (data.arg.key,) if data.arg is not None and not data.event else ()


class OkxSession:
    """One connection.

    Args:
        route: `public` or `business`.
        symbols: the instruments that there are.
        indices: the indices that there are, as `index-tickers` names them.
        number: which connection of the dialect it is.
    """

    def __init__(
        self, route: str, symbols: Container[str], indices: Container[str], number: int
    ) -> None:
        self.keys: set[str] = set()
        self._channels = _CHANNELS[route]
        self._symbols = symbols
        self._indices = indices
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
            return not arg.instId and arg.instType in _TYPES
        if arg.channel == "index-tickers":
            return arg.instId in self._indices
        return arg.channel == "status" or arg.instId in self._symbols

    def _error(self, request_id: str, code: str, message: str) -> bytes:
        head = {"id": request_id} if request_id else {}
        body = {"event": "error", "code": code, "msg": message, "connId": self._connection}
        return msgspec.json.encode(head | body)


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
