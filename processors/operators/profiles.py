"""Volume profiles of one asset: per instrument, over all perpetuals and over all spot.

Windows: the session (UTC day), four hours, the rolling 24 hours in steps of five minutes, and
composites of 7 and 30 UTC days, the last of which is the open session. A composite is the sum of
closed sessions and the open one, a window over venues the sum of its instruments', so that every
number adds up exactly. Each window is sent finally when it closes and provisionally, where
something traded, at the pace of the parameters; the windows take turns, so that not all is written
in one second. Source: definitions 5.2 (rows, POC, value area), `processors.measures.nodes`.

A closed session leaves levels behind: its POC, value area and extremes, those of the composites,
and the POC again for as long as it is naked; the rolling 24 hours leave the rows of their nodes.
`levels` lists them, session records carry prior session and naked POCs. A window that nobody was
there for at all is not sent. Over a gap, windows go on and are partial; a naked POC says that not
everything was seen.

State: per instrument one open step in the head; closed steps of a day (one part per step with all
instruments) and 29 closed sessions (one part per day and instrument) beside it. Rows are bounded
by `ProfileParams.max_rows` per profile, beyond which they become twice as high. For 7 instruments
after a month about 4 MB encoded and as much in sums, made again from it after a restart.
"""

import json
from collections.abc import Iterator

from processors.measures.levels import Level
from processors.operator import Output
from processors.operators.footprint import params_hash
from processors.plain import Plain
from processors.profiles.known import Known
from processors.profiles.member import MemberProfiles
from processors.profiles.params import COMPOSITES, SPANS_US, US_PER_FOUR_HOURS, ProfileParams
from processors.profiles.record import Members, Past, Recorder, Window
from processors.scopes import PERP, SPOT, ScopeKey, scope_key
from processors.seconds.columns import Columns
from processors.seconds.presence import stream_of
from processors.seconds.second import MemberSecond, Second
from processors.state import State
from processors.units import AssetUnits
from schemas.profiles import ProfileWindow, VolumeProfile
from schemas.topics import PROFILES
from schemas.units import US_PER_DAY, US_PER_SECOND

_WINDOWS = tuple(ProfileWindow)


