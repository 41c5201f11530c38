"""Hyperliquid's trades: a row for each fill, with both wallets and the hash of the taker's order.

Source: the venue sheet, section 3; field order from a recording of 2025-01-26. The wallets of
nobody in particular come from the order's tag.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b

from schemas.market import Side
from simulator.model import SimTrade, trimmed

DELISTED_ROW = (
    '{"coin":"MATIC","hash":"0x' + "d5" * 32 + '","px":"0.3805","side":"A","sz":"26.0",'
    '"tid":611279506717453,"time":1725950400113,'
    '"users":["0x' + "a1" * 20 + '","0x' + "b2" * 20 + '"]}'
)
"""The last trade of a coin that was taken off the list in 2024."""
_HASH_BYTES = 32
_WALLET_DIGITS = 40


@dataclass(frozen=True, slots=True)
class Fill:
    """One match of a print: its quantity, its id and the maker's wallet."""

    lots: int
    tid: int
    maker: str


def hash_of(order_tag: int) -> str:
    """Return the transaction hash of a taker order; all its rows share it."""
    return "0x" + blake2b(b"%d" % order_tag, digest_size=_HASH_BYTES).hexdigest()


def taker_of(trade: SimTrade) -> str:
    """Return the wallet of a taker who is nobody in particular."""
    return hash_of(trade.order_tag)[: 2 + _WALLET_DIGITS]


def wallet(user_tag: int) -> str:
    """Return the wallet of a named owner (160 bits)."""
    return f"0x{user_tag:0{_WALLET_DIGITS}x}"


def fills_of(trade: SimTrade) -> Iterator[Fill]:
    """Return the matches of a print."""
    for number, lots in enumerate(trade.fills):
        seed = b"%d %d" % (trade.order_tag, trade.first_id + number)
        digest = blake2b(seed, digest_size=27).digest()
        yield Fill(lots, int.from_bytes(digest[:7], "big") >> 6, "0x" + digest[7:].hex())


def rows_of(trade: SimTrade, taker: str) -> Iterator[str]:
    """Write the rows of a print."""
    item = trade.instrument
    side = side_of(trade.side)
    price = trimmed(item.price_text(trade.price_ticks), 1)
    transaction = hash_of(trade.order_tag)
    for fill in fills_of(trade):
        buyer, seller = (taker, fill.maker) if side == "B" else (fill.maker, taker)
        yield (
            f'{{"coin":"{item.symbol}","hash":"{transaction}","px":"{price}","side":"{side}",'
            f'"sz":"{trimmed(item.qty_text(fill.lots), 1)}","tid":{fill.tid},'
            f'"time":{trade.time_ms},"users":["{buyer}","{seller}"]}}'
        )


def trades_frame(rows: Iterable[str]) -> bytes:
    """Write rows of one coin as a frame."""
    return f'{{"channel":"trades","data":[{",".join(rows)}]}}'.encode()


def side_of(side: Side) -> str:
    """Return the letter of a side: bid or ask."""
    return "B" if side is Side.BUY else "A"
