"""Large prints: sweeps that are large in dollars and rare for their instrument (definitions 5.12).

A print is large where its sweep is worth at least a class's dollars and is at or above P99.9 of the
instrument's sweeps over the trailing 24 hours. The classes are 100,000 and 50,000 USD (trap 23:
both are in use); a print is reported once, in the highest class that it reaches. Fills and merged
prints are not comparable between venues, sweeps are (`processors.measures.sweeps`).

The percentile is that of the seconds before: a second's own sweeps count from the next one on. It
moves in slots of ten minutes and is null below `min_samples`; then nothing can be called large. A
sweep whose aggressor is unknown is a print with side `unknown`.

Values: `qty_lots`, `usd_cents`, `vwap_ticks`, `first_price_ticks`, `last_price_ticks`, `levels`,
`fills`, `samples` (sweeps behind the percentile) and `percentile_usd_cents`, which is null where it
lies below the smallest class (`below_smallest_class`) and otherwise accurate to 1/128.

State: per instrument 144 slots of a count and the buckets of sweeps from the smallest class on; a
busy instrument has some hundred of these a slot. Closed slots are parts of snapshots.
"""

import msgspec

from processors.events.writer import SIDES, Event, EventWriter, event_id
from processors.measures.percentile import TrailingTail
from processors.measures.shares import Share, check_share
from processors.measures.sweeps import Sweep, sweep
from processors.operator import Output
from processors.operators.footprint import params_hash
from processors.plain import Plain
from processors.seconds.second import MemberSecond, Second
from processors.state import State, own_parts
from processors.units import AssetUnits
from schemas.events import EventKind, EventState
from schemas.lineage import Status
from schemas.units import US_PER_DAY, US_PER_SECOND, round_half_even

METHOD = "large_print/1.1.0"
SLOT_US = 600 * US_PER_SECOND
SLOTS = US_PER_DAY // SLOT_US


class SweepsParams(msgspec.Struct, frozen=True, kw_only=True):
    """What counts as large.

    - `classes_usd`: least dollars of each class, falling.
    - `percentile`: of the sweeps of 24 h, as a rational number.
    - `min_samples`: sweeps that the percentile needs; below 1,000 the top thousandth is none.

    Raises:
        ValueError: a value that would make the tests meaningless.
    """

    classes_usd: tuple[int, ...] = (100_000, 50_000)
    percentile: Share = (999, 1000)
    min_samples: int = 1000

    def __post_init__(self) -> None:
        check_share(self.percentile, "percentile")
        falling = sorted(set(self.classes_usd), reverse=True)
        if list(self.classes_usd) != falling or not falling or falling[-1] <= 0:
            raise ValueError(f"classes_usd must fall and be above zero, was {self.classes_usd}")
        if self.min_samples < 1:
            raise ValueError(f"min_samples must be 1 or more, was {self.min_samples}")


class SweepsOperator:
    """All large prints of one asset."""

    name = "sweeps"

    def __init__(self, units: AssetUnits, params: SweepsParams | None = None) -> None:
        self._given = params or SweepsParams()
        self._per_cent = units.notional_per_cent
        self._floor = 100 * self._given.classes_usd[-1]
        self._least = self._floor * self._per_cent
        self._tails: dict[str, TrailingTail] = {}
        self._writer = EventWriter(units, METHOD, params_hash(units, self._given))

    def on_second(self, second: Second) -> list[Output]:
        """Take the sweeps of a second in; return its large prints."""
        outputs: list[Output] = []
        for name, member in second.members.items():
            if member.trades:
                outputs += self._take(second, name, member)
        return outputs

    def _take(self, second: Second, name: str, member: MemberSecond) -> list[Output]:
        tail = self._tails.get(name)
        if tail is None:
            tail = self._tails[name] = self._tail()
        tail.move(second.start_us)
        columns = member.columns
        outputs: list[Output] = []
        sizes = []
        for place, notional in enumerate(columns.sweep_notionals):
            if notional >= self._least:
                sizes.append(notional // self._per_cent)
                if tail.reached_by(sizes[-1]):
                    fills = member.trades[slice(*columns.sweep_span(place))]
                    outputs.append(self._print(second, member, sweep(fills), tail))
        tail.add(second.start_us, sizes, smaller=len(columns.sweeps) - len(sizes))
        return outputs

    def _tail(self) -> TrailingTail:
        given = self._given
        return TrailingTail(SLOTS, SLOT_US, given.percentile, given.min_samples, self._floor)

    def _print(
        self, second: Second, member: MemberSecond, large: Sweep, tail: TrailingTail
    ) -> Output:
        side = SIDES[large.side]
        stream = member.trade_stream
        threshold = tail.threshold()
        usd = large.notional // (100 * self._per_cent)
        kind = EventKind.LARGE_PRINT
        name = member.name
        event = Event(
            id=event_id(kind, second.asset, member.key, large.time_us, side, large.first_rank),
            kind=kind,
            form=f"usd_{next(least for least in self._given.classes_usd if usd >= least)}",
            state=EventState.OBSERVED,
            side=side,
            key=member.key,
            span=(large.time_us, large.time_us + 1000 - large.time_us % 1000),
            band=(large.low, large.high + 1),
            status=Status.COMPLETE if stream is not None and stream.complete else Status.PARTIAL,
            venues_expected=[name],
            venues=[name],
            values={
                "qty_lots": large.qty,
                "usd_cents": round_half_even(large.notional, self._per_cent),
                "vwap_ticks": large.notional / large.qty,
                "first_price_ticks": large.first_price,
                "last_price_ticks": large.last_price,
                "levels": large.levels,
                "fills": large.fills,
                "percentile_usd_cents": threshold,
                "samples": tail.samples,
            },
            evidence=[f"trades:{name}:{large.first_rank}-{large.last_rank}"],
            null_reasons=(
                {"percentile_usd_cents": "below_smallest_class"} if threshold is None else {}
            ),
        )
        return self._writer.write(second, event)

    # --- state

    def snapshot(self) -> State:
        """Return the open slots; closed ones go out as parts."""
        parts = {
            f"{name}/{part}": content
            for name, tail in sorted(self._tails.items())
            for part, content in tail.take_parts().items()
        }
        return State([[name, tail.dump()] for name, tail in self._tails.items()], parts)

    def restore(self, head: Plain, parts: dict[str, bytes]) -> None:
        """Continue from a snapshot."""
        owned = own_parts(parts)
        for name, state in head:
            tail = self._tails[name] = self._tail()
            tail.load(state, owned.get(name, {}))

    def keeps(self, part: str) -> bool:
        """Say whether a closed slot is still in the window."""
        name, _, slot = part.rpartition("/")
        tail = self._tails.get(name)
        return tail is None or tail.keeps(slot)
