"""The instruments of a recording: from its metadata where it has any, else from its own numbers."""

import re
from collections.abc import Mapping
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

from collectors.symbols import split_symbol
from collectors.venue import Feed, Request
from runtime.errors import ConfigurationError, PayloadError
from schemas.instruments import Instrument, make_instrument
from schemas.market import Kind

_SYMBOL = re.compile(rb'"(?:s|instId|coin)"\s*:\s*"([^"]{1,64})"')
_PRICE = re.compile(rb'"(?:p|px|price)"\s*:\s*"([0-9.]{1,60})"')
_SIZE = re.compile(rb'"(?:q|sz|v|size)"\s*:\s*"([0-9.]{1,60})"')
_LEVEL = re.compile(rb'\["([0-9.]{1,60})","')
_HEAD_BYTES = 300
_PRODUCT_QUERY = ("category", "instType")
MAX_SYMBOLS = 5000


def instruments_from_bodies(feed: Feed, bodies: Mapping[str, bytes]) -> list[Instrument] | None:
    """Read a feed's instruments from recorded REST answers; None where they are not among them."""
    calls = feed.instruments()
    answer: bytes | None = None
    while True:
        try:
            request = next(calls) if answer is None else calls.send(answer)
        except StopIteration as done:
            instruments: list[Instrument] = done.value
            return instruments
        except PayloadError:
            return None
        answer = next((body for url, body in bodies.items() if _answers(feed, request, url)), None)
        if answer is None:
            return None


def _answers(feed: Feed, request: Request, url: str) -> bool:
    if not url or not feed.owns(url):
        return False
    asked, recorded = urlsplit(request.path), urlsplit(url)
    posted = request.body.decode() if request.body is not None else ""
    if asked.path != recorded.path or posted != recorded.fragment:
        return False
    wanted, had = parse_qs(asked.query), parse_qs(recorded.query)
    return all(had.get(key) == wanted.get(key) for key in _PRODUCT_QUERY)


class GridFinder:
    """Finds symbols, and the finest decimals of their prices and quantities, in trade frames.

    Knows only what trades of all venues have in common: a symbol, a price and a size as texts.
    """

    def __init__(self) -> None:
        self._decimals: dict[str, tuple[int, int]] = {}

    @property
    def symbols(self) -> set[str]:
        """Every venue symbol that trades were seen of."""
        return set(self._decimals)

    def look(self, frame: bytes) -> None:
        """Take one frame in, of trades or of a book; what is neither is passed over.

        Works on the bytes: a recording has hundreds of thousands of frames, and this is asked of
        every one that may be a trade, before the parsers read it in earnest.
        """
        if b"[[" in frame:
            self._look_at_levels(frame)
            return
        prices, sizes = _PRICE.findall(frame), _SIZE.findall(frame)
        symbols = _SYMBOL.findall(frame)[-len(prices) :]
        if prices and len(prices) == len(sizes) == len(symbols):
            for symbol, price, size in zip(symbols, prices, sizes, strict=True):
                self._note(symbol.decode("utf-8", "replace"), price.decode(), size.decode())

    def _look_at_levels(self, frame: bytes) -> None:
        """Refine the price grid of a symbol that is known by its trades: books are finer."""
        symbols = _SYMBOL.findall(frame[:_HEAD_BYTES])
        symbol = symbols[0].decode("utf-8", "replace") if symbols else ""
        if symbol in self._decimals:
            before = self._decimals[symbol]
            finest = max(map(_decimals, map(bytes.decode, _LEVEL.findall(frame))), default=0)
            self._decimals[symbol] = (max(before[0], finest), before[1])

    def _note(self, symbol: str, price: str, qty: str) -> None:
        if symbol not in self._decimals and len(self._decimals) >= MAX_SYMBOLS:
            return
        before = self._decimals.get(symbol, (0, 0))
        self._decimals[symbol] = (
            max(before[0], _decimals(price)),
            max(before[1], _decimals(qty)),
        )

    def instruments(self, feed: Feed) -> list[Instrument]:
        """Return an instrument per symbol on the grid that was found.

        Raises:
            ConfigurationError: the feed counts in contracts, whose size only metadata tells.
        """
        if feed.venue == "okx" and feed.kind is not Kind.SPOT:
            raise ConfigurationError(
                "the recording lacks the instruments answer that says how large OKX contracts are"
            )
        found = []
        for symbol, (price_decimals, qty_decimals) in sorted(self._decimals.items()):
            asset, quote = split_symbol(symbol, "USDC" if feed.venue == "hyperliquid" else "USD")
            found.append(
                make_instrument(
                    venue=feed.venue,
                    kind=feed.kind,
                    venue_symbol=symbol,
                    asset=asset,
                    quote=quote,
                    venue_tick=str(Decimal(1).scaleb(-price_decimals)),
                    venue_lot=str(Decimal(1).scaleb(-qty_decimals)),
                )
            )
        return found


def _decimals(text: str) -> int:
    _, _, fraction = text[:60].partition(".")
    return min(len(fraction.rstrip("0")), 18)
