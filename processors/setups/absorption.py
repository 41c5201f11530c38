"""Setup 1: sells are absorbed at a known level, sellers fade, buyers take over.

Of each perpetual by itself, on its own trades, bars and levels: passive orders live on one venue.

- ARMED: a bar closes within 5 bp of a known level, at or above its middle (below, the short is
  armed); or a candidate of absorption is at one, within 3 bp. Disarmed by a close more than 10 bp
  away from it.
- TRIGGERED: after the candidate the sell rate falls to half of the candidate's or less, while no
  trade is below L - d. The rate is over ten seconds that all are after the candidate, so that is
  judged from the tenth second on, up to the sixtieth. A trade below drops the candidate.
- CONFIRMED: by one of the three bars that begin after that, with a positive delta, and either a
  stack of buy imbalances in it, or two or more buy imbalances in it and in another one of them.
- INVALIDATED: a bar closes below L - d, from TRIGGERED on.

Known levels are those of volume profiles and, for candidates, the newest pivots of the variant's
bars. A close near a pivot arms nothing: there is one within 5 bp most of the time.

Values: `candidate_usd_cents`, `rate_usd_cents` (of the candidate), `rate_now_usd_cents` (when it
triggered), `delta_lots`, `stacks`, `imbalances` (of the bar that confirms, for its side).
"""

from processors.measures.levels import BP, Level, LevelKind, distance, name_of, nearest
from processors.seconds.presence import stream_of
from processors.seconds.second import MemberSecond
from processors.setups.candle import Candle, edges
from processors.setups.life import (
    ARMED,
    CONFIRMED,
    EXPIRED,
    INVALIDATED,
    SUSPENDED,
    TRIGGERED,
    Life,
    Move,
)
from processors.setups.params import SetupParams
from processors.setups.sight import Sight
from processors.units import AssetUnits
from schemas.events import EventState, FlowEvent
from schemas.setups import SetupKind
from schemas.units import US_PER_SECOND, round_half_even

_CANDIDATE = "candidate_us"


