"""Exhaustion: the push of one side dries up, in three forms (definitions 5.8).

- `bar`: the exhaustion print of a final one-minute bar with the finest rows (5.3).
- `sequence`: three bars in a row with highs strictly rising, deltas positive and strictly falling,
  the last at most half the first, and the point of control lower and lower in its bar. The mirror
  image for lows: deltas negative and rising, the point of control higher and higher.
- `flow`, of one instrument: the aggressor's rate over ten seconds is at most 30 % of its peak in
  the last 120 s, while every price of these ten seconds is within a quarter of the one-minute ATR
  of the extreme of the 120 s.

How the definition is read
- Only complete bars count, of instruments and of aggregates: of these `all` is then `common`. A
  sequence is of the same instruments from its first bar to its last.
- The point of control stands for the middle of its row, so that both forms mirror each other. A bar
  with high = low has no position.
- ATR is the mean true range of the last 14 minutes, all of them complete
  (`processors.measures.true_range`).
- The flow form needs 129 s without a break: 120 rates of ten seconds. After one of a side, the next
  comes 120 s later at the earliest: what falls stays low for long. A second without trades keeps
  the last price.

`side` is who is exhausted: buys at a high, sells at a low. Values: `row_ticks` of `bar`;
`first_delta_lots`, `last_delta_lots`, `first_poc_position`, `last_poc_position` (from the low) of
`sequence`; `rate_usd_cents`, `peak_usd_cents`, `extreme_ticks`, `distance_ticks`, `atr_ticks` of
`flow`.

State: three bars a scope; per instrument 120 s of rates and 14 true ranges, some ten kilobytes.
"""

from collections import deque
from collections.abc import Iterator

import msgspec

from processors.events.bars import base_bars, key_of, prices_of, whole
from processors.events.writer import SIDES, Event, EventWriter, Values, event_id, name_of_bar
from processors.exhaustion.flow import Flow, Spent
from processors.exhaustion.sequence import Shape, dries_up, follows, shape_of
from processors.measures.shares import Share, check_share
from processors.operator import Output
from processors.operators.footprint import params_hash
from processors.plain import Plain
from processors.scopes import ScopeKey, scope_key
from processors.seconds.second import MemberSecond, Second
from processors.state import State
from processors.units import AssetUnits
from schemas.events import EventKind, EventState
from schemas.footprints import FootprintBar
from schemas.market import Scope
from schemas.units import US_PER_SECOND, round_half_even

METHOD = "exhaustion/1.0.0"


class ExhaustionParams(msgspec.Struct, frozen=True, kw_only=True):
    """What counts as exhaustion.

    - `bars`, `delta_share`: of the sequence form.
    - `rate_seconds`, `peak_seconds`, `rate_share`, `atr_bars`, `atr_share`: of the flow form.

    Raises:
        ValueError: a value that would make the tests meaningless.
    """

    bars: int = 3
    delta_share: Share = (1, 2)
    rate_seconds: int = 10
    peak_seconds: int = 120
    rate_share: Share = (3, 10)
    atr_bars: int = 14
    atr_share: Share = (1, 4)

    def __post_init__(self) -> None:
        for name in ("delta_share", "rate_share", "atr_share"):
            check_share(getattr(self, name), name)
        if self.bars < 2 or self.rate_seconds < 1 or self.atr_bars < 1:
            raise ValueError("bars must be 2 or more, rate_seconds and atr_bars 1 or more")
        if self.peak_seconds < self.rate_seconds:
            raise ValueError("peak_seconds must not be less than rate_seconds")


