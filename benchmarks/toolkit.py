"""The order-flow toolkit: the engine on all topics of six assets, and what each operator costs.

`benchmarks.toolkit_log` writes the topics of 45 instruments, twice: with a book every 100 ms as
collectors send them, and at 150,000 trades/s and 2,000 books/s of log time, which is what is wanted
of one core. The faster log has fewer seconds to close, and with them fewer records to send, for as
many trades. The first 15 seconds of log are not measured: that long it takes until seconds close.

`limit` decodes the same records and adds the trades to a dict of rows, the least that any
order-flow service must do. All ways take turns every second, so that they see the same machine.

The table is of another run, in which every operator is timed; what is made once for all of them is
in a row of its own, and so is the encoding of the outputs, which the host does. State is the
largest of an asset's snapshots at the end; what bounds it is in the operators' docstrings.

    python -m benchmarks.toolkit
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import msgspec

from benchmarks.toolkit_log import BATCH, US, Written, write_topics
from processors.asset import EngineParams
from processors.engine import Engine
from processors.operator import Output
from processors.scopes import PERP, SPOT
from processors.seconds.second import Second
from runtime.memory import relax_cycle_collection
from schemas.topics import BOOKS, LIQUIDATIONS, TICKERS, TRADES
from schemas.trades import TradeBatch

WARM_UP_SECONDS = 15
LOGS = ((100_000, 20), (22_500, 5))
"""The time between two books of an instrument, and how many seconds are measured."""

WANTED_TRADES = 150_000
WANTED_BOOKS = 2_000
REST = "decoding, identity, joining"


class Clock:
    """Processor seconds and records by name; timed calls do not lie inside one another."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self.records: Counter[str] = Counter()

    def timed(self, name: str, call: Callable[..., list[Output]]) -> Callable[..., list[Output]]:
        """Return the same call, timed."""

        def run(*args: Any) -> list[Output]:
            started = time.process_time()
            made = call(*args)
            self.spent[name] += time.process_time() - started
            self.records[name] += len(made)
            return made

        return run


class Run:
    """One engine over all records: the warm-up, then what is measured."""

    def __init__(self, *, with_toolkit: bool) -> None:
        self.engine = Engine(EngineParams(toolkit=with_toolkit), 1)
        self.process = self.engine.process
        self._offsets: Counter[str] = Counter()

    def over(self, records: Sequence[Written]) -> float:
        """Return the processor seconds of the engine over the next records."""
        offsets, process = self._offsets, self.process
        started = time.process_time()
        for record in records:
            process(record.topic, 0, offsets[record.topic], record.value)
            offsets[record.topic] += 1
        return time.process_time() - started

    def watch(self, clock: Clock) -> None:
        """Let a clock time every operator from now on, and the encoding of what they make."""
        for asset in self.engine.assets:
            for operator in asset.operators:
                for method in ("on_batch", "on_time"):
                    setattr(operator, method, clock.timed(operator.name, getattr(operator, method)))
            share = clock.timed("shared columns", _share)
            for place, one in enumerate(asset.second_operators):
                own = clock.timed(one.name, one.on_second)
                setattr(one, "on_second", _after(share, own) if not place else own)  # noqa: B010
        process, encode = self.engine.process, clock.timed("encoding of outputs", _encode)
        self.process = lambda *record: encode(process(*record))

    def state_bytes(self) -> dict[str, int]:
        """Return the size of each operator's state, of the asset that has the largest."""
        found: dict[str, int] = {}
        for asset in self.engine.assets:
            for name, operator in asset.stateful.items():
                state = operator.snapshot()
                parts = [part for key, part in state.parts.items() if operator.keeps(key)]
                size = len(msgspec.json.encode(state.head)) + sum(map(len, parts))
                found[name] = max(found.get(name, 0), size)
        return found


def _encode(made: list[Output]) -> list[Output]:
    for output in made:
        msgspec.json.encode(output.record)
    return made


def _after(
    share: Callable[..., list[Output]], own: Callable[..., list[Output]]
) -> Callable[[Second], list[Output]]:
    """Have what operators share made before the first of them asks for it."""
    return lambda second: share(second) + own(second)


