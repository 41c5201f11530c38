"""Markets as setups see them: scripted bars, trades and events, written for longs.

Everything is mirrored around `PRICE` for shorts. What is not said is a flat, complete bar and a
second without trades. Minutes and seconds count from noon.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from processors.measures.levels import Level
from processors.operator import Output
from processors.operators.setups import SetupsOperator
from processors.scopes import PERP, ScopeKey
from processors.seconds.second import Second
from processors.setups.params import DEFAULT, SetupParams
from processors.trades import Trade
from schemas.footprints import FootprintBar, Mark, Row
from schemas.lineage import Status
from schemas.setups import SETUPS_TOPIC, SetupKind, SetupRecord
from schemas.units import US_PER_MINUTE, US_PER_SECOND
from tests.processors.known_levels import Said
from tests.processors.operators.footprint_bars import NOON_US, PRICE, ROW, bar, key, stack
from tests.processors.seconds.builders import (
    ASSET,
    BINANCE,
    DOWN,
    LIVE,
    UNITS,
    There,
    member,
    run,
    second,
    trade,
)

NAME = ":".join(BINANCE)
KEY: ScopeKey = key(BINANCE)


@dataclass
class Story:
    """One perpetual; `bars` by the number of the bar of the variant, the rest by second.

    A bar is `(open, high, low, close, delta)` with whatever fields of `Bar` besides.
    """

    sign: int = 1
    seconds: int = 60
    bars: dict[int, "Bar"] = field(default_factory=dict)
    trades: dict[int, list[tuple[int, int, int]]] = field(default_factory=dict)
    told: dict[int, list[msgspec.Struct]] = field(default_factory=dict)
    there: dict[int, There] = field(default_factory=dict)

    def price(self, price: int) -> int:
        """Return a price as it is on this side."""
        return price if self.sign > 0 else 2 * PRICE - price

    def levels(self, *levels: Level) -> Said:
        """Return a source of levels of the instrument, each mirrored."""
        if self.sign > 0:
            return Said(levels, KEY)
        turned = [
            one._replace(
                low_ticks=2 * PRICE - one.high_ticks + 1, high_ticks=2 * PRICE - one.low_ticks + 1
            )
            for one in levels
        ]
        return Said(turned, KEY)

    def until(self, last_bar: int) -> list[Second]:
        """Return the seconds up to the end of a bar."""
        return [self.at(number) for number in range((last_bar + 1) * self.seconds)]

    def at(self, number: int) -> Second:
        """Return a second, with the bars that end with it."""
        there = self.there.get(number, LIVE)
        one = member(BINANCE, trades=self._trades(number) if there[0] else (), there=there)
        made = second(number, one)
        for record in self.told.get(number, []):
            made.events.append(Output("", ASSET, record, made.end_us))
        ends = [size for size in {60, self.seconds} if (number + 1) % size == 0]
        return replace(made, bars=[self._bar(number // size, size) for size in sorted(ends)])

    def _trades(self, number: int) -> list[Trade]:
        return [
            trade(number, self.price(price), qty, side * self.sign, rank=rank, at_us=rank)
            for rank, (price, qty, side) in enumerate(self.trades.get(number, []))
        ]

    def _bar(self, place: int, size: int) -> FootprintBar:
        told = self.bars.get(place, Bar()) if size == self.seconds else Bar()
        start_us = NOON_US + place * size * US_PER_SECOND
        prices = [self.price(price) for price in told.ohlc]
        fields: dict[str, Any] = {
            "interval_seconds": size,
            "bar_start_us": start_us,
            "bar_end_us": start_us + size * US_PER_SECOND,
            "stacks": [
                stack(side * self.sign, PRICE, PRICE + 2 * ROW)
                for side, count in ((1, told.stacks), (-1, told.counter_stacks))
                for _ in range(count)
            ],
            "rows": self._rows(told),
            "buy_usd_cents": 100,
        }
        if told.imbalances is None:
            fields["null_reasons"] = {"rows": "more_rows_than_are_published"}
        opened, high, low, close = prices
        ohlc = (opened, max(high, low), min(high, low), close)
        return bar(
            place,
            ohlc=None if told.quiet else ohlc,
            delta=told.delta * self.sign,
            status=told.status,
            **fields,
        )

    def _rows(self, told: "Bar") -> list[Row]:
        mark = Mark.BUY_IMBALANCE if self.sign > 0 else Mark.SELL_IMBALANCE
        return [
            Row(PRICE + ROW * n, 1, 1, 0, 1, 1, 1, 1, int(mark))
            for n in range(told.imbalances or 0)
        ]


@dataclass
class Bar:
    """One bar, for longs."""

    ohlc: tuple[int, int, int, int] = (PRICE, PRICE, PRICE, PRICE)
    delta: int = 0
    stacks: int = 0
    counter_stacks: int = 0
    imbalances: int | None = 0
    status: Status = Status.COMPLETE
    quiet: bool = False


def closes(price: int, delta: int = 0, **fields: Any) -> Bar:
    """Return a bar that closes at a price and reaches no further."""
    return Bar((price, price, price, price), delta, **fields)


def operator(levels: Said, params: SetupParams = DEFAULT) -> SetupsOperator:
    return SetupsOperator(ASSET, UNITS, levels, params=params)


def records(outputs: Iterable[Output]) -> list[SetupRecord]:
    """Return the records of outputs, each of which must survive its own encoding."""
    found = []
    for output in outputs:
        assert output.topic == SETUPS_TOPIC
        record = output.record
        assert isinstance(record, SetupRecord)
        assert msgspec.json.decode(msgspec.json.encode(record), type=SetupRecord) == record
        assert record.is_final is not record.provisional
        assert record.tick == UNITS.tick
        found.append(record)
    return found


def told(
    story: Story,
    seconds: Sequence[Second],
    levels: Said | None = None,
    *,
    kind: SetupKind,
    params: SetupParams = DEFAULT,
) -> list[SetupRecord]:
    """Return what one setup of the story's variant and side says."""
    found = records(run(operator(levels or story.levels(), params), seconds))
    side = "long" if story.sign > 0 else "short"
    variant = "1m" if story.seconds == 60 else "5m"
    return [one for one in found if (one.setup, one.side, one.variant) == (kind, side, variant)]


def path(found: Sequence[SetupRecord]) -> list[str]:
    """Return the states in order, provisional ones with a question mark."""
    return [one.state.value + "?" * one.provisional for one in found]


def minute_of(record: SetupRecord) -> float:
    """Return when a state was reached, in minutes from noon."""
    return (record.event_time_us - NOON_US) / US_PER_MINUTE


__all__ = ["DOWN", "KEY", "NAME", "NOON_US", "PERP", "PRICE", "ROW"]
