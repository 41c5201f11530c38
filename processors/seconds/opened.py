"""A second that is not over yet: what came of it so far."""

from dataclasses import dataclass, field

import msgspec

from processors.operator import Cause
from processors.plain import Plain
from processors.seconds.second import BookView, Liquidation
from processors.trades import Trade
from schemas.tickers import TickerBatch

Place = tuple[str, int]
"""A topic and its partition."""

_Others = tuple[dict[str, list[BookView]], dict[str, list[Liquidation]], dict[str, TickerBatch]]


@dataclass(slots=True)
class OpenSecond:
    """A second that is not over: what came of it, by instrument."""

    trades: dict[str, list[Trade]] = field(default_factory=dict)
    taken_over: dict[str, int] = field(default_factory=dict)
    books: dict[str, list[BookView]] = field(default_factory=dict)
    liquidations: dict[str, list[Liquidation]] = field(default_factory=dict)
    tickers: dict[str, TickerBatch] = field(default_factory=dict)
    offsets: dict[Place, list[int]] = field(default_factory=dict)

    def dump(self) -> Plain:
        """Return everything as plain values for a snapshot."""
        return [
            self.trades,
            self.taken_over,
            msgspec.to_builtins([self.books, self.liquidations, self.tickers]),
            [[*place, *span] for place, span in self.offsets.items()],
        ]

    @classmethod
    def load(cls, values: Plain) -> "OpenSecond":
        """Return what `dump` was taken of."""
        trades, taken_over, others, offsets = values
        books, liquidations, tickers = msgspec.convert(others, _Others)
        return cls(
            {name: [_trade(one) for one in of] for name, of in trades.items()},
            taken_over,
            books,
            liquidations,
            tickers,
            {(topic, partition): span for topic, partition, *span in offsets},
        )

    def note(self, cause: Cause) -> None:
        """Note that a record has something of this second."""
        span = self.offsets.setdefault((cause.topic, cause.partition), [cause.offset] * 2)
        span[0], span[1] = min(span[0], cause.offset), max(span[1], cause.offset)


def _trade(values: Plain) -> Trade:
    time_us, member, rank, price, qty, side = values
    return (time_us, member, rank, price, qty, side)
