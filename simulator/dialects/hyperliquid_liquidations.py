"""Forced closings as Hyperliquid shows them: the explorer's transactions and the owners' fills.

Source: the venue sheet, section 7; `liquidate` in the shape of 2025. There is no stream of
liquidations: a transaction's hash is that of the trades it led to.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import blake2b

import msgspec

from schemas.market import Side
from schemas.units import plain
from simulator.dialects.base import Json
from simulator.dialects.hyperliquid_trades import Fill, fills_of, hash_of, side_of, wallet
from simulator.model import SimInstrument, SimLiquidation, SimTrade, trimmed

FILLER_EVERY_US = 300_000
_BLOCK_US = 70_000
_SENDER = "0x" + "00" * 19 + "aa"
_KEPT_CLOSINGS = 1000
_KEPT_PRINTS = 500
_LOSS = Decimal("0.02")
_ORDER_IDS = 10**12


@dataclass
class _Record:
    owner: str
    long: bool
    mark: str
    qty_lots: int = 0
    prints: list[SimTrade] = field(default_factory=list)
    told: bool = False


class HyperliquidLiquidations:
    """The newest 1,000 closing orders with the prints they made, whichever of the two came first.

    An order that swept the book closes its position in parts, a closing for each print.
    """

    def __init__(self) -> None:
        self._records: OrderedDict[int, _Record] = OrderedDict()
        self._prints: deque[SimTrade] = deque(maxlen=_KEPT_PRINTS)

    def take(self, closing: SimLiquidation) -> None:
        """Take a closing in; until it is told of, its mark price is that of its fills."""
        tag = closing.order_tag
        record = self._records.get(tag)
        if record is None:
            price = trimmed(closing.instrument.price_text(closing.price_ticks), 1)
            record = _Record(wallet(closing.user_tag), closing.long, price)
            record.prints += [trade for trade in self._prints if trade.order_tag == tag]
            self._records[tag] = record
        record.qty_lots += closing.qty_lots
        if len(self._records) > _KEPT_CLOSINGS:
            self._records.popitem(last=False)

    def tell(self, order_tag: int, mark: str) -> bool:
        """Say whether an order is told of for the first time: it is one transaction.

        `mark` is the mark price at which it happens, empty where there is none yet.
        """
        record = self._records.get(order_tag)
        if record is None or record.told:
            return False
        record.told = True
        record.mark = mark or record.mark
        return True

    def take_trade(self, trade: SimTrade) -> None:
        """Take a print in."""
        record = self._records.get(trade.order_tag)
        if record is None:
            self._prints.append(trade)
        else:
            record.prints.append(trade)

    def victim_of(self, order_tag: int) -> str | None:
        """Return the wallet whose position an order closed, None where it closed none."""
        record = self._records.get(order_tag)
        return None if record is None else record.owner

    def fills(self, user: str, start_ms: int, end_ms: int) -> list[Json]:
        """Return the fills of a victim, or of a maker it met, oldest first."""
        rows = (row for record in self._records.values() for row in _fills(record, user))
        return [row for row in rows if start_ms <= int(str(row["time"])) <= end_ms]


def filler_frame(slot: int, time_us: int, instruments: tuple[SimInstrument, ...]) -> bytes:
    """Write two orders of nobody in particular, as most of the explorer's transactions are."""
    return msgspec.json.encode([_order(slot, number, time_us, instruments) for number in (0, 1)])


def liquidation_frame(
    closing: SimLiquidation, asset: int, instruments: tuple[SimInstrument, ...]
) -> bytes:
    """Write the transaction of a closing behind another one, asset ids being positions in `meta`.

    It is sent by somebody else than the owner.
    """
    action: Json = {
        "type": "liquidate",
        "user": wallet(closing.user_tag),
        "isCross": True,
        "asset": asset,
        "isBuy": not closing.long,
    }
    other = _order(closing.order_tag, 0, closing.time_us, instruments)
    transaction = _transaction(action, hash_of(closing.order_tag), closing.time_us, _SENDER)
    return msgspec.json.encode([other, transaction])


def _order(seed: int, number: int, time_us: int, instruments: tuple[SimInstrument, ...]) -> Json:
    digest = blake2b(b"explorer %d %d" % (seed, number), digest_size=52).hexdigest()
    asset = int(digest[:2], 16) % max(1, len(instruments))
    order: Json = {
        "a": asset,
        "b": number == 0,
        "p": "1.0",
        "s": "10.0",
        "r": False,
        "t": {"limit": {"tif": "Alo"}},
    }
    action: Json = {"type": "order", "orders": [order], "grouping": "na"}
    return _transaction(action, f"0x{digest[:64]}", time_us, f"0x{digest[64:]}")


def _transaction(action: Json, transaction_hash: str, time_us: int, user: str) -> Json:
    return {
        "action": action,
        "block": time_us // _BLOCK_US,
        "error": None,
        "hash": transaction_hash,
        "time": time_us // 1000,
        "user": user,
    }


def _fills(record: _Record, user: str) -> Iterator[Json]:
    left = record.qty_lots
    for trade in record.prints:
        for fill in fills_of(trade):
            if user == record.owner:
                yield _common(record, trade, fill) | _of_owner(record, trade, fill, left)
            elif user == fill.maker:
                yield _common(record, trade, fill) | _of_maker(record, trade, fill)
            left = max(0, left - fill.lots)


def _of_owner(record: _Record, trade: SimTrade, fill: Fill, held_lots: int) -> Json:
    item = trade.instrument
    held = trimmed(item.qty_text(held_lots), 1)
    lost = _LOSS * fill.lots * item.lot * trade.price_ticks * item.tick
    return {
        "side": side_of(trade.side),
        "startPosition": held if record.long else f"-{held}",
        "dir": f"Liquidated Cross {'Long' if record.long else 'Short'}",
        "closedPnl": trimmed(plain(round(-lost, 6)), 1),
        "oid": trade.order_tag % _ORDER_IDS,
        "crossed": True,
    }


def _of_maker(record: _Record, trade: SimTrade, fill: Fill) -> Json:
    return {
        "side": side_of(Side(-trade.side)),
        "startPosition": "0.0",
        "dir": "Open Long" if record.long else "Open Short",
        "closedPnl": "0.0",
        "oid": fill.tid % _ORDER_IDS,
        "crossed": False,
    }


def _common(record: _Record, trade: SimTrade, fill: Fill) -> Json:
    item = trade.instrument
    return {
        "coin": item.symbol,
        "px": trimmed(item.price_text(trade.price_ticks), 1),
        "sz": trimmed(item.qty_text(fill.lots), 1),
        "time": trade.time_ms,
        "hash": hash_of(trade.order_tag),
        "fee": "0.0",
        "tid": fill.tid,
        "liquidation": {
            "liquidatedUser": record.owner,
            "markPx": record.mark,
            "method": "market",
        },
        "feeToken": "USDC",
    }
