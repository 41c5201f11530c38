"""What setups and cascades of one asset were followed by, beside random times (5.10, 5.13).

Measured are setups once a final bar holds them as TRIGGERED (those that were confirmed and those
that were not: what confirmation is worth must not be chosen by it), and cascades once they are
RECLAIMED, FAILED or FADED. Conviction stands for no entry and has no outcome. Prices are final
one-minute bars of the instrument that the setup is on, or of the reference of the cascade: an
aggregate's close is that of whichever venue traded last. See `processors.outcomes.course`.

Random times are one minute in 30, chosen by a keyed hash, on the perpetual that traded most in the
last hour; 42 of each hour of the day are held, 1,008 of about three weeks. They are not sent, and
are in every summary. Once a day, a minute apart, each kind that has new outcomes is summed up over
its newest 1,000: see `processors.outcomes.compare` for the comparison. Until that has 300 outcomes
and an interval at every horizon, its setups are experimental.

State: at most 1,000 courses that are not over (200 bytes each), and the results of the open week;
closed weeks are parts. With everything full, 22,000 results and the random times, 2.5 MB.
"""

import msgspec

from processors.events.bars import base_bars, key_of, whole
from processors.events.writer import scope_name
from processors.operator import Output
from processors.operators.footprint import params_hash
from processors.outcomes.chance import is_random_time
from processors.outcomes.compare import HOURS
from processors.outcomes.course import Course, Kind, Minute, dump_courses, load_courses
from processors.outcomes.ledger import Ledger, Result
from processors.outcomes.record import (
    KINDS,
    OutcomeWriter,
    course_of,
    kind_of,
    load_kind,
    worth_name,
)
from processors.outcomes.worth import worth_of
from processors.plain import Plain
from processors.scopes import PERP
from processors.seconds.second import Second
from processors.setups.leaders import Leaders
from processors.state import State, own_parts
from processors.units import AssetUnits
from schemas.footprints import FootprintBar
from schemas.setups import SetupSide, SetupVariant
from schemas.units import US_PER_DAY, US_PER_HOUR, US_PER_MINUTE


class OutcomeParams(msgspec.Struct, frozen=True, kw_only=True):
    """How much is held.

    - `most_outcomes`: of each kind. `most_open`: events that are followed at a time.
    - `random_every_minutes`: one minute of so many is a random time; `random_per_hour`: so many of
      each hour of the day are held.
    - `leader_minutes`: over which the instrument of random times traded most.

    Raises:
        ValueError: a number below 1.
    """

    most_outcomes: int = 1_000
    most_open: int = 1_000
    random_every_minutes: int = 30
    random_per_hour: int = 42
    leader_minutes: int = 60

    def __post_init__(self) -> None:
        for name, value in msgspec.structs.asdict(self).items():
            if value < 1:
                raise ValueError(f"{name} must be 1 or more, was {value}")


