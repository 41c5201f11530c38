"""What the market did, from its seed alone, and whether a tape says the same of it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from schemas.books import BookBatch
from schemas.market import Side
from schemas.ops import QualityEvent
from schemas.trades import TradeBatch
from simulator.catalogue import instruments
from simulator.ladder import BookCopy
from simulator.market import ScriptedMarket
from simulator.model import SimBookUpdate, SimInstrument, SimTop, SimTrade

START_US = 1_800_000_000_000_000
SEED = 3
RATE = 4.0
ASSETS = ("BTC", "ETH")
GAPLESS = ("binance.usdm", "binance.spot", "okx.swap", "okx.spot")
"""Feeds whose trade ids have no holes, so that a lost frame is seen."""

_IDS = {
    "binance.usdm": (11_800_000_000_000, 137),
    "binance.spot": (71_000_000_000, 37),
    "bybit.linear": (1, 1),
    "bybit.spot": (1, 1),
    "okx.swap": (10**12, 7),
    "okx.spot": (10**12, 7),
}
"""How the simulator makes update ids of the numbers of a book's updates: base and step."""

_BINANCE_RESTART = 10**9

_Level = tuple[int, int]

Key = tuple[int, Decimal, int]
"""Venue time in milliseconds, price and side: what merged and single fills have in common."""


def symbols_of(feed: str) -> list[str]:
    """Return the venue's symbols of a feed."""
    return [one.symbol for one in instruments(feed, ASSETS)]


class Witness:
    """Everything that the market did up to a time."""

    def __init__(self, until_us: int) -> None:
        market = ScriptedMarket(SEED, ASSETS, START_US, rate=RATE)
        self._prints: dict[tuple[str, str], list[SimTrade]] = defaultdict(list)
        self._books: dict[tuple[str, str], list[SimBookUpdate | SimTop]] = defaultdict(list)
        for event in market.events(until_us, 10**9):
            key = event.instrument.feed, event.instrument.symbol
            if isinstance(event, SimTrade):
                self._prints[key].append(event)
            elif isinstance(event, SimBookUpdate | SimTop):
                self._books[key].append(event)

    def prints(self, feed: str, symbol: str) -> list[SimTrade]:
        """Return what was traded."""
        return self._prints[feed, symbol]

    def wrong_trades(
        self, feed: str, symbol: str, rows: "Rows", excuses: Sequence["Excuse"]
    ) -> list[str]:
        """Return what a tape says too much, too often or too little of.

        Held: from the first trade of the tape to the last, quantity by quantity, what the market
        traded is on the tape once; a deficit is only where an excuse covers it.
        """
        sums = rows.sums
        if not sums:
            return ["nothing traded"]
        first_ms, last_ms = min(sums)[0] + 1, max(sums)[0] - 1
        expected: dict[Key, Decimal] = defaultdict(Decimal)
        ids: dict[Key, list[tuple[int, int]]] = defaultdict(list)
        for trade in self._prints[feed, symbol]:
            key = key_of(trade)
            listed = trade.instrument
            expected[key] += trade.qty_lots * listed.lot * listed.contract
            ids[key].append(ids_of(trade))
        wrong = [f"{name} came twice" for name in rows.repeated]
        for key in sorted(expected.keys() | sums.keys()):
            if not first_ms <= key[0] <= last_ms or sums[key] == expected[key]:
                continue
            if sums[key] > expected[key]:
                wrong.append(f"{key}: {sums[key]} instead of {expected[key]}")
            elif not any(excuse.covers(key[0] * 1000, ids[key]) for excuse in excuses):
                wrong.append(f"{key}: {expected[key] - sums[key]} is missing, ids {ids[key]}")
        return wrong

    def wrong_books(
        self, feed: str, symbol: str, records: Iterable[BookBatch], *, restarted: bool
    ) -> list[str]:
        """Return the valid books that are not the market's at their update id."""
        if feed.startswith("hyperliquid"):
            return list(self._wrong_tops(feed, symbol, records))
        wanted: dict[int, list[BookBatch]] = defaultdict(list)
        numbers = {
            event.time_us // 1000: event.number
            for event in self._books[feed, symbol]
            if isinstance(event, SimBookUpdate)
        }
        for record in records:
            number = _number_of(feed, record, numbers, restarted=restarted)
            wanted[number].append(record)
        wrong: list[str] = []
        copy = BookCopy()
        for event in self._books[feed, symbol]:
            if isinstance(event, SimBookUpdate):
                copy.apply(event)
                for record in wanted.pop(event.number, ()):
                    wrong += _differences(copy, event.instrument, record)
        wrong += [f"no update {number} ({len(of)} records)" for number, of in wanted.items()]
        return wrong

    def _wrong_tops(self, feed: str, symbol: str, records: Iterable[BookBatch]) -> Iterator[str]:
        """Compare best prices where books have no ids: each is a top's or a book's of the time."""
        tops, copy = _Best(), _Best()
        book = BookCopy()
        events = iter(self._books[feed, symbol])
        event = next(events, None)
        for record in sorted(records, key=lambda one: one.event_time_us):
            while event is not None and event.time_us // 1000 <= record.event_time_us // 1000:
                if isinstance(event, SimTop):
                    tops.move(event.time_us, event.bid, event.ask)
                else:
                    book.apply(event)
                    copy.move(event.time_us, book.bids.best(), book.asks.best())
                event = next(events, None)
            ticks, lots = _scale(record, instruments_of(feed)[symbol])
            for number, side in enumerate((record.bids, record.asks)):
                allowed = (
                    tops.at(record.event_time_us)[number] | copy.at(record.event_time_us)[number]
                )
                if tuple(side[0]) not in {(price * ticks, qty * lots) for price, qty in allowed}:
                    yield f"best {side[0]} at {record.event_time_us}, not one of {allowed}"


