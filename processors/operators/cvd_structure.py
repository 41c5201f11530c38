"""CVD by the minute: candles, classes of size, shares, normalised, conviction (definitions 5.5).

How the definition is read
- A candle opens at the close before, at 0 exactly at the anchor of its mode; the last minute before
  an anchor still has the old level. High and low include the open. The path of one instrument is
  that of its trades; over venues it goes in steps of a second, as the record says.
- The anchor of `none` is the first second that was seen; the others begin there too, and then at
  each 00:00 UTC, each Monday, each beginning of a session. Since any other anchor (mode `anchor`)
  it is the difference of two levels of `none`: the view `cvd` has them by the second.
- After a gap an instrument's level goes on without what was missed and is not `intact`; `common`
  leaves it out until the next anchor. A minute that nobody was there in is null, and one of which
  no second came at all is not sent.
- Sizes are those of sweeps, not of fills (trap 23).
- `normalised` is CVD over half an hour, by P95 of its absolute value at every half hour of the last
  30 d that was complete; null below 336 of these, which is 7 d. It is of instruments and `common`.
- Conviction sets spot of each quote currency apart against all perpetuals, over one hour; within
  the dead zone means at most 0.02.

State: per instrument 1,440 minutes of 2 sums in parts of an hour, 1,440 samples in parts of a day.
"""

from collections.abc import Sequence

import msgspec

from processors.cvd_structure.account import MINUTE, Account
from processors.cvd_structure.record import Minute, series_of
from processors.cvd_structure.sums import conviction, rolling_of
from processors.derived import derived
from processors.measures.percentile import TrailingPercentile
from processors.measures.shares import Share, check_share
from processors.operator import Output
from processors.operators.footprint import params_hash
from processors.plain import Plain
from processors.scopes import ScopeKey
from processors.seconds.presence import Presence, Window, stream_of
from processors.seconds.second import Second
from processors.state import State, own_parts
from processors.units import AssetUnits
from schemas.cvd import WINDOWS
from schemas.cvd_structure import (
    SIZE_CLASSES_USD,
    Conviction,
    CvdStructure,
    CvdStructureSeries,
    Reset,
)
from schemas.market import Scope
from schemas.topics import CVD_STRUCTURE
from schemas.units import US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, US_PER_SECOND, round_half_even

METHOD = "cvd_structure/1.1.0"
LONGEST_US = 30 * US_PER_DAY


class CvdStructureParams(msgspec.Struct, frozen=True, kw_only=True):
    """What is normalised by what, and what conviction looks at; windows are those of CVD.

    `session_hours` are those of the UTC day that sessions begin at, the first of which is 0.

    Raises:
        ValueError: a window that CVD has not, a share that is none, or hours out of order.
    """

    normalised_seconds: int = 1800
    percentile: Share = (95, 100)
    min_samples: int = 336
    conviction_seconds: int = 3600
    dead_zone: Share = (2, 100)
    session_hours: tuple[int, ...] = (0, 8, 16)

    def __post_init__(self) -> None:
        for seconds in (self.normalised_seconds, self.conviction_seconds):
            if seconds not in WINDOWS:
                raise ValueError(f"{seconds} is none of the windows {WINDOWS}")
        check_share(self.percentile, "percentile")
        check_share(self.dead_zone, "dead_zone")
        if self.min_samples < 1:
            raise ValueError(f"min_samples must be 1 or more, was {self.min_samples}")
        hours = self.session_hours
        if not hours or hours[0] or list(hours) != sorted({*hours}) or hours[-1] > 23:
            raise ValueError(f"session_hours must rise from 0 to 23 at most, was {hours}")