class ProfilesOperator:
    """All volume profiles of one asset."""

    name = "profiles"

    def __init__(self, asset: str, units: AssetUnits, params: ProfileParams | None = None) -> None:
        self._asset = asset
        self._params = params or ProfileParams()
        self._row_ticks = units.row_ticks
        self._recorder = Recorder(units, self._params, params_hash(units, self._params))
        self._step_us = self._params.step_seconds * US_PER_SECOND
        self._open_us = 0
        self._next_us = 0
        self._members: dict[str, MemberProfiles] = {}
        self._known: dict[ScopeKey, Known] = {}
        self._changed: dict[ProfileWindow, set[str]] = {window: set() for window in _WINDOWS}

    def levels(self, key: ScopeKey) -> list[Level]:
        """Return the known levels of a scope by price, as of the end of the last second."""
        known = self._known.get(key)
        return [] if known is None else known.levels()

    def on_second(self, second: Second) -> list[Output]:
        """Take one second in; return the windows that it closed, and open ones that are due."""
        outputs: list[Output] = []
        open_us = second.start_us - second.start_us % self._step_us
        if open_us != self._open_us:
            outputs += self._close(open_us, second)  # nobody was there at the end of the step
            self._begin(open_us)
        self._take(second)
        if second.end_us == self._open_us + self._step_us:
            outputs += self._close(second.end_us, second)
            self._begin(second.end_us)
        return outputs + list(self._provisional(second))

    # --- trades in

    def _take(self, second: Second) -> None:
        """Take the trades of one second in; see which naked POCs they leave."""
        self._miss(second)
        traded: dict[ScopeKey, list[Columns]] = {}
        for name, member in second.members.items():
            stream = stream_of(member, "trade_stream")
            if stream is None and not member.trades:
                continue
            self._member(name, member).take(member)
            if member.trades:
                for key in (member.key, member.aggregate):
                    traded.setdefault(key, []).append(member.columns)
                for changed in self._changed.values():
                    changed.add(name)
        for key, found in traded.items():
            low, high = min([one.low for one in found]), max([one.high for one in found])
            self._known_of(key).take(low, high, max([one.trades[-1] for one in found])[3])

    def _miss(self, second: Second) -> None:
        """Note the scopes of which not everything was seen, up to the end of this second."""
        missed = set() if second.start_us == self._next_us else set(self._known)
        self._next_us = second.end_us
        for member in second.members.values():
            stream = stream_of(member, "trade_stream")
            if stream is not None and not stream.complete:
                missed |= {member.key, member.aggregate}
        for key in missed & self._known.keys():
            self._known[key].miss()

    def _member(self, name: str, second: MemberSecond) -> MemberProfiles:
        member = self._members.get(name)
        if member is None:
            member = MemberProfiles(second.key, second.aggregate, self._row_ticks, self._params)
            member.begin(self._open_us)
            self._members[name] = member
        return member

    def _known_of(self, key: ScopeKey) -> Known:
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = Known(self._params)
        return known

    # --- time moves on

    def _begin(self, open_us: int) -> None:
        self._open_us = open_us
        for name, member in sorted(self._members.items()):
            member.begin(open_us)
            if member.gone:
                del self._members[name]

    def _close(self, now_us: int, second: Second) -> Iterator[Output]:
        """Close the open step and the windows that end by now; yield their final records."""
        touched = any(member.step for member in self._members.values())
        for member in self._members.values():
            member.close_step(self._open_us)
        end_us = self._open_us + self._step_us
        if touched:
            yield from self._close_step(end_us, second)
        four_us = self._open_us - self._open_us % US_PER_FOUR_HOURS + US_PER_FOUR_HOURS
        if four_us <= now_us:
            yield from self._final(ProfileWindow.FOUR_HOURS, four_us, second)
            for member in self._members.values():
                member.end_four_hours()
        day_us = self._open_us - self._open_us % US_PER_DAY + US_PER_DAY
        if day_us <= now_us:
            yield from self._close_day(day_us, second)

    def _close_step(self, end_us: int, second: Second) -> Iterator[Output]:
        rolling = list(self._final(ProfileWindow.ROLLING_24H, end_us, second))
        yield from rolling
        found = _by_scope(rolling)
        for key in sorted({*self._known, *found}):
            self._known_of(key).roll(found.get(key))

    def _close_day(self, day_us: int, second: Second) -> Iterator[Output]:
        sessions = list(self._final(ProfileWindow.SESSION, day_us, second))
        yield from sessions
        if not any(member.session for member in self._members.values()):
            return  # nobody was there all day: composites end with the last day that somebody was
        for member in self._members.values():
            member.close_day(day_us - US_PER_DAY)
        composites = [
            output for window in COMPOSITES for output in self._final(window, day_us, second)
        ]
        yield from composites
        for key, session in _by_scope(sessions).items():
            own = [record for record in _records(composites) if _scope_of(record) == key]
            self._known_of(key).close(session, own)
        for member in self._members.values():
            member.end_session()

    def _final(self, window: ProfileWindow, end_us: int, second: Second) -> Iterator[Output]:
        self._changed[window].clear()
        names = list(self._members)
        yield from self._write(Window(window, end_us - SPANS_US[window], end_us), names, second)

    def _provisional(self, second: Second) -> Iterator[Output]:
        for place, window in enumerate(_WINDOWS):
            pace_us = self._params.pace_us(window)
            turn_us = pace_us // US_PER_SECOND * place // len(_WINDOWS) * US_PER_SECOND
            changed = self._changed[window]
            if changed and second.end_us % pace_us == turn_us:
                yield from self._write(self._open(window, second.end_us), sorted(changed), second)
                changed.clear()

    def _open(self, window: ProfileWindow, until_us: int) -> Window:
        """Return a window that is open."""
        match window:
            case ProfileWindow.ROLLING_24H:
                end_us = self._open_us + self._step_us
            case ProfileWindow.FOUR_HOURS:
                end_us = self._open_us - self._open_us % US_PER_FOUR_HOURS + US_PER_FOUR_HOURS
            case _:
                end_us = self._open_us - self._open_us % US_PER_DAY + US_PER_DAY
        return Window(window, end_us - SPANS_US[window], until_us)

    def _write(self, window: Window, names: list[str], second: Second) -> Iterator[Output]:
        """Yield a window's records of these instruments and of the aggregates that they are in."""
        final = window.until_us == window.end_us
        aggregates = {self._members[name].aggregate for name in names}
        every = {
            name: (member.profile(window.kind, day_closed=final), member.state)
            for name, member in sorted(self._members.items())
            if member.aggregate in aggregates
        }
        there = {name: of for name, of in every.items() if of[0]}
        for name in sorted(names):
            if name in there:
                yield self._output(self._members[name].key, window, {name: there[name]}, second)
        for key in (PERP, SPOT):
            behind = {
                name: of for name, of in there.items() if self._members[name].aggregate == key
            }
            if behind and key in aggregates:
                yield self._output(key, window, behind, second)

    def _output(
        self,
        key: ScopeKey,
        window: Window,
        members: Members,
        second: Second,
    ) -> Output:
        known = self._known.get(key)
        past = Past()
        if known is not None and window.kind is ProfileWindow.SESSION:
            past = Past(known.prior, known.naked, known.partial)
        record = self._recorder.write(key, window, members, past, second)
        # Not its beginning: a log that keeps two days would drop a window of thirty at once.
        return Output(PROFILES.name, self._asset, record, record.until_time_us)

    # --- state

    def snapshot(self) -> State:
        """Return the open steps and known levels; closed steps and days go out as parts."""
        parts: dict[str, bytes] = {}
        steps: dict[int, dict[str, str]] = {}
        for name, member in sorted(self._members.items()):
            for start_us, encoded in member.steps.take_parts().items():
                steps.setdefault(start_us, {})[name] = encoded.decode()
            for start_us, encoded in member.days.take_parts().items():
                parts[f"day/{name}/{start_us}"] = encoded
        for start_us, by_member in sorted(steps.items()):
            parts[f"step/{start_us}"] = json.dumps(by_member, separators=(",", ":")).encode()
        head = {
            "open_us": self._open_us,
            "next_us": self._next_us,
            "members": [[name, member.dump()] for name, member in sorted(self._members.items())],
            "known": [[key, known.dump()] for key, known in sorted(self._known.items())],
            "changed": [sorted(self._changed[window]) for window in _WINDOWS],
        }
        return State(head, parts)

    def restore(self, head: Plain, parts: dict[str, bytes]) -> None:
        """Continue from a snapshot."""
        self._open_us, self._next_us = head["open_us"], head["next_us"]
        steps: dict[str, dict[int, bytes]] = {}
        days: dict[str, dict[int, bytes]] = {}
        for path, content in parts.items():
            kind, _, rest = path.partition("/")
            if kind == "day":
                name, _, start = rest.rpartition("/")
                days.setdefault(name, {})[int(start)] = content
            else:
                for name, encoded in json.loads(content).items():
                    steps.setdefault(name, {})[int(rest)] = encoded.encode()
        for name, values in head["members"]:
            own = (steps.get(name, {}), days.get(name, {}))
            self._members[name] = MemberProfiles.load(
                values, self._open_us, own, self._row_ticks, self._params
            )
        self._known = {
            scope_key(key): Known.load(values, self._params) for key, values in head["known"]
        }
        self._changed = {
            window: set(names) for window, names in zip(_WINDOWS, head["changed"], strict=True)
        }

    def keeps(self, part: str) -> bool:
        """Say whether a closed step or day is still inside a window."""
        kind, _, rest = part.partition("/")
        if kind == "day":
            name, _, start = rest.rpartition("/")
            return name in self._members and self._members[name].days.keeps(int(start))
        return any(member.steps.keeps(int(rest)) for member in self._members.values())


def _records(outputs: list[Output]) -> list[VolumeProfile]:
    return [output.record for output in outputs if isinstance(output.record, VolumeProfile)]


def _scope_of(profile: VolumeProfile) -> ScopeKey:
    return ScopeKey(profile.scope, profile.venue, profile.symbol)


def _by_scope(outputs: list[Output]) -> dict[ScopeKey, VolumeProfile]:
    return {_scope_of(record): record for record in _records(outputs)}