class AbsorptionAtLevel:
    """The rule of setup 1."""

    kind = SetupKind.ABSORPTION_AT_LEVEL
    ages = True

    def __init__(self, units: AssetUnits, params: SetupParams, width_bp: int = 2) -> None:
        self._params = params
        self._per_cent = units.notional_per_cent
        self._row_ticks, self._width_bp = units.row_ticks, width_bp

    # --- seconds

    def second(self, sight: Sight, life: Life, member: MemberSecond) -> Move | None:
        """Return what one second leads to: the move into ARMED or TRIGGERED, or a suspension.

        Args:
            sight: the second; `events` are those of the second alone.
            life: the setup.
            member: the instrument.
        """
        if self.waits(life):
            found = self._follow(sight, life, member)
            if found is not None:
                return found
        for event in sight.events:
            if event.state is EventState.CANDIDATE and event.side is sight.against:
                return self._begin(sight, life, event)
        return None

    def waits(self, life: Life) -> bool:
        """Say whether a candidate is followed from second to second."""
        return _CANDIDATE in life.marks and life.state is ARMED

    def _begin(self, sight: Sight, life: Life, event: FlowEvent) -> Move | None:
        """Take a candidate in, if it is at a level and nothing has triggered yet."""
        low, high = event.low_ticks, event.high_ticks
        rate = event.values.get("rate_usd_cents")
        if life.state not in (None, ARMED) or low is None or high is None or rate is None:
            return None
        extreme = low if sight.sign > 0 else high - 1
        level, name = self._level_of(sight, event, extreme)
        if level is None:
            return None
        width = max(self._row_ticks * BP, self._width_bp * extreme) // BP
        life.level, life.origin = (level.low_ticks, level.high_ticks), event.id
        life.limit = extreme - sight.sign * width
        life.marks = {_CANDIDATE: sight.now_us, "rate": int(rate)}
        life.flows = []
        life.values = {
            "candidate_usd_cents": event.values.get("usd_cents"),
            "rate_usd_cents": rate,
        }
        life.evidence = [event.id, name]
        return Move(ARMED, "candidate") if life.state is None else None

    def _level_of(self, sight: Sight, event: FlowEvent, extreme: int) -> tuple[Level | None, str]:
        """Return the level that a candidate is at: the one it names, or a pivot."""
        low, high = event.values.get("level_low_ticks"), event.values.get("level_high_ticks")
        if low is not None and high is not None:
            name = next(name for name in event.evidence if name.startswith("level:"))
            kind = LevelKind(name.split(":", 2)[1])
            return Level(kind, int(low), int(high), 0, name), name
        level = nearest(sight.track.pivots, extreme, self._params.level_bp)
        return level, "" if level is None else name_of(level)

    def _follow(self, sight: Sight, life: Life, member: MemberSecond) -> Move | None:
        """Follow the candidate through a second after it."""
        stream = stream_of(member, "trade_stream")
        if stream is None or not stream.complete:
            self._forget(life)
            return Move(SUSPENDED, "trades_partial")
        prices = [trade[3] * sight.sign for trade in member.trades]
        limit = self._limit(sight, life)
        if prices and min(prices) < limit:
            self._forget(life)
            return None
        bought, sold = member.columns.aggressor_notional
        life.flows.append(sold if sight.sign > 0 else bought)
        del life.flows[: -self._params.fade_seconds]
        if len(life.flows) == self._params.fade_seconds:
            rate, (least, whole) = sum(life.flows), self._params.fade
            if rate * whole <= least * life.marks["rate"] * self._per_cent:
                life.values["rate_now_usd_cents"] = round_half_even(rate, self._per_cent)
                life.marks, life.flows = {"imbalance_bars": 0}, []
                return Move(TRIGGERED, "faded")
        if sight.now_us >= life.marks[_CANDIDATE] + self._params.candidate_seconds * US_PER_SECOND:
            self._forget(life)
        return None

    def _forget(self, life: Life) -> None:
        """Drop the candidate; the level stays armed."""
        life.marks, life.flows, life.values, life.limit = {}, [], {}, None

    def _limit(self, sight: Sight, life: Life) -> int:
        """Return L - d, the way up that the side sees it."""
        return sight.sign * (life.limit or 0)

    # --- bars

    def bar(self, sight: Sight, life: Life) -> Move | None:
        """Return what a bar leads to."""
        bar = sight.bar
        if bar is None:
            return None
        if life.state is None:
            return self._arm(sight, life, bar)
        if life.state is ARMED:
            return self._disarm(sight, life)
        if bar.close < self._limit(sight, life):
            return Move(INVALIDATED, "close_beyond")
        if life.state is TRIGGERED and 0 < life.bars <= self._params.confirm_bars:
            return self._confirm(sight, life, bar)
        return None

    def _arm(self, sight: Sight, life: Life, bar: Candle) -> Move | None:
        level = nearest(sight.levels(), bar.close * sight.sign, self._params.armed_bp)
        if level is None:
            return None
        low, high = edges(level, sight.sign)
        if 2 * bar.close < low + high:
            return None
        life.level = (level.low_ticks, level.high_ticks)
        life.evidence = [name_of(level)]
        return Move(ARMED, "near_level")

    def _disarm(self, sight: Sight, life: Life) -> Move | None:
        if life.level is None or sight.price is None or self.waits(life):
            return None
        level = Level(LevelKind.PIVOT, *life.level, 0, "")
        if distance(level, sight.price) * BP > self._params.leave_bp * sight.price:
            return Move(EXPIRED, "left_level")
        return None

    def _confirm(self, sight: Sight, life: Life, bar: Candle) -> Move | None:
        many = bar.imbalances is not None and bar.imbalances >= self._params.imbalances
        life.marks["imbalance_bars"] += many
        if bar.delta <= 0:
            return None
        if not bar.stacks and not (many and life.marks["imbalance_bars"] > 1):
            return None
        life.note(sight.bar_evidence)
        life.values |= {
            "delta_lots": sight.sign * bar.delta,
            "stacks": bar.stacks,
            "imbalances": bar.imbalances,
        }
        if bar.imbalances is None:
            life.nulls["imbalances"] = "rows_not_published"
        return Move(CONFIRMED, "stack" if bar.stacks else "imbalances")
