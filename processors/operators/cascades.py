"""Liquidation cascades of one asset: the state machine of each liquidated side, second by second.

One record per change of state, and one each minute while a side is not idle. What the machine needs
is made here: windows of liquidations over all perpetuals as they were told, the usual minute of the
instruments that are telling, prices of one reference instrument, open interest with its age.

The reference is the perpetual that traded most in the last hour, and stays the same while a cascade
is on. It is one instrument, not a median over venues: levels, extremes and "back through the level"
are about trades of one tape, which a median does not have, and a median moves when a venue goes.
Its flow and minutes are taken for the same reason: another venue's outage cannot look like a turn.
Levels are its pivots and its day's extremes, and those that are known of it at BUILDING.

State: an hour of minutes of every perpetual, the episodes of two minutes, and the blocks of 7 days
(`processors.cascade.baseline`), below 2 MB an asset. Source: definitions 5.10.
"""

from processors.cascade.baseline import Baseline
from processors.cascade.params import DEFAULT, CascadeParams
from processors.cascade.record import CascadeRecorder
from processors.cascade.side import CascadeSide, Scene
from processors.cascade.tape import Flow, Tape
from processors.cascade.watch import Watch
from processors.liquidation.tally import SIDES
from processors.measures.levels import LevelSource
from processors.operator import Output
from processors.plain import Plain
from processors.seconds.second import Liquidation, MemberSecond, Second
from processors.state import State
from processors.units import AssetUnits
from schemas.cascades import CASCADES_TOPIC, CascadeBar, CascadeState
from schemas.liquidations import BACKLOG, LiquidatedSide
from schemas.market import Scope
from schemas.units import US_PER_MINUTE


class CascadeOperator:
    """Both sides of one asset."""

    name = "cascades"

    def __init__(
        self,
        asset: str,
        units: AssetUnits,
        params: CascadeParams = DEFAULT,
        levels: LevelSource | None = None,
    ) -> None:
        self._asset, self._lot, self._params = asset, units.lot, params
        self._per_cent = units.notional_per_cent
        self._levels = levels
        self._recorder = CascadeRecorder(asset, units, params)
        self._sides = [CascadeSide(asset, side, params, self._per_cent) for side in SIDES]
        self._baseline = Baseline(
            params.baseline_days, params.baseline_least_blocks, self._per_cent
        )
        self._watch = Watch(params.stale_seconds)
        self._tapes: dict[str, Tape] = {}
        self._reference: str | None = None

    def on_second(self, second: Second) -> list[Output]:
        """Take one second in; return what has changed with it."""
        perps = [one for one in second.members.values() if one.aggregate.scope is Scope.PERP]
        self._baseline.close(second.start_us)
        for name in self._watch.take(second, perps):
            self._baseline.restart(name)
        flows: dict[str, Flow] = {}
        bars: dict[str, CascadeBar | None] = {}
        for member in perps:
            name = member.name
            tape = self._tapes.get(name)
            if tape is None:
                tape = self._tapes[name] = Tape(self._params)
            flows[name], bars[name] = tape.take(second.start_us, member)
        sums = [self._take_rows(side, perps) for side in self._sides]
        for member in perps:
            self._baseline.take(member, [by_name.get(member.name, 0) for by_name in sums])
        self._choose_reference(second)
        scene = Scene(
            second=second,
            perps=perps,
            flows=flows,
            tapes=self._tapes,
            watch=self._watch,
            baseline=self._baseline,
            reference=self._reference,
            bar=bars.get(self._reference) if self._reference else None,
            suspended=self._watch.suspended(self._reference),
            lot=self._lot,
            levels=self._levels,
        )
        return [
            output
            for side, by_name in zip(self._sides, sums, strict=True)
            for output in self._step(side, scene, by_name)
        ]

    def _take_rows(self, side: CascadeSide, perps: list[MemberSecond]) -> dict[str, int]:
        sums = {}
        for member in perps:
            if member.liquidations and (rows := _counted(member, side.side)):
                sums[member.name] = side.take(member.name, rows)
        return sums

    def _step(self, side: CascadeSide, scene: Scene, sums: dict[str, int]) -> list[Output]:
        transition, seen = side.step(scene, sums)
        end_us = scene.second.end_us
        on = side.machine.state is not CascadeState.IDLE
        if transition is None and not (on and end_us % US_PER_MINUTE == 0):
            return []
        record = self._recorder.record(side, scene, seen, transition)
        side.close()
        return [Output(CASCADES_TOPIC, self._asset, record, end_us)]

    def _choose_reference(self, second: Second) -> None:
        """Take the leading perpetual anew each minute, or at once where its feed is away."""
        if any(side.pinned for side in self._sides):
            return
        current = self._reference
        lost = current is None or not self._watch.priced(current)
        if not lost and second.end_us % US_PER_MINUTE:
            return
        able = [name for name in sorted(self._tapes) if self._watch.priced(name)]
        self._reference = max(able, key=lambda name: self._tapes[name].notional, default=None)

    # --- state

    def snapshot(self) -> State:
        """Return windows, minutes and machines; closed hours of the baseline go out as parts."""
        head = {
            "sides": [side.dump() for side in self._sides],
            "baseline": self._baseline.dump(),
            "watch": self._watch.dump(),
            "tapes": {name: tape.dump() for name, tape in self._tapes.items()},
            "reference": self._reference,
        }
        return State(head, self._baseline.take_parts())

    def restore(self, head: Plain, parts: dict[str, bytes]) -> None:
        """Continue from a snapshot."""
        self._sides = [
            CascadeSide(self._asset, side, self._params, self._per_cent, state)
            for side, state in zip(SIDES, head["sides"], strict=True)
        ]
        self._baseline.load(head["baseline"], parts)
        self._watch = Watch(self._params.stale_seconds, head["watch"])
        self._tapes = {name: Tape(self._params, one) for name, one in head["tapes"].items()}
        self._reference = head["reference"]

    def keeps(self, part: str) -> bool:
        """Say whether a closed hour still counts."""
        return self._baseline.keeps(part)


def _counted(member: MemberSecond, side: LiquidatedSide) -> list[Liquidation]:
    """Return the liquidations of a side that happened now, not those repeated from before."""
    return [row for row in member.liquidations if row.side == side and not row.flags & BACKLOG]
