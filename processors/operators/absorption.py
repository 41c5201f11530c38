"""Absorption: much is sold into one price and it does not give way, or bought (definitions 5.7).

Every second each instrument's last ten seconds are measured for both sides. They are a candidate
where all holds: what the side traded in the band is at or above P95 of 24 h; the adverse move is at
most the width of the band; (side - opposite) / (side + opposite) there is at least 0.6; and the
efficiency, dollars per basis point of move (at least 0.5), is at or above its P95.

How the definition is read
- The trailing percentiles are of windows that do not overlap (one in ten seconds), as those of
  cascades are, of the same instrument, from windows that it was wholly there for and traded in.
  The window that is judged is not among them. 200 samples are needed.
- A rate is what the side traded in ten seconds at all prices, then and now. Delta is of all prices.
- Each side has one open candidate at most; the next one's window begins at or after the end of the
  last one's.
- A break of the trades ends an open candidate as `suspended`: whether it held cannot be known.
- Passive orders live on one venue (trap 28). There is no event of an aggregate; every record says
  how many venues absorb the same side at the moment: theirs is an open candidate, or was confirmed
  and seen in the last minute. Prices of venues stand off by basis, so no band is compared.
- Refill is what traded at the extreme over the largest size displayed there in the window. A book
  that does not change displays what it did.
- A level is known where a source of them is given, of the instrument's own tape; pivots are not in
  it (`processors.absorption.level`). From three touches on it is hit repeatedly.

Values: `usd_cents` (in the band), `dominance`, `move_ticks`, `move_bp`, `efficiency_usd_cents` (per
basis point), `percentile_usd_cents`, `percentile_efficiency_usd_cents`, `samples`, `refill`,
`book_level` (1 the best price; 0 not among the best ones), `rate_usd_cents`; and for the moment
`rate_now_usd_cents`, `delta_lots` (ten seconds each), `venues_absorbing`, `venues_expected`. Of the
level within 3 bp of the extreme: `level_low_ticks`, `level_high_ticks`, `level_distance_bp`,
`level_touches` up to the candidate, with it; its name is the evidence.

State: per instrument the window, and 4 x 8,640 samples of 24 h (0.8 MB) in parts of an hour each.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec

from processors.absorption.episode import Episode, next_state
from processors.absorption.judge import Judge
from processors.absorption.level import LevelMemory
from processors.absorption.window import BP, Reading, Window, band_of, slice_of
from processors.events.bars import base_bars, key_of
from processors.events.writer import SIDES, Event, EventWriter, event_id
from processors.measures.levels import LevelSource
from processors.measures.shares import Share, check_share
from processors.operator import Output
from processors.operators.footprint import params_hash
from processors.plain import Plain
from processors.seconds.presence import members_of
from processors.seconds.second import MemberSecond, Second
from processors.state import State
from processors.units import AssetUnits
from schemas.events import EventKind, EventState
from schemas.lineage import Status
from schemas.units import US_PER_SECOND, round_half_even

METHOD = "absorption/1.2.0"
SELL_AND_BUY = (-1, 1)


class AbsorptionParams(msgspec.Struct, frozen=True, kw_only=True):
    """What counts as absorption.

    - `window_seconds`: W. `width_bp`: least width of the band; a row, where that is more.
    - `percentile`, `min_samples`: of quantity and efficiency over 24 h.
    - `dominance`: least (side - opposite) / (side + opposite).
    - `life_seconds`: how long a candidate may take, and a confirmed one is counted.
    - `fade`: to what share of its rate the side has to fall.
    - `fails_on`: any trade beyond the band, or only the close of a one-minute bar.
    - `book_levels`: how many best levels of the book are remembered for the refill.

    Raises:
        ValueError: a value that would make the tests meaningless.
    """

    window_seconds: int = 10
    width_bp: int = 2
    percentile: Share = (95, 100)
    min_samples: int = 200
    dominance: Share = (3, 5)
    life_seconds: int = 60
    fade: Share = (1, 2)
    fails_on: Literal["trade", "bar"] = "trade"
    book_levels: int = 5

    def __post_init__(self) -> None:
        for name in ("percentile", "dominance", "fade"):
            check_share(getattr(self, name), name)
        for name in ("window_seconds", "width_bp", "min_samples", "life_seconds"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, was {getattr(self, name)}")
        if self.book_levels < 0:
            raise ValueError(f"book_levels must be 0 or more, was {self.book_levels}")


class _Instrument:
    """What is known of one instrument, by side: 1 and -1.

    `seen` are the id and time of a candidate that still counts, `last_us` the time of the last one.
    """

    def __init__(self, units: AssetUnits, params: AbsorptionParams) -> None:
        self.window = Window(params.window_seconds, units.row_ticks, params.width_bp)
        self.judges = {
            side: Judge(
                units.notional_per_cent, params.percentile, params.min_samples, params.dominance
            )
            for side in SELL_AND_BUY
        }
        self.levels = LevelMemory(units.row_ticks, params.width_bp)
        self.next_us = 0
        self.open: dict[int, Episode] = {}
        self.seen: dict[int, tuple[str, int]] = {}
        self.last_us: dict[int, int] = {}


class _Change(NamedTuple):
    """A new state of an event, before it is written."""

    member: MemberSecond
    episode: Episode
    state: EventState


class AbsorptionOperator:
    """All absorption of one asset."""

    name = "absorption"

    def __init__(
        self,
        units: AssetUnits,
        params: AbsorptionParams | None = None,
        levels: LevelSource | None = None,
    ) -> None:
        self._units = units
        self._levels = levels
        self._given = params or AbsorptionParams()
        self._window_us = self._given.window_seconds * US_PER_SECOND
        self._life_us = self._given.life_seconds * US_PER_SECOND
        self._instruments: dict[str, _Instrument] = {}
        self._writer = EventWriter(units, METHOD, params_hash(units, self._given))

    def on_second(self, second: Second) -> list[Output]:
        """Take a second in; return the candidates it makes and what has become of older ones."""
        changes: list[_Change] = []
        for name, member in second.members.items():
            if member.trade_stream is not None:
                instrument = self._instruments.get(name)
                if instrument is None:
                    instrument = _Instrument(self._units, self._given)
                    self._instruments[name] = instrument
                changes += self._take(second, member, instrument)
        return [self._write(second, change) for change in changes]

    def _take(self, second: Second, member: MemberSecond, instrument: _Instrument) -> list[_Change]:
        broken = second.start_us != instrument.next_us
        instrument.next_us = second.end_us
        complete = member.trade_stream is not None and member.trade_stream.complete
        changes: list[_Change] = []
        if broken or not complete:
            instrument.window.clear()
            instrument.levels.miss()
            changes += self._end_all(member, instrument)
        if not complete:
            return changes
        shown = member.books or ([] if member.book is None else [member.book])
        one = slice_of(member.columns, shown, self._given.book_levels)
        instrument.window.push(one)
        if self._levels is not None and instrument.levels.due(second.start_us):
            instrument.levels.renew(second.start_us, self._levels.levels(member.key))
        instrument.levels.take(second.end_us, one.low, one.high)
        changes += self._follow(second, member, instrument)
        if instrument.window.full:
            for side in SELL_AND_BUY:
                changes += self._judge(second, member, instrument, side)
        return changes

    def _end_all(self, member: MemberSecond, instrument: _Instrument) -> list[_Change]:
        """Suspend what is open: nobody knows what happened in the break."""
        gone = [instrument.open[side] for side in SELL_AND_BUY if side in instrument.open]
        instrument.open.clear()
        instrument.seen.clear()
        return [_Change(member, episode, EventState.SUSPENDED) for episode in gone]

    def _follow(
        self, second: Second, member: MemberSecond, instrument: _Instrument
    ) -> list[_Change]:
        changes = []
        now_us, window = second.end_us, instrument.window
        for side in [side for side in SELL_AND_BUY if side in instrument.open]:
            episode = instrument.open[side]
            furthest = self._furthest(second, member, window, side)
            state = next_state(episode, window, furthest, now_us, self._life_us, self._given.fade)
            if state is not None:
                del instrument.open[side]
                changes.append(_Change(member, episode, state))
                if state is not EventState.CONFIRMED:
                    instrument.seen.pop(side, None)
        for side, (_, end_us) in list(instrument.seen.items()):
            if side not in instrument.open and now_us > end_us + self._life_us:
                del instrument.seen[side]
        return changes

    def _furthest(
        self, second: Second, member: MemberSecond, window: Window, side: int
    ) -> int | None:
        """Return the price of a second that a candidate may fail on."""
        if self._given.fails_on == "trade":
            return window.last.low if side < 0 else window.last.high
        bars = [bar for bar in base_bars(second) if key_of(bar) == member.key]
        return bars[0].close_ticks if bars else None

    def _judge(
        self, second: Second, member: MemberSecond, instrument: _Instrument, side: int
    ) -> list[_Change]:
        window, judge, now_us = instrument.window, instrument.judges[side], second.end_us
        due = now_us % self._window_us == 0
        bounds = judge.bounds(now_us)
        began_us = now_us - self._window_us
        free = side not in instrument.open and began_us >= instrument.last_us.get(side, 0)
        possible = free and judge.may_reach(bounds, window.rate(side))
        reading = window.read(side) if due or possible else None
        changes = []
        if reading is not None and possible and judge.absorbs(bounds, reading):
            kind, word = EventKind.ABSORPTION, SIDES[side]
            name = event_id(kind, second.asset, member.key, now_us, word)
            episode = Episode.begin(name, side, now_us, reading)
            values, nulls = self._evidence(window, judge, side, reading)
            values |= {
                "percentile_usd_cents": bounds.notional,
                "percentile_efficiency_usd_cents": bounds.efficiency,
                "samples": bounds.samples,
            }
            episode.values, episode.nulls = values, nulls
            if self._levels is not None:
                there, unknown, episode.evidence = instrument.levels.evidence(reading.extreme)
                episode.values |= there
                episode.nulls |= unknown
            instrument.open[side] = episode
            instrument.seen[side] = (name, now_us)
            instrument.last_us[side] = now_us
            changes.append(_Change(member, episode, EventState.CANDIDATE))
        if reading is not None and due:
            judge.sample(now_us, reading)
        return changes

    def _evidence(
        self, window: Window, judge: Judge, side: int, reading: Reading
    ) -> tuple[dict[str, int | float | None], dict[str, str]]:
        """Return what a candidate rests on, and why a part of that is not known."""
        own, opposite = reading.notional, reading.opposite
        executed, displayed = window.refill(side, reading.extreme)
        depth = window.depth(side, reading.extreme)
        nulls = {} if displayed else {"refill": "never_displayed_there"}
        if depth is None:
            nulls["book_level"] = "no_book"
        values = {
            "usd_cents": judge.cents(own),
            "dominance": (own - opposite) / (own + opposite),
            "move_ticks": reading.move,
            "move_bp": BP * reading.move / reading.first,
            "efficiency_usd_cents": judge.efficiency(reading),
            "refill": executed / displayed if displayed else None,
            "book_level": depth,
            "rate_usd_cents": judge.cents(reading.rate),
        }
        return values, nulls

    def _write(self, second: Second, change: _Change) -> Output:
        member, episode, state = change
        window = self._instruments[member.name].window
        scope = member.aggregate.scope
        expected = [other.name for other in members_of(second, scope, "trade_stream")]
        absorbing = self._absorbing(expected, episode.side)
        nulls = dict(episode.nulls)
        now: dict[str, int | float | None] = {"rate_now_usd_cents": None, "delta_lots": None}
        if state is EventState.SUSPENDED:
            nulls |= dict.fromkeys(now, "gap")
        else:
            per_cent = self._units.notional_per_cent
            now["rate_now_usd_cents"] = round_half_even(window.rate(episode.side), per_cent)
            now["delta_lots"] = window.delta()
        now["venues_absorbing"], now["venues_expected"] = len(absorbing), len(expected)
        event = Event(
            id=episode.id,
            kind=EventKind.ABSORPTION,
            state=state,
            side=SIDES[episode.side],
            key=member.key,
            span=(episode.end_us - self._window_us, episode.end_us),
            band=band_of(episode.side, episode.extreme, episode.width),
            status=Status.PARTIAL if state is EventState.SUSPENDED else Status.COMPLETE,
            venues_expected=expected,
            venues={member.name, *(name for name, _ in absorbing)},
            values=episode.values | now,
            evidence=[
                *episode.evidence,
                *(other for _, other in absorbing if other != episode.id),
            ],
            null_reasons=nulls,
        )
        return self._writer.write(second, event)

    def _absorbing(self, names: Sequence[str], side: int) -> list[tuple[str, str]]:
        """Return who absorbs a side at the moment, and the ids of it."""
        found = []
        for name in names:
            instrument = self._instruments.get(name)
            if instrument is not None and side in instrument.seen:
                found.append((name, instrument.seen[side][0]))
        return found

    # --- state

    def snapshot(self) -> State:
        """Return windows and open events; closed hours of samples go out as parts."""
        rows: list[Plain] = []
        parts: dict[str, bytes] = {}
        for name, instrument in self._instruments.items():
            judges = []
            for side, judge in instrument.judges.items():
                state = judge.snapshot()
                judges.append(state.head)
                parts |= {f"{name}/{side}/{part}": held for part, held in state.parts.items()}
            opened = [episode.dump() for episode in instrument.open.values()]
            seen = [[side, *what] for side, what in instrument.seen.items()]
            last_us = list(instrument.last_us.items())
            window = instrument.window.dump()
            levels = instrument.levels.dump()
            rows.append([name, instrument.next_us, window, judges, opened, seen, last_us, levels])
        return State(rows, parts)

    def restore(self, head: Plain, parts: dict[str, bytes]) -> None:
        """Continue from a snapshot."""
        owned: dict[tuple[str, int], dict[str, bytes]] = {}
        for part, content in parts.items():
            owner, word, rest = part.split("/", 2)
            owned.setdefault((owner, int(word)), {})[rest] = content
        for name, next_us, window, judges, opened, seen, last_us, levels in head:
            instrument = self._instruments[name] = _Instrument(self._units, self._given)
            instrument.next_us = next_us
            instrument.window.load(window)
            instrument.levels.load(levels)
            for (side, judge), state in zip(instrument.judges.items(), judges, strict=True):
                judge.restore(state, owned.get((name, side), {}))
            instrument.open = {row["side"]: Episode.load(row) for row in opened}
            instrument.seen = {side: (event, end_us) for side, event, end_us in seen}
            instrument.last_us = dict(last_us)

    def keeps(self, part: str) -> bool:
        """Say whether an hour of samples is still needed."""
        name, side, rest = part.split("/", 2)
        instrument = self._instruments.get(name)
        return instrument is None or instrument.judges[int(side)].keeps(rest)
