"""OKX's REST answers: instruments, books, trades, funding and open interest.

Source: the venue sheet, sections 3.4, 4.6, 6, 7 and 8. A refusal comes with HTTP 200.
"""

from collections.abc import Mapping, Sequence

import msgspec

from simulator.dialects import okx_metadata
from simulator.dialects.base import Json, RestReply, RestRequest
from simulator.dialects.okx_books import SNAPSHOT_LEVELS, OkxBook
from simulator.dialects.okx_perpetuals import OkxPerpetual
from simulator.dialects.okx_trades import OkxTrades
from simulator.model import SimInstrument

_INTEGER_DIGITS = 18
_TYPES = ("SPOT", "SWAP", "FUTURES", "OPTION")


class _WrongParameterError(Exception):
    """An argument that cannot be read; its name is the exception's text."""


class OkxRest:
    """Answers calls out of what the dialect keeps.

    Args:
        kind: `SWAP` or `SPOT`.
        instruments: what is listed, where no recorded body says so.
        metadata: recorded bodies by the name that `metadata_name` gives them.
        books: the books by instrument.
        trades: the newest prints by instrument.
        perpetuals: the states by instrument, empty for spot.
    """

    def __init__(
        self,
        kind: str,
        instruments: Sequence[SimInstrument],
        metadata: Mapping[str, bytes],
        *,
        books: Mapping[str, OkxBook],
        trades: Mapping[str, OkxTrades],
        perpetuals: Mapping[str, OkxPerpetual],
    ) -> None:
        self._kind = kind
        self._instruments = instruments
        self._metadata = metadata
        self._books = books
        self._trades = trades
        self._perpetuals = perpetuals
        self._calls = {
            "/api/v5/public/instruments": self._list_instruments,
            "/api/v5/public/open-interest": self._interest,
            "/api/v5/public/funding-rate": self._funding,
            "/api/v5/market/books": self._book,
            "/api/v5/market/trades": self._newest_trades,
            "/api/v5/market/history-trades": self._older_trades,
        }

    def answer(self, request: RestRequest) -> RestReply:
        """Answer one call."""
        call = self._calls.get(request.path)
        if call is None or request.method != "GET":
            return RestReply(b'{"code":"404","msg":"Not Found","data":[]}', 404)
        try:
            return RestReply(call(request))
        except _WrongParameterError as error:
            return RestReply(_refusal("51000", f"Parameter {error} error"))

    def _list_instruments(self, request: RestRequest) -> bytes:
        name = metadata_name(request)
        if name in self._metadata:
            return self._metadata[name]
        kind = _type_of(request)
        return _body(okx_metadata.listed(self._instruments, kind) if kind == self._kind else [])

    def _interest(self, request: RestRequest) -> bytes:
        _type_of(request)
        symbol = request.argument("instId")
        if symbol and symbol not in self._perpetuals:
            return _unknown()
        asked = [self._perpetuals[symbol]] if symbol else self._perpetuals.values()
        rows = [perpetual.row("open-interest") for perpetual in asked]
        return _body([row for row in rows if row is not None])

    def _funding(self, request: RestRequest) -> bytes:
        perpetual = self._perpetuals.get(request.argument("instId"))
        if perpetual is None:
            return _unknown()
        row = perpetual.row("funding-rate")
        return _body([] if row is None else [row])

    def _book(self, request: RestRequest) -> bytes:
        book = self._books.get(request.argument("instId"))
        if book is None:
            return _unknown()
        return book.rest(_limit(request, "sz", 1, SNAPSHOT_LEVELS))

    def _newest_trades(self, request: RestRequest) -> bytes:
        trades = self._trades.get(request.argument("instId"))
        return _unknown() if trades is None else trades.newest(_limit(request, "limit", 100, 500))

    def _older_trades(self, request: RestRequest) -> bytes:
        trades = self._trades.get(request.argument("instId"))
        if trades is None:
            return _unknown()
        after, before = _integer(request, "after"), _integer(request, "before")
        limit = _limit(request, "limit", 100, 100)
        match request.argument("type", "1"):
            case "1":
                return trades.by_id(after, before, limit)
            case "2" if before is None:
                return trades.by_time(after, limit)
            case _:
                raise _WrongParameterError("type")


def metadata_name(request: RestRequest) -> str:
    """Name the instruments of the type that a call asks for, empty for other calls."""
    if request.path != "/api/v5/public/instruments":
        return ""
    return f"instruments:{request.argument('instType')}"


def _type_of(request: RestRequest) -> str:
    kind = request.argument("instType")
    if kind not in _TYPES:
        raise _WrongParameterError("instType")
    return kind


def _integer(request: RestRequest, name: str) -> int | None:
    text = request.argument(name)
    if not text:
        return None
    if not text.isdecimal() or len(text) > _INTEGER_DIGITS:
        raise _WrongParameterError(name)
    return int(text)


def _limit(request: RestRequest, name: str, default: int, most: int) -> int:
    number = _integer(request, name)
    if number == 0:
        raise _WrongParameterError(name)
    return default if number is None else min(number, most)


def _body(rows: Sequence[Json]) -> bytes:
    return msgspec.json.encode({"code": "0", "msg": "", "data": rows})


def _refusal(code: str, message: str) -> bytes:
    return msgspec.json.encode({"code": code, "msg": message, "data": []})


def _unknown() -> bytes:
    return _refusal("51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")
