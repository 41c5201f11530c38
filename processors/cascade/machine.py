"""The state machine of one side of one asset: one second of inputs in, at most one change out.

It knows no feeds and no records: a table of inputs decides. "For 20 s" is twenty seconds in a row
in which it held, "since BUILDING" includes no second before it. Source: definitions 5.10.

What the definition leaves open, and how it is settled here:

- Threshold and ATR are taken at BUILDING and stay: the cascade itself would raise both, and a bar
  that moves cannot be held against.
- "Price moved" is by the furthest price since BUILDING, from the last price of that second.
- max(L10) begins with the greatest L10 of the minute that led to BUILDING, which is of the event.
- "Low not extended": the extreme is from before the closed minute. "Delta sign flipped": its delta
  is against the direction. "Direction flow": over 60 s, which at its close is the minute's own,
  against the greatest 60 s since BUILDING.
- Open interest is compared over the instruments that are known at BUILDING and now; none is
  `unknown`, which confirms nothing in BUILDING and only leaves PEAKED unconfirmed.
- RECLAIMED: one of the two minutes after EXHAUSTED closes back beyond the level, which is the last
  one crossed, so the furthest. An extreme in the same second counts first. Without a level FADED
  follows at once.
- SUSPENDED ends where it began if it lasts at most a minute, the length of L60: then nothing that
  the rules look at is lost but the seconds in a row, which count anew. After more the event ends
  without an outcome. A jump in time is a suspension since the last second before it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from processors.cascade.params import CascadeParams, at_least, at_most
from processors.measures.shares import Share
from processors.plain import Plain
from schemas.cascades import CascadeBar, CascadeLevel, CascadeState
from schemas.liquidations import LiquidatedSide
from schemas.units import US_PER_MINUTE, US_PER_SECOND

IDLE, BUILDING, ACTIVE = CascadeState.IDLE, CascadeState.BUILDING, CascadeState.ACTIVE
PEAKED, EXHAUSTED = CascadeState.PEAKED, CascadeState.EXHAUSTED
RECLAIMED, FAILED, FADED = CascadeState.RECLAIMED, CascadeState.FAILED, CascadeState.FADED
COOLDOWN, SUSPENDED = CascadeState.COOLDOWN, CascadeState.SUSPENDED
TERMINAL = frozenset({RECLAIMED, FAILED, FADED})


class Inputs(NamedTuple):
    """One second as the machine sees it; `time_us` is its end.

    USD in hundredths, prices in ticks, open interest in lots by instrument, only where it is young
    enough. `high`, `low` are None in a second without trades, `last` before the first trade since a
    break. `true_ranges` is the sum over the bars of the ATR, None where there are not enough.
    `l10_max60` is the greatest L10 of the last minute. `suspended` says what is missing, if
    anything.
    """

    time_us: int
    l10: int = 0
    l60: int = 0
    episodes60: int = 0
    threshold: int = 1
    high: int | None = None
    low: int | None = None
    last: int | None = None
    true_ranges: int | None = None
    interest: Mapping[str, int] = {}
    flow60: int = 0
    bar: CascadeBar | None = None
    levels: Sequence[CascadeLevel] = ()
    l10_max60: int = 0
    suspended: str = ""


class Event(msgspec.Struct):
    """What one cascade has come to so far."""

    start_us: int
    start: int
    extreme: int
    extreme_us: int
    threshold: int
    true_ranges: int | None
    interest: dict[str, int]
    max_l10: int
    peak_l60: int
    peak_us: int
    peak_flow60: int
    swept: CascadeLevel | None = None
    extended: bool = False
    calm: int = 0
    eased: int = 0
    entered_us: int = 0
    oi_confirmed: bool | None = None
    outcome: CascadeState | None = None
    outcome_us: int | None = None


class Transition(NamedTuple):
    """A change of state, why, and the cascade it belongs to (none where only feeds are away)."""

    previous: CascadeState
    state: CascadeState
    reason: str
    event: Event | None
    start_us: int


class CascadeMachine:
    """One side of one asset."""

    def __init__(self, side: LiquidatedSide, params: CascadeParams, state: Plain = None) -> None:
        self._params = params
        self._sign = -int(side)
        self.state, self.event = IDLE, None
        self.suspended_us: int
        before, self.suspended_us, self._last_us = IDLE, 0, 0
        if state:
            name, event, before, self.suspended_us, self._last_us = state
            self.state = CascadeState(name)
            self.event = None if event is None else msgspec.convert(event, Event)
        self._before = CascadeState(before)
        self._rules: dict[CascadeState, _Rule] = {
            IDLE: self._idle,
            BUILDING: self._building,
            ACTIVE: self._active,
            PEAKED: self._peaked,
            EXHAUSTED: self._exhausted,
            COOLDOWN: self._cooldown,
        }

    state: CascadeState
    event: Event | None

    @property
    def start_us(self) -> int:
        """When what is on now began: the cascade, or the suspension without one."""
        return self.suspended_us if self.event is None else self.event.start_us

    def step(self, inputs: Inputs) -> Transition | None:
        """Take one second in, later than the last; return the change it makes, if any."""
        last_us, self._last_us = self._last_us, inputs.time_us
        unseen_us = inputs.time_us - last_us - US_PER_SECOND if last_us else 0
        event = self.event
        if event is not None:
            self._observe(event, inputs)
            if unseen_us:
                event.calm = event.eased = 0
        if self.state is SUSPENDED:
            return None if inputs.suspended else self._resume(inputs)
        if unseen_us > self._params.stale_seconds * US_PER_SECOND:
            return self._suspend(inputs.suspended or "jump", last_us)
        if inputs.suspended:
            return self._suspend(inputs.suspended, inputs.time_us)
        rule = self._rules.get(self.state)
        found = (COOLDOWN, "ended") if rule is None else rule(inputs)
        if event is not None:
            event.extended = False
        return None if found is None else self._change(*found, inputs.time_us)

    def _change(self, state: CascadeState, reason: str, time_us: int) -> Transition:
        previous, start_us, event = self.state, self.start_us, self.event
        self.state = state
        if event is not None:
            event.calm = event.eased = 0
            if previous is not SUSPENDED and state is not SUSPENDED:
                event.entered_us = time_us
            if state in TERMINAL and event.outcome is None:
                event.outcome, event.outcome_us = state, time_us
        if state is IDLE:
            self.event = None
        return Transition(previous, state, reason, event, start_us)

    # --- feeds away

    def _suspend(self, reason: str, time_us: int) -> Transition:
        self._before, self.suspended_us = self.state, time_us
        return self._change(SUSPENDED, reason, time_us)

    def _resume(self, inputs: Inputs) -> Transition:
        away_us = inputs.time_us - self.suspended_us
        if self.event is None:
            return self._change(IDLE, "resumed", inputs.time_us)
        if away_us > self._params.resume_seconds * US_PER_SECOND:
            return self._change(IDLE, "away_too_long", inputs.time_us)
        return self._change(self._before, "resumed", inputs.time_us)

    # --- what a second adds to the cascade

    def _observe(self, event: Event, inputs: Inputs) -> None:
        """Take in peaks, the price and the levels it crosses."""
        event.max_l10 = max(event.max_l10, inputs.l10)
        event.peak_flow60 = max(event.peak_flow60, inputs.flow60)
        if inputs.l60 > event.peak_l60:
            event.peak_l60, event.peak_us = inputs.l60, inputs.time_us
        reach = inputs.low if self._sign < 0 else inputs.high
        if reach is None or not self._beyond(reach, event.extreme):
            return
        event.extreme, event.extreme_us, event.extended = reach, inputs.time_us, True
        # What is swept after the end is not of this cascade; it may even be its own low.
        for level in inputs.levels if event.outcome is None else ():
            crossed = self._beyond(reach, level.ticks) and not self._beyond(
                event.start, level.ticks
            )
            if crossed and (event.swept is None or self._beyond(level.ticks, event.swept.ticks)):
                event.swept = level

    def _beyond(self, price: int, other: int) -> bool:
        """Say whether a price is further than another in the direction of the cascade."""
        return (price - other) * self._sign > 0

    def _fell(self, event: Event, inputs: Inputs, share: Share) -> bool | None:
        """Say whether open interest fell by a share since BUILDING, None where it is unknown."""
        names = event.interest.keys() & inputs.interest.keys()
        start = sum(event.interest[name] for name in names)
        if not start:
            return None
        return at_least(start - sum(inputs.interest[name] for name in names), share, start)

    def _moved(self, event: Event) -> bool:
        """Say whether price went far enough, measured in ATR; without one it did not."""
        if not event.true_ranges:
            return False
        way = (event.extreme - event.start) * self._sign * self._params.atr_bars
        return at_least(way, self._params.active_move_atr, event.true_ranges)

    # --- the states

    def _idle(self, inputs: Inputs) -> "_Found":
        started = inputs.l60 >= inputs.threshold
        if not started or inputs.episodes60 < self._params.episodes_least or inputs.last is None:
            return None
        self.event = Event(
            start_us=inputs.time_us,
            start=inputs.last,
            extreme=inputs.last,
            extreme_us=inputs.time_us,
            threshold=inputs.threshold,
            true_ranges=inputs.true_ranges,
            interest=dict(inputs.interest),
            max_l10=max(inputs.l10, inputs.l10_max60),
            peak_l60=inputs.l60,
            peak_us=inputs.time_us,
            peak_flow60=inputs.flow60,
        )
        return BUILDING, "threshold"

    def _building(self, inputs: Inputs) -> "_Found":
        params, event = self._params, self._event()
        if inputs.l60 >= params.active_multiple * event.threshold:
            return ACTIVE, "size"
        if self._moved(event) and self._fell(event, inputs, params.active_interest_fall):
            return ACTIVE, "price_and_interest"
        calm = not at_least(inputs.l60, params.calm_share, event.threshold)
        event.calm = event.calm + 1 if calm else 0
        return (IDLE, "calm") if event.calm >= params.calm_seconds else None

    def _active(self, inputs: Inputs) -> "_Found":
        params, event = self._params, self._event()
        eased = at_most(inputs.l10, params.eased_share, event.max_l10)
        event.eased = event.eased + 1 if eased else 0
        still_us = inputs.time_us - event.extreme_us
        held = event.eased >= params.eased_seconds
        if held and still_us >= params.still_seconds * US_PER_SECOND:
            return PEAKED, "eased"
        return None

    def _peaked(self, inputs: Inputs) -> "_Found":
        params, event = self._params, self._event()
        if at_least(inputs.l10, params.rekindled_share, event.max_l10):
            return ACTIVE, "rekindled"
        if event.extended and at_least(inputs.l10, params.extreme_share, event.max_l10):
            return ACTIVE, "new_extreme"
        if inputs.bar is not None and self._exhausts(event, inputs, inputs.bar):
            return EXHAUSTED, "turned"
        return self._faded(inputs)

    def _exhausts(self, event: Event, inputs: Inputs, bar: CascadeBar) -> bool:
        params = self._params
        if not bar.is_complete or event.extreme_us > bar.start_us:
            return False
        if bar.delta_lots * self._sign >= 0:
            return False
        if not at_most(inputs.flow60, params.exhausted_flow_share, event.peak_flow60):
            return False
        fell = self._fell(event, inputs, params.exhausted_interest_fall)
        if fell is False:
            return False
        event.oi_confirmed = fell is True
        return True

    def _exhausted(self, inputs: Inputs) -> "_Found":
        event, bar = self._event(), inputs.bar
        if event.extended:
            return FAILED, "new_extreme"
        if event.swept is None:
            return FADED, "no_swept_level"
        within_us = self._params.reclaim_bars * US_PER_MINUTE
        if bar is not None and inputs.time_us <= event.entered_us + within_us:
            close = bar.close_ticks if bar.is_complete else None
            if close is not None and self._beyond(event.swept.ticks, close):
                return RECLAIMED, "held"
        return self._faded(inputs)

    def _faded(self, inputs: Inputs) -> "_Found":
        since_us = inputs.time_us - self._event().entered_us
        return (FADED, "time") if since_us >= self._params.fade_seconds * US_PER_SECOND else None

    def _cooldown(self, inputs: Inputs) -> "_Found":
        since_us = inputs.time_us - self._event().entered_us
        return (IDLE, "over") if since_us >= self._params.cooldown_seconds * US_PER_SECOND else None

    def _event(self) -> Event:
        """Return the cascade that is on; every state but IDLE and SUSPENDED has one."""
        if self.event is None:
            raise ValueError(f"{self.state} without a cascade")
        return self.event

    def dump(self) -> Plain:
        """Return everything as plain values for a snapshot."""
        event = None if self.event is None else msgspec.to_builtins(self.event)
        return [self.state.value, event, self._before.value, self.suspended_us, self._last_us]


_Found = tuple[CascadeState, str] | None
_Rule = Callable[[Inputs], _Found]
