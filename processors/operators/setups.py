"""The five setups of one asset, each by bars of one and of five minutes.

Rules are written for longs, each in a file of `processors.setups`; shorts see everything upside
down. What all of them share is in `processors.setups.life`. This hands rules what they look at.

Prices are of one tape. Absorption at a level is judged on every perpetual by itself; a sweep on the
reference of its cascade; divergence and breakout on the reference instrument, which is the
perpetual that traded most in the last hour of bars without a hole (of equals the first by name). A
setup that has begun stays on its instrument. One instrument is a constant composition by itself, so
a setup is suspended by a partial bar of its own tape, and not by another venue's (definitions 5.0,
`agg_common`). A hole in the seconds suspends all.

State: per perpetual and variant 61 bars and 241 deltas (`processors.setups.track`), and at most
eight setups; for 7 perpetuals below 200 kB.
"""

from collections.abc import Iterator, Sequence
from functools import partial

from processors.events.bars import bars_of, key_of, whole
from processors.events.writer import scope_name
from processors.measures.levels import LevelSource
from processors.operator import Output
from processors.plain import Plain
from processors.scopes import PERP, ScopeKey
from processors.seconds.presence import stream_of
from processors.seconds.second import Second
from processors.setups.absorption import AbsorptionAtLevel
from processors.setups.breakout import BreakoutWithDelta
from processors.setups.candle import Closed, closed_of
from processors.setups.conviction import SpotPerpConviction, weight_of
from processors.setups.divergence import DeltaDivergence
from processors.setups.heard import Heard
from processors.setups.leaders import Leaders
from processors.setups.life import (
    OVER,
    SUSPENDED,
    Change,
    Life,
    Move,
    Rule,
    change,
    close,
    dump,
    load,
)
from processors.setups.params import DEFAULT, SetupParams
from processors.setups.record import VARIANTS, Experience, SetupWriter, SlotKey
from processors.setups.sight import Sight
from processors.setups.sweep import SweepAndReclaim
from processors.setups.track import Track
from processors.state import State
from processors.units import AssetUnits
from schemas.events import FlowEvent
from schemas.lineage import Status
from schemas.market import Scope
from schemas.setups import SetupKind
from schemas.units import US_PER_SECOND

SIGNS = (1, -1)
_BASE = min(VARIANTS)