class OutcomesOperator:
    """All outcomes of one asset."""

    name = "outcomes"

    def __init__(self, asset: str, units: AssetUnits, params: OutcomeParams | None = None) -> None:
        self._asset, self._given = asset, params or OutcomeParams()
        self._writer = OutcomeWriter(units.tick, params_hash(units, self._given))
        self._open: list[Course] = []
        self._ledgers = {kind: Ledger(self._given.most_outcomes) for kind in KINDS}
        self._random = [Ledger(self._given.random_per_hour) for _ in range(HOURS)]
        self._leaders = Leaders(self._given.leader_minutes)
        self._dirty: dict[Kind, int] = {}
        self._enough: set[Kind] = set()
        self._minute_us = 0

    def enough(self, setup: str, variant: SetupVariant, side: SetupSide) -> bool:
        """Say whether enough outcomes of a setup were compared with random times."""
        return kind_of(setup, variant, side) in self._enough

    def on_second(self, second: Second) -> list[Output]:
        """Take one second in; return the horizons that are over, and summaries that are due."""
        outputs: list[Output] = []
        for output in second.events:
            course = course_of(output.record)
            if course is not None:
                self._open.append(course)
        if second.end_us % US_PER_MINUTE == 0:
            outputs += self._close(second)
        return outputs

    def _close(self, second: Second) -> list[Output]:
        """Let a minute close for all that is followed."""
        outputs = []
        missed = second.end_us != self._minute_us + US_PER_MINUTE
        self._minute_us = second.end_us
        minutes = self._minutes(second, missed=missed)
        if is_random_time(
            self._asset, second.end_us // US_PER_MINUTE, self._given.random_every_minutes
        ):
            self._open.append(
                Course(id="", kind=None, name=self._leaders.name, event_us=second.end_us)
            )
        for course in self._open[: -self._given.most_open]:
            course.drop()
            if course.kind is not None:
                outputs.append(self._writer.outcome(second, course, course.kind))
        self._open = self._open[-self._given.most_open :]
        for course in self._open:
            more = course.take(second.end_us, minutes.get(course.name), missed=missed)
            if more and course.kind is not None:
                outputs.append(self._writer.outcome(second, course, course.kind))
            if course.over:
                self._count(second, course)
        self._open = [course for course in self._open if not course.over]
        return outputs + self._sum_up(second)

    def _minutes(self, second: Second, *, missed: bool) -> dict[str, Minute]:
        """Return the complete minutes that end now; see which perpetual leads."""
        minutes: dict[str, Minute] = {}
        traded: dict[str, int | None] = {}
        for bar in base_bars(second):
            minute = _minute_of(bar) if whole(bar) else None
            name = scope_name(key_of(bar))
            member = second.members.get(name)
            if member is None or member.aggregate != PERP or minute is None:
                continue
            minutes[name] = minute
            traded[name] = bar.buy_usd_cents + bar.sell_usd_cents
        if missed:
            self._leaders.miss()
        self._leaders.take(traded)
        return minutes

    def _count(self, second: Second, course: Course) -> None:
        """Let a course that is over count; one without an entry does not."""
        if course.entry is None:
            return
        result = Result(course.entry_us, tuple(course.points))
        if course.kind is None:
            self._random[course.entry_us % US_PER_DAY // US_PER_HOUR].add(result)
            return
        self._ledgers[course.kind].add(result)
        self._dirty.setdefault(course.kind, second.end_us // US_PER_DAY)

    def _sum_up(self, second: Second) -> list[Output]:
        """Sum one kind up: each has a minute of its own, on the days after it has changed."""
        place = second.end_us % US_PER_DAY // US_PER_MINUTE
        if place >= len(KINDS):
            return []
        kind = KINDS[place]
        since = self._dirty.get(kind)
        if since is None or since >= second.end_us // US_PER_DAY:
            return []
        del self._dirty[kind]
        usual = [result for ledger in self._random for result in ledger.results]
        name = worth_name(second, kind)
        worth = worth_of(self._ledgers[kind].results, usual, kind.sign, name)
        self._enough.discard(kind)
        if not any(one.experimental for one in worth):
            self._enough.add(kind)
        return [self._writer.worth(second, kind, worth)]

    # --- state

    def snapshot(self) -> State:
        """Return what is open; closed weeks of results go out as parts."""
        head = {
            "minute_us": self._minute_us,
            "open": dump_courses(self._open),
            "leaders": self._leaders.dump(),
            "dirty": [[*kind, day] for kind, day in self._dirty.items()],
            "enough": [list(kind) for kind in sorted(self._enough)],
            "ledgers": [[name, ledger.dump()] for name, ledger in self._named().items()],
        }
        parts = {
            f"{name}/{part}": content
            for name, ledger in self._named().items()
            for part, content in ledger.take_parts().items()
        }
        return State(head, parts)

    def restore(self, head: Plain, parts: dict[str, bytes]) -> None:
        """Continue from a snapshot."""
        self._minute_us = head["minute_us"]
        self._open = load_courses(head["open"])
        self._leaders.load(head["leaders"])
        self._dirty = {load_kind(row[:3]): row[3] for row in head["dirty"]}
        self._enough = {load_kind(row) for row in head["enough"]}
        owned, ledgers = own_parts(parts), self._named()
        for name, state in head["ledgers"]:
            ledgers[name].load(state, owned.get(name, {}))

    def keeps(self, part: str) -> bool:
        """Say whether a closed week still has results that are held."""
        name, _, week = part.rpartition("/")
        return self._named()[name].keeps(week)

    def _named(self) -> dict[str, Ledger]:
        """Return all ledgers by name."""
        kinds = {
            f"{of.value}:{s}:{sign}": self._ledgers[Kind(of, s, sign)] for of, s, sign in KINDS
        }
        return kinds | {f"random:{hour}": ledger for hour, ledger in enumerate(self._random)}


def _minute_of(bar: FootprintBar) -> Minute | None:
    """Return the prices of a complete bar, None where there never was one."""
    close = bar.ref_close_ticks if bar.close_ticks is None else bar.close_ticks
    if close is None:
        return None
    high = close if bar.high_ticks is None else bar.high_ticks
    low = close if bar.low_ticks is None else bar.low_ticks
    return Minute(high, low, close)
