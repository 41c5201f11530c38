"""Zones that stacked imbalances leave, and levels where an auction is unfinished (definitions 5.3).

A zone is the band `[lowest row, highest row + row)` of one stack of a final one-minute bar that was
complete: of each instrument, all perpetuals and all spot, with the finest rows whose imbalances are
valid. It is `untested`; each later visit makes it `tested`; it is `broken` when a bar of its scope
closes beyond its far edge: below a zone of buys, at or above the upper edge of a zone of sells.

How the definition is read
- A visit is told in steps of a second: a second with a trade inside the zone, after one that traded
  only outside. A zone that its own bar closed in has to be left first. The closing bar that breaks
  a zone may be partial: its close traded.
- A level is the high (low) of a bar with an unfinished auction. It is `untested` until a trade goes
  beyond it, then `traded_through`; a trade at it changes nothing. With rows wider than a tick
  nearly every extreme is unfinished (trap 29): `row_ticks` says how wide they were.
- While the trades of a scope are not complete it may have been visited unseen: from then on `tests`
  is null (`gap`) and `tests_seen` a lower bound.
- A scope keeps a bounded number of zones and of levels for a bounded time; the oldest is `expired`.

Values: `row_ticks`, `rows` and `dominant_lots`, `min_ratio`, `max_ratio` of the stack (a ratio that
has no bound is null), `tests`, `tests_seen`, `close_ticks` of the bar that broke it.

State: at most 64 zones and 64 levels a scope, some 200 bytes each.
"""

from collections.abc import Iterator

import msgspec

from processors.events.bars import base_bars, imbalance_bars, key_of, whole
from processors.events.writer import SIDES, Event, EventWriter, bar_name, event_id
from processors.operator import Output
from processors.operators.footprint import params_hash
from processors.plain import Plain
from processors.scopes import ScopeKey, scope_key
from processors.seconds.presence import stream_of
from processors.seconds.second import MemberSecond, Second
from processors.state import State
from processors.units import AssetUnits
from processors.zones.book import Held, Tape
from schemas.events import EventKind, EventState
from schemas.footprints import FootprintBar, Stack
from schemas.lineage import Status
from schemas.units import US_PER_DAY, US_PER_SECOND

METHOD = "zones/1.0.0"

Members = dict[ScopeKey, list[MemberSecond]]


class ZonesParams(msgspec.Struct, frozen=True, kw_only=True):
    """How many zones and levels (each) a scope keeps, and for how long.

    Raises:
        ValueError: a value below 1.
    """

    most: int = 64
    life_seconds: int = US_PER_DAY // US_PER_SECOND

    def __post_init__(self) -> None:
        if self.most < 1 or self.life_seconds < 1:
            raise ValueError("most and life_seconds must be 1 or more")


