"""One liquidated side of an asset: its windows, its state machine, and the cascade that is on."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from processors.cascade.baseline import Baseline
from processors.cascade.context import depth_of, interest_of
from processors.cascade.machine import CascadeMachine, Inputs, Transition
from processors.cascade.params import CascadeParams
from processors.cascade.tape import NO_FLOW, Flow, Tape
from processors.cascade.venues import Part, load_parts
from processors.cascade.watch import Watch
from processors.cascade.windows import LiquidationWindow, greatest_l10
from processors.measures.levels import HOLDING, LevelSource
from processors.plain import Plain
from processors.seconds.presence import Window, stream_of
from processors.seconds.second import Liquidation, MemberSecond, Second
from schemas.cascades import CascadeBar, CascadeLevel, CascadeState
from schemas.liquidations import LiquidatedSide
from schemas.units import US_PER_MINUTE, US_PER_SECOND, round_half_even


class Scene(NamedTuple):
    """What both sides see of one second; prices are those of the reference instrument."""

    second: Second
    perps: list[MemberSecond]
    flows: Mapping[str, Flow]
    tapes: Mapping[str, Tape]
    watch: Watch
    baseline: Baseline
    reference: str | None
    bar: CascadeBar | None
    suspended: str
    lot: str
    levels: LevelSource | None = None

    def known(self, sign: int) -> list[CascadeLevel]:
        """Return the known levels of the reference instrument as a rise (1) or a fall crosses them.

        Taken at BUILDING: a naked POC is gone from its source with the trade that goes through it.
        """
        name = self.reference
        if self.levels is None or name is None:
            return []
        return [
            CascadeLevel(
                level.kind.value,
                level.high_ticks - 1 if sign > 0 else level.low_ticks,
                level.since_us,
            )
            for level in self.levels.levels(self.second.members[name].key)
            if level.kind in HOLDING
        ]


class Seen(NamedTuple):
    """What one side made of a second: the inputs, and what they came from."""

    inputs: Inputs
    p99: int | None
    ages: Mapping[str, int]


class CascadeSide:
    """One side of one asset; `per_cent` ticks x lots are one hundredth of the quote.

    Holds the episodes of two minutes of every instrument and, while a cascade is on, one record of
    each of them.
    """

    def __init__(
        self,
        asset: str,
        side: LiquidatedSide,
        params: CascadeParams,
        per_cent: int,
        state: Plain = None,
    ) -> None:
        self.side, self.sign, self._per_cent = side, -int(side), per_cent
        self._params, self.floor = params, params.floor_usd_cents(asset)
        machine, windows, parts, depth, told, self.p99, self._next_us, known = state or (
            None,
            {},
            {},
            {},
            None,
            None,
            0,
            (),
        )
        self._known = [CascadeLevel(*level) for level in known]
        self.machine = CascadeMachine(side, params, machine)
        self._windows = {name: LiquidationWindow(one) for name, one in windows.items()}
        self.parts: dict[str, Part] = load_parts(parts)
        self.depth: dict[str, int] = dict(depth)
        self.told = Window("liquidation_stream", told)

    p99: int | None
    _next_us: int

    @property
    def pinned(self) -> bool:
        """Whether a cascade is on, whose prices must stay those of one instrument."""
        return self.machine.event is not None

    def take(self, name: str, rows: Sequence[Liquidation]) -> int:
        """Take the rows of one instrument and this side in; return their sum in ticks x lots."""
        window = self._windows.get(name)
        if window is None:
            window = self._windows[name] = LiquidationWindow()
        for row in rows:
            window.take(row.time_us, row.notional)
        return sum(row.notional for row in rows)

    def step(self, scene: Scene, sums: Mapping[str, int]) -> tuple[Transition | None, Seen]:
        """Let the state machine see a second whose rows have been taken in.

        Args:
            scene: the second.
            sums: of the liquidations of this side in it, by instrument, in ticks x lots.
        """
        second = scene.second
        for window in self._windows.values():
            window.advance(second.end_us)
        if self.pinned:
            self._add_to_parts(scene, sums)
        if self.machine.state is not CascadeState.IDLE:
            self._note_told(second)
        self._next_us = second.end_us
        seen = self._look(scene)
        transition = self.machine.step(seen.inputs)
        if transition is not None and transition.previous is CascadeState.IDLE:
            self._begin(scene, seen, transition)
        return transition, seen

    def close(self) -> None:
        """Forget the cascade, once its last record is made."""
        if self.machine.state is CascadeState.IDLE:
            self.parts, self.depth, self._known = {}, {}, []
            self.p99 = None

    # --- inputs

    def _look(self, scene: Scene) -> Seen:
        """Gather the inputs; what costs time only where it can matter."""
        second, windows, event = scene.second, self._windows.values(), self.machine.event
        tape = None if scene.reference is None else scene.tapes[scene.reference]
        l60 = self._cents(sum(window.l60 for window in windows))
        near = l60 >= self.floor
        flow = NO_FLOW if scene.reference is None else scene.flows.get(scene.reference, NO_FLOW)
        interest: Mapping[str, int] = {}
        ages: Mapping[str, int] = {}
        if event is not None or near or self.machine.state is not CascadeState.IDLE:
            age_seconds = self._params.interest_age_seconds
            interest, ages = interest_of(scene.perps, scene.lot, second.end_us, age_seconds)
        p99 = self.p99
        if event is None:
            p99 = scene.baseline.p99(scene.watch.telling(), self.side) if near else None
        inputs = Inputs(
            time_us=second.end_us,
            l10=self._cents(sum(window.l10 for window in windows)),
            l60=l60,
            episodes60=sum(window.episodes60 for window in windows),
            threshold=max(p99 or 0, self.floor) if event is None else event.threshold,
            high=flow.high,
            low=flow.low,
            last=None if tape is None else tape.last,
            true_ranges=None if tape is None else tape.true_ranges(second.end_us),
            interest=interest,
            flow60=0 if tape is None else tape.flow60(self.sign),
            bar=scene.bar,
            levels=self._levels(tape) if tape is not None and event is not None else (),
            l10_max60=self._greatest_l10(second.end_us) if event is None and near else 0,
            suspended=scene.suspended,
        )
        return Seen(inputs, p99, ages)

    def _levels(self, tape: Tape) -> list[CascadeLevel]:
        """Return what a move may cross: pivots and days of the tape, levels known at BUILDING."""
        return tape.levels(self.sign) + self._known

    def _greatest_l10(self, end_us: int) -> int:
        episodes = [one for window in self._windows.values() for one in window.episodes()]
        return self._cents(greatest_l10(episodes, end_us))

    def _cents(self, notional: int) -> int:
        return round_half_even(notional, self._per_cent)

    # --- the cascade that is on

    def _begin(self, scene: Scene, seen: Seen, transition: Transition) -> None:
        """Begin to measure; the minute that led to BUILDING is part of it."""
        self.told = Window("liquidation_stream")
        self.told.add(scene.second)
        if transition.event is None:
            return
        self.p99 = seen.p99
        self._known = scene.known(self.sign)
        self.depth = depth_of(scene.perps, self.sign, self._params.depth_band_bp)
        for name in scene.watch.states:
            tape, window = scene.tapes[name], self._windows.get(name)
            self.parts[name] = Part(
                episodes=0 if window is None else window.episodes60,
                notional=0 if window is None else window.l60,
                closing=tape.closing60(self.sign),
                traded=tape.traded,
                p99=scene.baseline.p99((name,), self.side),
            )
            self._find_onset(name, transition.start_us)

    def _add_to_parts(self, scene: Scene, sums: Mapping[str, int]) -> None:
        jumped = scene.second.start_us != self._next_us
        start_us = self.machine.start_us
        for member in scene.perps:
            name = member.name
            if name not in scene.watch.states and name not in self.parts:
                continue
            part = self.parts.setdefault(name, Part())
            stream = stream_of(member, "trade_stream")
            if jumped or stream is None or not stream.complete:
                part.traded = False
            part.closing += scene.flows[name].closing(self.sign)
            if name in sums:
                part.notional += sums[name]
                part.episodes += self._windows[name].episodes_since(scene.second.start_us)
                self._find_onset(name, start_us)

    def _find_onset(self, name: str, start_us: int) -> None:
        part, window = self.parts[name], self._windows.get(name)
        if part.onset_us is None and part.p99 is not None and window is not None:
            limit = part.p99 * self._per_cent
            part.onset_us = window.onset(limit, start_us - US_PER_MINUTE)

    def _note_told(self, second: Second) -> None:
        if self._next_us and second.start_us > self._next_us:
            self.told.skip((second.start_us - self._next_us) // US_PER_SECOND)
        self.told.add(second)

    def dump(self) -> Plain:
        """Return everything as plain values for a snapshot."""
        windows = {name: window.dump() for name, window in self._windows.items()}
        parts = {
            name: {field: getattr(part, field) for field in part.__struct_fields__}
            for name, part in self.parts.items()
        }
        event = [parts, self.depth, self.told.dump(), self.p99]
        known = [[level.kind, level.ticks, level.known_us] for level in self._known]
        return [self.machine.dump(), windows, *event, self._next_us, known]