_SHARED = ("volume", "delta_notionals", "deltas", "traded", "sweep_notionals")


def _share(second: Second) -> list[Output]:
    for member in second.members.values():
        for name in _SHARED:
            getattr(member.columns, name)
    for aggregate in (PERP, SPOT):
        for name in _SHARED[:3]:
            getattr(second.columns(aggregate), name)
    return []


class Limit:
    """Decodes records and adds the trades to a dict of rows."""

    def __init__(self) -> None:
        topics = (TRADES, BOOKS, LIQUIDATIONS, TICKERS)
        self._decode = {one.name: msgspec.json.Decoder(one.record).decode for one in topics}
        self._rows: dict[tuple[str, str, str, int], list[int]] = {}

    def over(self, records: Sequence[Written]) -> float:
        """Return the processor seconds that the next records take."""
        decode, rows = self._decode, self._rows
        started = time.process_time()
        for record in records:
            batch = decode[record.topic](record.value)
            if isinstance(batch, TradeBatch):
                asset, venue, symbol = batch.asset, batch.venue, batch.symbol
                for _, price, qty, side, _, _ in batch.rows:
                    cell = rows.setdefault((asset, venue, symbol, price // 100), [0, 0, 0])
                    cell[side] += qty
        return time.process_time() - started


def by_second(records: Sequence[Written]) -> list[list[Written]]:
    """Return records in pieces of a second of receipt."""
    pieces = groupby(records, lambda record: record.time_us // US)
    return [list(piece) for _, piece in pieces]


def compare(pieces: Sequence[Sequence[Written]], trades: int, books: int) -> None:
    """Print what the whole costs beside its parts: second by second, on the same machine."""
    ways: dict[str, Limit | Run] = {
        "limit": Limit(),
        "footprint and cvd alone": Run(with_toolkit=False),
        "all operators": Run(with_toolkit=True),
    }
    spent = dict.fromkeys(ways, 0.0)
    for place, piece in enumerate(pieces):
        for name, way in ways.items():
            seconds = way.over(piece)
            if place >= WARM_UP_SECONDS:
                spent[name] += seconds
    print(f"{'path':<28}{'trades/s':>10}{'books/s':>9}{'us a trade':>12}{'/limit':>8}")
    for name, seconds in spent.items():
        print(
            f"{name:<28}{trades / seconds:>10,.0f}{books / seconds:>9,.0f}"
            f"{seconds / trades * 1e6:>12.2f}{spent['limit'] / seconds:>8.3f}"
        )
    print(f"{'wanted':<28}{WANTED_TRADES:>10,}{WANTED_BOOKS:>9,}")


def by_operator(pieces: Sequence[Sequence[Written]], trades: int) -> None:
    """Print what each operator costs and holds."""
    clock, run = Clock(), Run(with_toolkit=True)
    for piece in pieces[:WARM_UP_SECONDS]:
        run.over(piece)
    run.watch(clock)
    spent = sum([run.over(piece) for piece in pieces[WARM_UP_SECONDS:]])
    clock.spent[REST] = spent - sum(clock.spent.values())
    states = run.state_bytes()
    print(f"{'operator':<28}{'share':>7}{'us a trade':>12}{'records':>9}{'state':>10}")
    for name, seconds in clock.spent.items():
        size = f"{states[name] / 1e3:,.0f} kB" if name in states else ""
        print(
            f"{name:<28}{seconds / spent:>7.1%}{seconds / trades * 1e6:>12.2f}"
            f"{clock.records[name]:>9,}{size:>10}"
        )


def main() -> None:
    """Print the tables of both logs."""
    for book_us, seconds in LOGS:
        pieces = by_second(write_topics(WARM_UP_SECONDS + seconds, book_us))
        relax_cycle_collection()
        measured = [record for piece in pieces[WARM_UP_SECONDS:] for record in piece]
        trades = sum(record.trades for record in measured)
        books = sum(record.topic == BOOKS.name for record in measured)
        print(
            f"{trades / seconds:,.0f} trades/s in batches of {BATCH} and {books / seconds:,.0f}"
            f" books/s of log time, {seconds} seconds"
        )
        compare(pieces, trades, books)
        by_operator(pieces, trades)


if __name__ == "__main__":
    main()