class ZonesOperator:
    """All zones and levels of one asset, by scope, the oldest first."""

    name = "zones"

    def __init__(self, units: AssetUnits, params: ZonesParams | None = None) -> None:
        self._given = params or ZonesParams()
        self._life_us = self._given.life_seconds * US_PER_SECOND
        self._held: dict[ScopeKey, list[Held]] = {}
        self._next_us = 0
        self._writer = EventWriter(units, METHOD, params_hash(units, self._given))

    def on_second(self, second: Second) -> list[Output]:
        """Let the trades of a second visit what is held; then its bars break it and make new."""
        jumped = second.start_us != self._next_us
        self._next_us = second.end_us
        members = _by_scope(second)
        outputs: list[Output] = []
        for key in sorted(self._held):
            outputs += self._visit(second, key, members.get(key, []), jumped)
        if second.bars:
            for bar in base_bars(second):
                outputs += self._break(second, bar)
                if whole(bar):
                    outputs += self._levels(second, bar)
            for bar in imbalance_bars(second):
                if whole(bar):
                    outputs += self._zones(second, bar)
            for key in sorted(self._held):
                outputs += self._expire(second, key)
        return outputs

    def _visit(
        self, second: Second, key: ScopeKey, members: list[MemberSecond], jumped: bool
    ) -> Iterator[Output]:
        """Let trades touch the zones and levels of a scope."""
        held = self._held[key]
        streams = [member.trade_stream for member in members]
        if jumped or not streams or any(s is None or not s.complete for s in streams):
            for one in held:
                one.blind = True
        tape = Tape([member.trades for member in members])
        if tape.empty:
            return
        for one in held:
            state = one.touch(tape)
            if state is not None:
                yield self._write(second, key, one, state)
        self._held[key] = [one for one in held if not one.over]

    def _break(self, second: Second, bar: FootprintBar) -> Iterator[Output]:
        """Let a closed bar break the zones of its scope."""
        close = bar.close_ticks
        key = key_of(bar)
        held = self._held.get(key)
        if close is None or not held:
            return
        for one in held:
            if one.kind is EventKind.STACKED_IMBALANCE and one.is_beyond(close):
                one.over = True
                one.values["close_ticks"] = close
                yield self._write(second, key, one, EventState.BROKEN, bar_name(bar))
        self._held[key] = [one for one in held if not one.over]

    # --- new ones

    def _zones(self, second: Second, bar: FootprintBar) -> Iterator[Output]:
        for stack in bar.stacks:
            low, end = stack.low_row_ticks, stack.high_row_ticks + bar.row_ticks
            kind, side = EventKind.STACKED_IMBALANCE, SIDES[stack.side]
            key = key_of(bar)
            inside = bar.close_ticks is not None and low <= bar.close_ticks < end
            yield self._add(
                second,
                bar,
                Held(
                    id=event_id(kind, second.asset, key, bar.bar_start_us, side, low),
                    kind=kind,
                    side=stack.side,
                    low=low,
                    end=end,
                    since_us=bar.bar_end_us,
                    span_us=bar.bar_end_us - bar.bar_start_us,
                    inside=inside,
                    values=_of_stack(stack, bar),
                ),
            )

    def _levels(self, second: Second, bar: FootprintBar) -> Iterator[Output]:
        for side, unfinished, price in (
            (1, bar.unfinished_high, bar.high_ticks),
            (-1, bar.unfinished_low, bar.low_ticks),
        ):
            if unfinished and price is not None:
                kind, key = EventKind.UNFINISHED_AUCTION, key_of(bar)
                yield self._add(
                    second,
                    bar,
                    Held(
                        id=event_id(kind, second.asset, key, bar.bar_start_us, SIDES[side]),
                        kind=kind,
                        side=side,
                        low=price,
                        end=price + 1,
                        since_us=bar.bar_end_us,
                        span_us=bar.bar_end_us - bar.bar_start_us,
                        values={"row_ticks": bar.row_ticks},
                    ),
                )

    def _add(self, second: Second, bar: FootprintBar, new: Held) -> Output:
        new.evidence = bar_name(bar)
        new.venues = bar.completeness.venues_complete
        self._held.setdefault(key_of(bar), []).append(new)
        return self._write(second, key_of(bar), new, EventState.UNTESTED)

    def _expire(self, second: Second, key: ScopeKey) -> Iterator[Output]:
        """Stop following what is too old or too much; zones and levels are counted apart."""
        held = self._held[key]
        for kind in (EventKind.STACKED_IMBALANCE, EventKind.UNFINISHED_AUCTION):
            same = [one for one in held if one.kind is kind]
            for place, one in enumerate(same):
                old = second.end_us - one.since_us >= self._life_us
                if old or place < len(same) - self._given.most:
                    one.over = True
                    yield self._write(second, key, one, EventState.EXPIRED)
        self._held[key] = [one for one in held if not one.over]

    def _write(
        self, second: Second, key: ScopeKey, one: Held, state: EventState, *evidence: str
    ) -> Output:
        values = dict(one.values)
        nulls = {} if "rows" not in values else _open_ratios(values)
        if one.kind is EventKind.STACKED_IMBALANCE:
            values["tests_seen"] = one.tests
            values["tests"] = None if one.blind else one.tests
            if one.blind:
                nulls["tests"] = "gap"
        event = Event(
            id=one.id,
            kind=one.kind,
            state=state,
            side=SIDES[one.side],
            key=key,
            span=(one.since_us - one.span_us, one.since_us),
            band=(one.low, one.end),
            status=Status.PARTIAL if one.blind else Status.COMPLETE,
            venues_expected=one.venues,
            venues=one.venues,
            values=values,
            evidence=[one.evidence, *evidence],
            null_reasons=nulls,
        )
        return self._writer.write(second, event)

    # --- state

    def snapshot(self) -> State:
        """Return what is held."""
        rows = [[*key, [one.dump() for one in held]] for key, held in self._held.items()]
        return State([self._next_us, rows], {})

    def restore(self, head: Plain, parts: dict[str, bytes]) -> None:
        """Continue from a snapshot."""
        self._next_us, rows = head
        self._held = {scope_key(row): [Held.load(one) for one in row[3]] for row in rows}

    def keeps(self, part: str) -> bool:
        """Say that there are no parts."""
        return False


def _by_scope(second: Second) -> Members:
    """Return the instruments of every scope that have trades at all."""
    found: Members = {}
    for member in second.members.values():
        if stream_of(member, "trade_stream") is not None:
            found.setdefault(member.key, []).append(member)
            found.setdefault(member.aggregate, []).append(member)
    return found


def _of_stack(stack: Stack, bar: FootprintBar) -> dict[str, int | float | None]:
    return {
        "row_ticks": bar.row_ticks,
        "rows": stack.count,
        "dominant_lots": stack.dominant_lots,
        "min_ratio": stack.min_ratio,
        "max_ratio": stack.max_ratio,
    }


def _open_ratios(values: dict[str, int | float | None]) -> dict[str, str]:
    """Return why ratios are null: they are over an opposite of zero."""
    return {name: "opposite_is_zero" for name in ("min_ratio", "max_ratio") if values[name] is None}
