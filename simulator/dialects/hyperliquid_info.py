"""Hyperliquid's `POST /info`: metadata, contexts, books, newest trades, funding, users' fills.

Source: the venue sheet, sections 2 to 7. That a coin that does not exist is answered with 500 and
`null` is not in the sheet. Books are not grouped here either. Each market answers for its own
coins alone, and spot has no contexts.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from simulator.dialects.base import Json, RestReply, RestRequest
from simulator.dialects.hyperliquid_books import SLOW, HyperliquidBook
from simulator.dialects.hyperliquid_contexts import DEAD, HyperliquidContext
from simulator.dialects.hyperliquid_liquidations import HyperliquidLiquidations
from simulator.dialects.hyperliquid_spot import spot_meta
from simulator.model import SimInstrument

DELISTED: Json = {"name": "MATIC", "szDecimals": 1, "maxLeverage": 20, "isDelisted": True}
_OTHER_DEX: Json = {
    "name": "xyz:GOLD",
    "szDecimals": 4,
    "maxLeverage": 20,
    "onlyIsolated": True,
}
_UNREADABLE = RestReply(b"Failed to deserialize the JSON body into the target type", 422)
_UNKNOWN_COIN = RestReply(b"null", 500)
_LAST_MS = 2**62


class _Info(msgspec.Struct):
    type: str = ""
    dex: str = ""
    coin: str = ""
    user: str = ""
    startTime: int | None = None  # noqa: N815 - the venue's own name
    endTime: int = _LAST_MS  # noqa: N815


class _Named(msgspec.Struct):
    name: str


class _Meta(msgspec.Struct):
    universe: list[_Named]


class HyperliquidInfo:
    """Answers calls out of what the dialect keeps.

    Args:
        instruments: the coins of the market, where no recorded body lists others.
        metadata: recorded bodies by the name that `Dialect.metadata_name` gives them.
        spot: whether it is the spot market, not the first dex.
        books: the books by coin.
        contexts: the contexts by coin.
        rows: the newest trades by coin, oldest first.
        liquidations: the forced closings.
    """

    def __init__(
        self,
        instruments: Sequence[SimInstrument],
        metadata: Mapping[str, bytes],
        *,
        spot: bool,
        books: Mapping[str, HyperliquidBook],
        contexts: Mapping[str, HyperliquidContext],
        rows: Mapping[str, Sequence[str]],
        liquidations: HyperliquidLiquidations,
    ) -> None:
        self._instruments = instruments
        self._metadata = metadata
        self._books = books
        self._contexts = contexts
        self._rows = rows
        self._liquidations = liquidations
        self._calls: dict[str, Callable[[_Info], RestReply]] = {
            "recentTrades": self._recent_trades,
            "l2Book": self._book,
        }
        self._calls |= {"spotMeta": self._spot_meta} if spot else self._perpetual_calls()

    def answer(self, request: RestRequest) -> RestReply:
        """Answer one call."""
        if (request.method, request.path) != ("POST", "/info"):
            return RestReply(b"", 404)
        try:
            info = msgspec.json.decode(request.body, type=_Info)
        except msgspec.DecodeError:
            return _UNREADABLE
        call = self._calls.get(info.type)
        return _UNREADABLE if call is None else call(info)

    def _perpetual_calls(self) -> dict[str, Callable[[_Info], RestReply]]:
        return {
            "meta": lambda info: self._meta(info.dex),
            "allPerpMetas": lambda info: _json([_meta_of(self._listed()), _meta_of([_OTHER_DEX])]),
            "perpDexs": lambda info: _json([None, {"name": "xyz", "fullName": "XYZ"}]),
            "metaAndAssetCtxs": self._meta_and_contexts,
            "fundingHistory": self._funding_history,
            "userFillsByTime": self._user_fills,
        }

    def _meta(self, dex: str) -> RestReply:
        if dex == "xyz":
            return _json(_meta_of([_OTHER_DEX]))
        if dex:
            return _UNREADABLE
        recorded = self._metadata.get("meta")
        return _json(_meta_of(self._listed())) if recorded is None else RestReply(recorded)

    def _spot_meta(self, _: _Info) -> RestReply:
        recorded = self._metadata.get("spotMeta")
        return _json(spot_meta(self._instruments)) if recorded is None else RestReply(recorded)

    def _meta_and_contexts(self, info: _Info) -> RestReply:
        meta = self._meta(info.dex)
        if meta.status != 200:
            return meta
        contexts = [
            self._contexts[name].body() if name in self._contexts else DEAD
            for name in names_in(meta.body)
        ]
        return _json([msgspec.Raw(meta.body), contexts])

    def _recent_trades(self, info: _Info) -> RestReply:
        rows = self._rows.get(info.coin)
        if rows is None:
            return _UNKNOWN_COIN
        return RestReply(f"[{','.join(reversed(rows))}]".encode())

    def _book(self, info: _Info) -> RestReply:
        book = self._books.get(info.coin)
        if book is None:
            return _UNKNOWN_COIN
        return RestReply(book.snapshot(SLOW.levels, book.copy.time_us).encode())

    def _funding_history(self, info: _Info) -> RestReply:
        if info.startTime is None:
            return _UNREADABLE
        context = self._contexts.get(info.coin)
        if context is None:
            return _UNKNOWN_COIN
        return _json(context.settlements(info.startTime, info.endTime))

    def _user_fills(self, info: _Info) -> RestReply:
        if info.startTime is None or not info.user:
            return _UNREADABLE
        fills = self._liquidations.fills(info.user.lower(), info.startTime, info.endTime)
        return _json(fills)

    def _listed(self) -> list[Json]:
        listed: list[Json] = [
            {"name": item.symbol, "szDecimals": item.qty_decimals, "maxLeverage": 40}
            for item in self._instruments
        ]
        return [*listed, DELISTED]


def names_in(meta: bytes) -> list[str]:
    """Return the coins that a recorded `meta` or `spotMeta` lists.

    Raises:
        msgspec.DecodeError: the body is neither.
    """
    return [item.name for item in msgspec.json.decode(meta, type=_Meta).universe]


def _meta_of(universe: list[Json]) -> Json:
    return {"universe": universe, "marginTables": [], "collateralToken": 0}


def _json(body: object) -> RestReply:
    return RestReply(msgspec.json.encode(body))
