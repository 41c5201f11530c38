"""OKX's trades: prints and fills on the sockets, the newest 20,000 prints for REST.

Source: the venue sheet, section 3. REST is taken to list fills, whose rows have no `count`.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from schemas.market import Side
from simulator.model import SimTrade, trimmed

KEPT_PRINTS = 20_000


def print_frame(trade: SimTrade) -> bytes:
    """Write a print for `trades`, under the id of its last fill."""
    tail = f'"count":"{len(trade.fills)}","source":"{_source(trade)}","seqId":{trade.print_id}'
    return _envelope("trades", trade, _row(trade, trade.last_id, trade.qty_lots, tail))


def fill_frames(trade: SimTrade) -> Iterator[bytes]:
    """Write the fills of a print for `trades-all`, each in a frame."""
    return (_envelope("trades-all", trade, row) for _, row in _fills(trade))


class OkxTrades:
    """The newest prints of one instrument."""

    def __init__(self) -> None:
        self._prints: deque[SimTrade] = deque(maxlen=KEPT_PRINTS)

    def add(self, trade: SimTrade) -> None:
        """Remember a print; the oldest is forgotten."""
        self._prints.append(trade)

    def newest(self, limit: int) -> bytes:
        """Write the answer with the newest fills, newest first."""
        return _answer(islice(self._newest_first(lambda trade: True), limit))

    def by_id(self, after: int | None, before: int | None, limit: int) -> bytes:
        """Write the answer with fills older than one id and newer than another, newest first."""

        def may_fit(trade: SimTrade) -> bool:
            return (after is None or trade.first_id < after) and (
                before is None or trade.last_id > before
            )

        fitting = (
            (number, row)
            for number, row in self._newest_first(may_fit)
            if (after is None or number < after) and (before is None or number > before)
        )
        return _answer(islice(fitting, limit))

    def by_time(self, after_ms: int | None, limit: int) -> bytes:
        """Write the answer with fills older than a time, newest first."""

        def fits(trade: SimTrade) -> bool:
            return after_ms is None or trade.time_ms < after_ms

        return _answer(islice(self._newest_first(fits), limit))

    def _newest_first(self, chosen: Callable[[SimTrade], bool]) -> Iterator[tuple[int, str]]:
        for trade in reversed(self._prints):
            if chosen(trade):
                yield from reversed(list(_fills(trade)))


def _fills(trade: SimTrade) -> Iterator[tuple[int, str]]:
    tail = f'"source":"{_source(trade)}"'
    for number, lots in enumerate(trade.fills, trade.first_id):
        yield number, _row(trade, number, lots, tail)


def _row(trade: SimTrade, trade_id: int, lots: int, tail: str) -> str:
    item = trade.instrument
    side = "buy" if trade.side is Side.BUY else "sell"
    return (
        f'{{"instId":"{item.symbol}","tradeId":"{trade_id}",'
        f'"px":"{trimmed(item.price_text(trade.price_ticks))}",'
        f'"sz":"{trimmed(item.qty_text(lots))}","side":"{side}","ts":"{trade.time_ms}",{tail}}}'
    )


def _envelope(channel: str, trade: SimTrade, row: str) -> bytes:
    arg = f'{{"channel":"{channel}","instId":"{trade.instrument.symbol}"}}'
    return f'{{"arg":{arg},"data":[{row}]}}'.encode()


def _answer(fills: Iterable[tuple[int, str]]) -> bytes:
    return f'{{"code":"0","msg":"","data":[{",".join(row for _, row in fills)}]}}'.encode()


def _source(trade: SimTrade) -> str:
    return "1" if trade.rpi_fills else "0"