class ExhaustionOperator:
    """All exhaustion of one asset."""

    name = "exhaustion"

    def __init__(self, units: AssetUnits, params: ExhaustionParams | None = None) -> None:
        self._given = params or ExhaustionParams()
        self._per_cent = units.notional_per_cent
        self._shapes: dict[ScopeKey, deque[Shape]] = {}
        self._flows: dict[str, Flow] = {}
        self._writer = EventWriter(units, METHOD, params_hash(units, self._given))

    def on_second(self, second: Second) -> list[Output]:
        """Take a second and its bars in; return what is exhausted."""
        bars = [bar for bar in base_bars(second) if whole(bar)] if second.bars else []
        for bar in bars:
            self._range(bar)
        outputs: list[Output] = []
        for name, member in second.members.items():
            if member.trade_stream is not None:
                flow = self._flow_of(name)
                complete = member.trade_stream.complete
                flow.take(second.start_us, member.columns if complete else None)
                outputs += self._of_flow(second, member, flow)
        for bar in bars:
            outputs += self._of_bar(second, bar)
            outputs += self._of_sequence(second, bar)
        return outputs

    def _flow_of(self, name: str) -> Flow:
        flow = self._flows.get(name)
        if flow is None:
            flow = self._flows[name] = self._flow()
        return flow

    def _flow(self) -> Flow:
        given = self._given
        return Flow(
            given.rate_seconds,
            given.peak_seconds,
            given.rate_share,
            (given.atr_bars, given.atr_share),
        )

    def _range(self, bar: FootprintBar) -> None:
        """Let a bar of an instrument count for its ATR."""
        if bar.scope is Scope.VENUE:
            flow = self._flow_of(f"{bar.venue}:{bar.symbol}")
            flow.add_bar(bar.bar_start_us, prices_of(bar))

    def _of_bar(self, second: Second, bar: FootprintBar) -> Iterator[Output]:
        for side, found, price in (
            (1, bar.exhaustion_high, bar.high_ticks),
            (-1, bar.exhaustion_low, bar.low_ticks),
        ):
            if found and price is not None:
                what, values = ("bar", side, price), {"row_ticks": bar.row_ticks}
                yield self._bars_event(second, bar, what, [bar.bar_start_us], values)

    def _of_sequence(self, second: Second, bar: FootprintBar) -> Iterator[Output]:
        shapes = self._shapes.setdefault(key_of(bar), deque(maxlen=self._given.bars))
        shape = shape_of(bar)
        if shape is None or (shapes and not follows(shape, shapes[-1])):
            shapes.clear()
        if shape is None:
            return
        shapes.append(shape)
        if len(shapes) < self._given.bars:
            return
        for side in (1, -1):
            if dries_up(shapes, side, self._given.delta_share):
                first, last = shapes[0], shapes[-1]
                values: Values = {
                    "first_delta_lots": first.delta,
                    "last_delta_lots": last.delta,
                    "first_poc_position": first.poc / first.range,
                    "last_poc_position": last.poc / last.range,
                }
                what = ("sequence", side, last.high if side > 0 else last.low)
                starts_us = [one.start_us for one in shapes]
                yield self._bars_event(second, bar, what, starts_us, values)

    def _bars_event(
        self,
        second: Second,
        bar: FootprintBar,
        what: tuple[str, int, int],
        starts_us: list[int],
        values: Values,
    ) -> Output:
        """Write an event of bars.

        Args:
            second: that they end with.
            bar: the last of them.
            what: form, side and price.
            starts_us: of all of them.
            values: what they came to.
        """
        form, side, price = what
        kind, key, word = EventKind.EXHAUSTION, key_of(bar), SIDES[side]
        event = Event(
            id=event_id(kind, second.asset, key, bar.bar_end_us, word, form),
            kind=kind,
            form=form,
            state=EventState.OBSERVED,
            side=word,
            key=key,
            span=(starts_us[0], bar.bar_end_us),
            band=(price, price + 1),
            venues_expected=bar.completeness.venues_expected,
            venues=bar.completeness.venues_complete,
            values=values,
            evidence=[name_of_bar(key, start_us) for start_us in starts_us],
        )
        return self._writer.write(second, event)

    def _of_flow(self, second: Second, member: MemberSecond, flow: Flow) -> Iterator[Output]:
        for side in (1, -1):
            spent = flow.spent(side, second.end_us)
            if spent is not None:
                yield self._flow_event(second, member, side, spent)

    def _flow_event(self, second: Second, member: MemberSecond, side: int, spent: Spent) -> Output:
        kind, word = EventKind.EXHAUSTION, SIDES[side]
        event = Event(
            id=event_id(kind, second.asset, member.key, second.end_us, word, "flow"),
            kind=kind,
            form="flow",
            state=EventState.OBSERVED,
            side=word,
            key=member.key,
            span=(second.end_us - self._given.peak_seconds * US_PER_SECOND, second.end_us),
            band=(spent.extreme, spent.extreme + 1),
            venues_expected=[member.name],
            venues=[member.name],
            values={
                "rate_usd_cents": round_half_even(spent.rate, self._per_cent),
                "peak_usd_cents": round_half_even(spent.peak, self._per_cent),
                "extreme_ticks": spent.extreme,
                "distance_ticks": spent.distance,
                "atr_ticks": spent.average_range[0] / spent.average_range[1],
            },
        )
        return self._writer.write(second, event)

    # --- state

    def snapshot(self) -> State:
        """Return the last bars and seconds."""
        shapes = [[*key, [list(one) for one in rows]] for key, rows in self._shapes.items()]
        return State([shapes, [[name, flow.dump()] for name, flow in self._flows.items()]], {})

    def restore(self, head: Plain, parts: dict[str, bytes]) -> None:
        """Continue from a snapshot."""
        shapes, flows = head
        for row in shapes:
            kept = deque((Shape(*one) for one in row[3]), maxlen=self._given.bars)
            self._shapes[scope_key(row)] = kept
        for name, state in flows:
            flow = self._flows[name] = self._flow()
            flow.load(state)

    def keeps(self, part: str) -> bool:
        """Say that there are no parts."""
        return False