class SetupsOperator:
    """All setups of one asset.

    Args:
        asset: its name.
        units: its grids.
        levels: who knows the levels of an instrument.
        experience: who knows what setups were worth; without it all are experimental.
        params: of the setups.
    """

    name = "setups"

    def __init__(
        self,
        asset: str,
        units: AssetUnits,
        levels: LevelSource,
        experience: Experience | None = None,
        params: SetupParams = DEFAULT,
    ) -> None:
        self._asset, self._levels, self._params = asset, levels, params
        self._writer = SetupWriter(units, params, experience)
        self._absorption = AbsorptionAtLevel(units, params)
        self._conviction = SpotPerpConviction()
        self._rules: tuple[Rule, ...] = (
            self._absorption,
            DeltaDivergence(params),
            SweepAndReclaim(params),
            BreakoutWithDelta(params),
        )
        self._heard = Heard(tuple(seconds * US_PER_SECOND for seconds in VARIANTS))
        self._tracks: dict[tuple[str, int], Track] = {}
        self._lives: dict[SlotKey, Life] = {}
        self._done: dict[SlotKey, str] = {}
        self._leaders = Leaders(params.leader_bars)
        self._next_us = 0

    def on_second(self, second: Second) -> list[Output]:
        """Take one second in; return the states that setups have reached with it."""
        outputs: list[Output] = []
        if second.start_us != self._next_us:
            outputs += self._jump(second)
        self._next_us = second.end_us
        absorptions = self._heard.take(second)
        outputs += self._seconds(second, absorptions)
        for seconds in VARIANTS:
            if second.end_us % (seconds * US_PER_SECOND) == 0:
                outputs += self._close(second, seconds)
        return outputs

    def _jump(self, second: Second) -> Iterator[Output]:
        """Suspend everything after a hole in the seconds: bars over it are none."""
        for track in self._tracks.values():
            track.drop()
        self._leaders.miss()
        for slot, life in list(self._lives.items()):
            if slot.kind is not SetupKind.SPOT_PERP_CONVICTION:
                life.status = Status.PARTIAL
                sight = self._sight(second, slot)
                yield self._write(second, slot, life, change(life, Move(SUSPENDED, "gap"), sight))
                self._keep(slot, life)

    # --- inside bars

    def _seconds(
        self, second: Second, absorptions: dict[ScopeKey, list[FlowEvent]]
    ) -> Iterator[Output]:
        """Let absorption at a level take candidates in, and follow them."""
        rule = self._absorption
        slots = {slot for slot, life in self._lives.items() if rule.waits(life)}
        for key in absorptions:
            slots |= {
                SlotKey(rule.kind, seconds, scope_name(key), sign)
                for seconds in VARIANTS
                for sign in SIGNS
            }
        for slot in sorted(slots):
            member = second.members.get(slot.name)
            if member is None or member.aggregate != PERP:
                continue  # one that is not listed any more ends with the bar that it lacks
            life = self._lives.get(slot, Life())
            events = absorptions.get(member.key, [])
            sight = self._sight(second, slot, events=events)
            move = rule.second(sight, life, member)
            if move is not None:
                over = move.state in OVER
                life.status = Status.PARTIAL if over else life.status
                found = change(life, move, sight, provisional=not over)
                if not over and second.end_us % (slot.seconds * US_PER_SECOND) == 0:
                    life.hushed.append(move.state)
                else:
                    yield self._write(second, slot, life, found)
            self._keep(slot, life)

    # --- bars

    def _close(self, second: Second, seconds: int) -> Iterator[Output]:
        """Let a bar of a variant close on every perpetual."""
        bars = self._take(second, seconds)
        if seconds == _BASE:
            self._leaders.take(
                {name: None if bar is None else bar.usd_cents for name, bar in bars.items()}
            )
            yield from self._convict(second)
        gone = {slot.name for slot in self._lives if slot.name and slot.seconds == seconds}
        for name in sorted(bars.keys() | gone):
            for rule in self._rules:
                for sign in SIGNS:
                    slot = SlotKey(rule.kind, seconds, name, sign)
                    yield from self._live(second, slot, rule, bars.get(name))
        self._heard.forget(seconds * US_PER_SECOND)

    def _take(self, second: Second, seconds: int) -> dict[str, Closed | None]:
        """Take the bars that close in; return those that are whole, None where one is not."""
        found = {key_of(bar): bar for bar in bars_of(second, seconds) if whole(bar)}
        bars: dict[str, Closed | None] = {}
        for name, member in second.members.items():
            if member.aggregate != PERP or stream_of(member, "trade_stream") is None:
                continue
            track = self._tracks.setdefault((name, seconds), Track(name, self._params))
            bars[name] = closed = closed_of(found.get(member.key))
            if closed is None:
                track.drop()
            else:
                track.add(closed.candle)
        for place in [one for one in self._tracks if one[1] == seconds and one[0] not in bars]:
            del self._tracks[place]
        for slot in [one for one in self._done if one.seconds == seconds and one.name not in bars]:
            del self._done[slot]
        return bars

    def _live(
        self, second: Second, slot: SlotKey, rule: Rule, bar: Closed | None
    ) -> Iterator[Output]:
        """Let a bar close for one setup."""
        life = self._lives.get(slot)
        if life is None and bar is None:
            return
        life = life or Life()
        interval_us = slot.seconds * US_PER_SECOND
        sight = self._sight(second, slot, bar=bar, events=self._heard.events[interval_us])
        for found in close(rule, sight, life, self._params.life_bars):
            yield self._write(second, slot, life, found)
        self._keep(slot, life)

    def _convict(self, second: Second) -> Iterator[Output]:
        for sign in SIGNS:
            slot = SlotKey(SetupKind.SPOT_PERP_CONVICTION, _BASE, "", sign)
            life = self._lives.get(slot, Life())
            sight = self._sight(second, slot)
            while life.state not in OVER:
                move = self._conviction.bar(sight, life)
                if move is None:
                    break
                yield self._write(second, slot, life, change(life, move, sight))
            self._keep(slot, life)

    # --- what all of them need

    def _sight(
        self,
        second: Second,
        slot: SlotKey,
        *,
        bar: Closed | None = None,
        events: Sequence[FlowEvent] = (),
    ) -> Sight:
        now_us, interval_us, key = second.end_us, slot.seconds * US_PER_SECOND, _key_of(slot)
        member = second.members.get(slot.name)
        traded = member.trades[-1][3] if member is not None and member.trades else None
        return Sight(
            sign=slot.sign,
            now_us=now_us,
            interval_us=interval_us,
            key=key,
            name=slot.name,
            track=self._tracks.get((slot.name, slot.seconds)) or Track(slot.name, self._params),
            levels=partial(self._levels.levels, key),
            bar=None if bar is None else bar.candle.mirrored(slot.sign),
            bar_evidence="" if bar is None else bar.evidence,
            price=traded if bar is None else bar.candle.close,
            events=events,
            wave=self._heard.waves.get(slot.sign),
            cvd_change=self._heard.cvd_change(now_us, interval_us),
            conviction=self._heard.conviction(now_us),
            leads=slot.name == self._leaders.name,
            done=self._done.get(slot, ""),
        )

    def _keep(self, slot: SlotKey, life: Life) -> None:
        """Hold a setup that goes on; remember what one that is over was of."""
        if life.state is not None and life.state not in OVER:
            self._lives[slot] = life
            return
        self._lives.pop(slot, None)
        if life.state is not None and life.origin:
            self._done[slot] = life.origin

    def _write(self, second: Second, slot: SlotKey, life: Life, found: Change) -> Output:
        weight = weight_of(self._heard.conviction(second.end_us), slot.sign)
        return self._writer.write(second, (slot, _key_of(slot)), life, found, weight)

    # --- state

    def snapshot(self) -> State:
        """Return tracks, setups, and what was heard."""
        head = {
            "next_us": self._next_us,
            "leaders": self._leaders.dump(),
            "heard": self._heard.dump(),
            "tracks": [[*place, track.dump()] for place, track in sorted(self._tracks.items())],
            "lives": [[*slot, dump(life)] for slot, life in sorted(self._lives.items())],
            "done": [[*slot, origin] for slot, origin in sorted(self._done.items())],
        }
        return State(head, {})

    def restore(self, head: Plain, parts: dict[str, bytes]) -> None:
        """Continue from a snapshot."""
        self._next_us = head["next_us"]
        self._leaders.load(head["leaders"])
        self._heard.load(head["heard"])
        for name, seconds, state in head["tracks"]:
            track = self._tracks[name, seconds] = Track(name, self._params)
            track.load(state)
        for kind, seconds, name, sign, state in head["lives"]:
            self._lives[SlotKey(SetupKind(kind), seconds, name, sign)] = load(state)
        for kind, seconds, name, sign, origin in head["done"]:
            self._done[SlotKey(SetupKind(kind), seconds, name, sign)] = origin

    def keeps(self, part: str) -> bool:
        """Say that there are no parts."""
        return False


def _key_of(slot: SlotKey) -> ScopeKey:
    """Return the tape of a slot; that of a conviction is all perpetuals."""
    venue, _, symbol = slot.name.partition(":")
    return ScopeKey(Scope.VENUE, venue, symbol) if slot.name else PERP