class _Best:
    """Best prices now and just before, which is what a book of the same moment may still have."""

    def __init__(self) -> None:
        self._time_us = 0
        self._before: tuple[set[_Level], set[_Level]] = (set(), set())
        self._now: tuple[set[_Level], set[_Level]] = (set(), set())

    def move(self, time_us: int, bid: _Level, ask: _Level) -> None:
        """Take new best prices in."""
        if time_us > self._time_us:
            self._before, self._time_us = self._now, time_us
        self._now = {bid}, {ask}

    def at(self, time_us: int) -> tuple[set[_Level], set[_Level]]:
        """Return the bids and asks that may be the best at a time, the newest or just after it."""
        if time_us // 1000 > self._time_us // 1000:
            return self._now
        return self._before[0] | self._now[0], self._before[1] | self._now[1]


class Rows:
    """The trades of one instrument as a tape has them.

    Args:
        batches: of that instrument.
        shift_us: by how much the venue's clock was wrong for a while.
        known: the keys that are right as they are.
    """

    def __init__(
        self, batches: Iterable[TradeBatch], shift_us: int = 0, known: frozenset[Key] = frozenset()
    ) -> None:
        self.sums: dict[Key, Decimal] = defaultdict(Decimal)
        self.repeated: list[tuple[int, int | str]] = []
        seen: set[tuple[int, int | str]] = set()
        for batch in batches:
            for event_time_us, price, qty, side, trade_id, _ in batch.rows:
                if (event_time_us, trade_id) in seen:
                    self.repeated.append((event_time_us, trade_id))
                seen.add((event_time_us, trade_id))
                key = (event_time_us // 1000, price * Decimal(batch.tick), side)
                if shift_us and key not in known:
                    key = ((event_time_us - shift_us) // 1000, *key[1:])
                self.sums[key] += qty * Decimal(batch.lot)


class Excuse:
    """Why trades may be missing: a time (both ends included) and, where known, ids."""

    def __init__(self, from_us: int, to_us: int, ids: tuple[int, int] | None = None) -> None:
        self.from_us, self.to_us, self.ids = from_us, to_us, ids

    def covers(self, time_us: int, ids: Sequence[tuple[int, int]]) -> bool:
        """Say whether trades of a time, one of which has these ids, may be missing."""
        if not self.from_us - 1000 < time_us < self.to_us + 1000:
            return False
        mine = self.ids
        return mine is None or any(mine[0] <= last and first <= mine[1] for first, last in ids)


def excuse(gap: QualityEvent) -> Excuse:
    """Return what a gap on record excuses."""
    if gap.first_id is None or gap.last_id is None:
        return Excuse(gap.from_us, gap.to_us)
    return Excuse(gap.from_us, gap.to_us, (gap.first_id, gap.last_id))


def key_of(trade: SimTrade) -> Key:
    """Return what a print and its fills have in common."""
    side = 1 if trade.side is Side.BUY else -1
    return trade.time_ms, trade.price_ticks * trade.instrument.tick, side


def ids_of(trade: SimTrade) -> tuple[int, int]:
    """Return the first and last id of a print on the trade stream of its feed."""
    if trade.feed == "binance.usdm":
        return trade.print_id, trade.print_id
    return trade.first_id, trade.last_id


def instruments_of(feed: str) -> dict[str, SimInstrument]:
    """Return the instruments of a feed by their symbols."""
    return {one.symbol: one for one in instruments(feed, ASSETS)}


def _number_of(feed: str, record: BookBatch, numbers: dict[int, int], *, restarted: bool) -> int:
    """Return which update of the market a record stands at; after a restart its time tells."""
    base, step = _IDS[feed]
    if feed.startswith("binance"):
        return (record.update_id - base) % _BINANCE_RESTART // step
    if restarted:
        return numbers.get(record.event_time_us // 1000, -1)
    return (record.update_id - base) // step


def _scale(record: BookBatch, listed: SimInstrument) -> tuple[int, int]:
    """Return a record's ticks in one of the market's, and its lots."""
    lots = listed.lot * listed.contract / Decimal(record.lot)
    return int(listed.tick / Decimal(record.tick)), int(lots)


def _differences(copy: BookCopy, listed: SimInstrument, record: BookBatch) -> Iterator[str]:
    ticks, lots = _scale(record, listed)
    for name, mine, theirs in (
        ("bids", record.bids, copy.bids),
        ("asks", record.asks, copy.asks),
    ):
        expected = [(price * ticks, qty * lots) for price, qty in theirs.top(len(mine) or 1)]
        if [tuple(level) for level in mine] != expected:
            at = next((n for n, level in enumerate(expected) if tuple(mine[n]) != level), 0)
            yield f"{name} of update {record.update_id} differ at level {at}"
