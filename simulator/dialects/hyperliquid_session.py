"""One connection to Hyperliquid: one subscription a message, wrong coins and arguments fatal.

Source: the venue sheet, sections 1, 4 and 7. Grouped books (`nSigFigs`), candles and the streams
over all coins are acknowledged and silent.
"""

from collections.abc import Container

import msgspec

from simulator.dialects.base import ABORT, Frame, Json, Reply

EXPLORER_KEY = "explorerTxs"
EMPTY_EXPLORER_KEY = "explorerTxs:api"
"""The explorer's stream as the market's address has it: one empty array."""
_BY_COIN = ("trades", "l2Book", "bbo", "activeAssetCtx", "candle")
_GLOBAL = ("allMids", "allDexsAssetCtxs", "fastAssetCtxs")
_SIGNIFICANT_FIGURES = (None, 2, 3, 4, 5)
_MANTISSAS = (None, 1, 2, 5)


class _Request(msgspec.Struct):
    method: str
    subscription: Json = {}


class HyperliquidSession:
    """One connection to the market's streams, or to those of the explorer.

    Args:
        coins: what may be subscribed; any other name ends the connection.
        explorer: whether it is the explorer's address.
    """

    def __init__(self, coins: Container[str], *, explorer: bool = False) -> None:
        self.keys: set[str] = set()
        self._coins = coins
        self._explorer = explorer

    def on_client_message(self, text: str, now_us: int) -> Reply:
        """Answer a ping or one subscription."""
        try:
            request = msgspec.json.decode(text, type=_Request)
        except msgspec.DecodeError:
            return _unreadable(text)
        if request.method == "ping":
            return Reply((b'{"channel":"pong"}',))
        if request.method not in ("subscribe", "unsubscribe") or not self._knows(request):
            return _unreadable(text)
        if self._kills(request.subscription):
            return Reply(close=ABORT)
        return self._apply(request)

    def render(self, frame: Frame) -> bytes:
        """Frames are the same for every connection."""
        return frame.data

    def _knows(self, request: _Request) -> bool:
        subscription = request.subscription
        kind = subscription.get("type")
        if self._explorer or kind == EXPLORER_KEY:
            return kind == EXPLORER_KEY
        if kind in _BY_COIN:
            readable = isinstance(subscription.get("fast", False), bool)
            return readable and isinstance(subscription.get("coin"), str)
        return kind in _GLOBAL

    def _kills(self, subscription: Json) -> bool:
        if subscription["type"] not in _BY_COIN:
            return False
        figures, mantissa = subscription.get("nSigFigs"), subscription.get("mantissa")
        wrong = figures not in _SIGNIFICANT_FIGURES or mantissa not in _MANTISSAS
        alone = mantissa is not None and figures != 5
        return wrong or alone or subscription["coin"] not in self._coins

    def _apply(self, request: _Request) -> Reply:
        filled = _filled(request.subscription)
        key = self._key(filled)
        body = {"method": request.method, "subscription": filled}
        ack = msgspec.json.encode({"channel": "subscriptionResponse", "data": body})
        shown = msgspec.json.encode(filled).decode()
        if request.method == "unsubscribe":
            if key not in self.keys:
                return _error(f"Already unsubscribed: {shown}")
            self.keys.discard(key)
            return Reply((ack,))
        if key in self.keys:
            return _error(f"Already subscribed: {shown}")
        self.keys.add(key)
        return Reply((ack,), (key,))

    def _key(self, subscription: Json) -> str:
        kind, coin = subscription["type"], subscription.get("coin", "")
        if kind == EXPLORER_KEY:
            return EXPLORER_KEY if self._explorer else EMPTY_EXPLORER_KEY
        if kind == "l2Book" and subscription["nSigFigs"] is not None:
            group = f"{subscription['nSigFigs']}.{subscription['mantissa']}"
            return f"l2BookGrouped{group}:{coin}"
        if kind == "candle":
            return f"candle{subscription.get('interval', '')}:{coin}"
        return f"l2BookFast:{coin}" if subscription.get("fast") else f"{kind}:{coin}"


def _filled(subscription: Json) -> Json:
    """Return a subscription as it is acknowledged: with the defaults of what it left out."""
    if subscription["type"] != "l2Book":
        return subscription
    return {
        "type": "l2Book",
        "coin": subscription["coin"],
        "nSigFigs": subscription.get("nSigFigs"),
        "mantissa": subscription.get("mantissa"),
        "fast": subscription.get("fast", False),
    }


def _unreadable(text: str) -> Reply:
    return _error(f"Error parsing JSON into valid websocket request: {text[:200]}")


def _error(text: str) -> Reply:
    return Reply((msgspec.json.encode({"channel": "error", "data": text}),))