class CvdStructureOperator:
    """All series of one asset."""

    name = "cvd_structure"

    def __init__(self, units: AssetUnits, params: CvdStructureParams | None = None) -> None:
        self._given = params or CvdStructureParams()
        self._lot = units.lot
        self._per_cent = units.notional_per_cent
        self._limits = [100 * usd * self._per_cent for usd in SIZE_CLASSES_USD[1:]]
        self._params = params_hash(units, self._given)
        self._accounts: dict[str, Account] = {}
        self._norms: dict[str, TrailingPercentile] = {}
        self._presence = Presence("trade_stream")
        self._window = Window("trade_stream")
        self._minute = -1
        self._anchors: dict[Reset, int] = {}

    def on_second(self, second: Second) -> list[Output]:
        """Take a second in; return the minute that it ends."""
        outputs: list[Output] = []
        minute = second.start_us // US_PER_MINUTE
        if minute != self._minute:
            if self._minute >= 0 and self._window.seconds:
                outputs.append(self._close(second, broken=True))
            self._begin(second.start_us, minute)
        at = second.start_us % US_PER_MINUTE // US_PER_SECOND
        self._window.skip(at - self._window.seconds)
        self._window.add(second)
        self._presence.take(second)
        for name, member in second.members.items():
            if member.trade_stream is not None and name not in self._accounts:
                self._accounts[name] = Account(member.key, member.aggregate)
            if member.trades:
                self._accounts[name].take(at, member.columns, self._limits)
        if at == MINUTE - 1:
            outputs.append(self._close(second, broken=False))
        return outputs

    def _begin(self, start_us: int, minute: int) -> None:
        """Open a minute; begin anew what has an anchor since the last one."""
        self._minute = minute
        for reset in Reset:
            anchor_us = _floor(start_us, reset, self._given.session_hours)
            if not self._anchors.get(reset):
                self._anchors[reset] = start_us
            elif anchor_us > self._anchors[reset]:
                self._anchors[reset] = anchor_us
                for account in self._accounts.values():
                    account.reset(reset)

    def _close(self, second: Second, *, broken: bool) -> Output:
        """Write the open minute; where seconds at its end are missing, nobody was there."""
        start_us = self._minute * US_PER_MINUTE
        end_us = start_us + US_PER_MINUTE
        self._window.skip(MINUTE - self._window.seconds)
        for account in self._accounts.values():
            account.fill(self._minute)
        since = _nobody if broken else self._presence.complete_since
        minute = Minute(end_us, self._anchors, since, self._cents)
        record = CvdStructure(
            **derived(second, METHOD, self._params),
            bar_start_us=start_us,
            bar_end_us=end_us,
            lot=self._lot,
            series=self._series(second, minute),
            convictions=self._convictions(minute),
        )
        for account in self._accounts.values():
            account.begin_minute()
        self._window = Window("trade_stream")
        return Output(CVD_STRUCTURE.name, second.asset, record, start_us)

    def _series(self, second: Second, minute: Minute) -> list[CvdStructureSeries]:
        listed = {
            name
            for name, member in second.members.items()
            if stream_of(member, "trade_stream") is not None
        }
        scopes: dict[ScopeKey, list[Account]] = {}
        for name in sorted(self._accounts):
            account = self._accounts[name]
            if name in listed or account.rolling[-1][1]:
                scopes[account.key] = [account]
                scopes.setdefault(account.aggregate, []).append(account)
        found = []
        for key in sorted(scopes):
            accounts = scopes[key]
            done = self._window.record([one.name for one in accounts])
            compositions = ("",) if key.scope is Scope.VENUE else ("all", "common")
            for composition in compositions:
                normalised: tuple[float | None, str] = (None, "of_common_only")
                if composition != "all":
                    normalised = self._normalise(minute, key, accounts)
                found.append(series_of(minute, key, composition, accounts, done, normalised))
        return found

    def _normalise(
        self, minute: Minute, key: ScopeKey, accounts: Sequence[Account]
    ) -> tuple[float | None, str]:
        """Return normalised CVD or why there is none; take a sample at every full window."""
        window_us = self._given.normalised_seconds * US_PER_SECOND
        there = minute.common(accounts, minute.end_us - window_us)
        if not there:
            return None, "gap"
        name = accounts[0].name if key.scope is Scope.VENUE else key.scope.value
        norm = self._norms.get(name)
        if norm is None:
            norm = self._norms[name] = self._norm()
        delta, _ = rolling_of(there, WINDOWS.index(self._given.normalised_seconds))
        scale = norm.at(minute.end_us)
        if minute.end_us % window_us == 0:
            norm.add(minute.end_us, abs(delta))
        if not scale:
            return None, "too_few_samples" if scale is None else "no_volume"
        return max(-1.5, min(1.5, delta / scale)), ""

    def _norm(self) -> TrailingPercentile:
        given = self._given
        return TrailingPercentile(LONGEST_US, given.percentile, given.min_samples, US_PER_DAY)

    def _convictions(self, minute: Minute) -> list[Conviction]:
        spot: dict[str, list[Account]] = {}
        perp = []
        for name in sorted(self._accounts):
            account = self._accounts[name]
            if account.aggregate.scope is Scope.PERP:
                perp.append(account)
            else:
                spot.setdefault(quote_of(account.key.symbol), []).append(account)
        return [self._conviction(minute, quote, spot[quote], perp) for quote in sorted(spot)]

    def _conviction(
        self, minute: Minute, quote: str, spot: Sequence[Account], perp: Sequence[Account]
    ) -> Conviction:
        seconds = self._given.conviction_seconds
        index, since_us = WINDOWS.index(seconds), minute.end_us - seconds * US_PER_SECOND
        nulls = {}
        sums, venues, shares = {}, {}, {}
        for word, accounts in (("spot", spot), ("perp", perp)):
            there = minute.common(accounts, since_us)
            delta, volume = sums[word] = rolling_of(there, index)
            venues[word] = [one.name for one in there]
            shares[word] = delta / volume if volume else None
            if not volume:
                nulls[f"{word}_share"] = "no_volume" if there else "no_complete_venue"
        if nulls:
            nulls["state"] = "unknown_share"
        return Conviction(
            quote=quote,
            window_seconds=seconds,
            state=conviction(sums["spot"], sums["perp"], self._given.dead_zone),
            spot_share=shares["spot"],
            perp_share=shares["perp"],
            spot_venues=venues["spot"],
            perp_venues=venues["perp"],
            null_reasons=nulls,
        )

    def _cents(self, notional: int) -> int:
        return round_half_even(notional, self._per_cent)

    # --- state

    def snapshot(self) -> State:
        """Return the open minute; closed hours and days go out as parts."""
        parts: dict[str, bytes] = {}
        for name, account in sorted(self._accounts.items()):
            parts |= {f"minutes/{name}/{part}": c for part, c in account.take_parts().items()}
        for name, norm in sorted(self._norms.items()):
            parts |= {f"norms/{name}/{part}": c for part, c in norm.take_parts().items()}
        head = {
            "accounts": [[name, account.dump()] for name, account in self._accounts.items()],
            "norms": [[name, norm.dump()] for name, norm in self._norms.items()],
            "presence": self._presence.dump(),
            "window": self._window.dump(),
            "minute": self._minute,
            "anchors": [[reset.value, at] for reset, at in self._anchors.items()],
        }
        return State(head, parts)

    def restore(self, head: Plain, parts: dict[str, bytes]) -> None:
        """Continue from a snapshot."""
        owned = own_parts(parts)
        for name, state in head["accounts"]:
            self._accounts[name] = Account.load(state, owned.get(f"minutes/{name}", {}))
        for name, state in head["norms"]:
            self._norms[name] = self._norm()
            self._norms[name].load(state, owned.get(f"norms/{name}", {}))
        self._presence = Presence("trade_stream", head["presence"])
        self._window = Window("trade_stream", head["window"])
        self._minute = head["minute"]
        self._anchors = {Reset(reset): at for reset, at in head["anchors"]}

    def keeps(self, part: str) -> bool:
        """Say whether an hour or a day is still in its window."""
        owner, _, rest = part.partition("/")
        name, _, period = rest.rpartition("/")
        if owner == "minutes":
            account = self._accounts.get(name)
            return account is None or account.keeps(period)
        norm = self._norms.get(name)
        return norm is None or norm.keeps(period)


def quote_of(symbol: str) -> str:
    """Return the quote currency in a symbol such as `BTC-USDT`."""
    words = symbol.split("-")
    return words[1] if len(words) > 1 else ""


def _nobody(since_us: int) -> list[str]:
    """Say that nobody was there all the time."""
    return []


def _floor(time_us: int, reset: Reset, session_hours: Sequence[int]) -> int:
    """Return the newest anchor of a mode; 1970-01-01 was a Thursday."""
    day, since_us = divmod(time_us, US_PER_DAY)
    match reset:
        case Reset.NONE:
            return 0
        case Reset.SESSION:
            begun = max(hour for hour in session_hours if hour * US_PER_HOUR <= since_us)
            return day * US_PER_DAY + begun * US_PER_HOUR
        case Reset.WEEK:
            day -= (day + 3) % 7
    return day * US_PER_DAY
