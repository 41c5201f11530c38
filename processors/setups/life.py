"""The life that all setups share: which states follow one another, and when one is over.

ARMED -> TRIGGERED -> CONFIRMED -> COMPLETED; INVALIDATED, EXPIRED or SUSPENDED end it before that.
A rule says what happens with a final bar, or inside one; this says the rest (definitions 5.13).

What the definition leaves open, and how it is settled here:

- ARMED is noisy. One record opens an episode, and the rule ends it where it does not hold by more
  than it took to arm it: as EXPIRED, so that nobody sees it armed for ever.
- A bar counts after TRIGGERED where it begins then or later. With the last of `life_bars` a setup
  that was confirmed is COMPLETED and one that was not is EXPIRED. No profit completes one: what it
  was worth is in its outcome, and a target would be advice.
- SUSPENDED ends it: a bar that is partial or missing may have had what would have invalidated it.
  Where an input is null only for one of several conditions, it suspends if it alone decides.
- What is found inside a bar is provisional, and is said again when the bar has closed and it holds.
  What is found with its last second is said once, as the bar leaves it: one second has one
  revision.
- There is one setup at a time of one kind, tape, variant and side. Several states may be reached
  with one bar, one after the other.
- A correction of a bar that was final rewrites nothing: rules see each second once (5.14, forward
  only), and what might have been is not told.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import msgspec

from processors.plain import Plain
from processors.setups.sight import Sight
from schemas.lineage import Status
from schemas.setups import SetupKind, SetupState

ARMED, TRIGGERED, CONFIRMED = SetupState.ARMED, SetupState.TRIGGERED, SetupState.CONFIRMED
INVALIDATED, EXPIRED = SetupState.INVALIDATED, SetupState.EXPIRED
COMPLETED, SUSPENDED = SetupState.COMPLETED, SetupState.SUSPENDED
OVER = frozenset({INVALIDATED, EXPIRED, COMPLETED, SUSPENDED})
_AFTER_TRIGGER = (TRIGGERED, CONFIRMED)


class Life(msgspec.Struct, kw_only=True):
    """One setup, or none yet while `state` is None; prices are as they are, not mirrored.

    `origin` is what it is of (an event, a cascade), `bars` those since TRIGGERED, `soft` the states
    that no bar has held yet, `hushed` those of them that were found with the last second of a bar
    and not said yet, `marks` the numbers that only its rule knows.
    """

    state: SetupState | None = None
    origin: str = ""
    armed_us: int = 0
    triggered_us: int | None = None
    bars: int = 0
    soft: list[SetupState] = []
    hushed: list[SetupState] = []
    said: dict[SetupState, "Said"] = {}
    level: tuple[int, int] | None = None
    limit: int | None = None
    marks: dict[str, int] = {}
    flows: list[int] = []
    values: dict[str, int | float | None] = {}
    nulls: dict[str, str] = {}
    evidence: list[str] = []
    venues_expected: list[str] = []
    venues: list[str] = []
    status: Status = Status.COMPLETE

    def note(self, evidence: str) -> None:
        """Add to what it rests on, once."""
        if evidence not in self.evidence:
            self.evidence.append(evidence)


class Said(msgspec.Struct, frozen=True):
    """What was said of a state when it was reached."""

    previous: SetupState | None
    reason: str
    time_us: int
    price: int | None


class Move(NamedTuple):
    """The state that a rule finds, and why."""

    state: SetupState
    reason: str


class Change(NamedTuple):
    """A state to be written, provisional or not."""

    state: SetupState
    said: Said
    provisional: bool


class Rule(Protocol):
    """One setup, in words for longs."""

    kind: SetupKind
    ages: bool

    def bar(self, sight: Sight, life: Life) -> Move | None:
        """Return what a bar that has closed leads to, asked again until that is nothing."""
        ...


def change(life: Life, move: Move, sight: Sight, *, provisional: bool = False) -> Change:
    """Let a setup go to a state."""
    said = Said(life.state, move.reason, sight.now_us, sight.price)
    if life.state is None:
        life.armed_us = sight.now_us
    if move.state is TRIGGERED:
        life.triggered_us = sight.now_us
    life.state = move.state
    life.said[move.state] = said
    if provisional:
        life.soft.append(move.state)
    return Change(move.state, said, provisional)


def close(rule: Rule, sight: Sight, life: Life, most_bars: int) -> Iterator[Change]:
    """Let a bar of the variant close, and yield the states that it leads to.

    Args:
        rule: of the setup.
        sight: the bar, and what was seen with it.
        life: changed in place.
        most_bars: how many bars after TRIGGERED it may live.
    """
    if sight.bar is None:
        if life.state is not None:
            yield from _unheld(life)
            life.status = Status.PARTIAL
            yield change(life, Move(SUSPENDED, "bar_partial"), sight)
        return
    if life.triggered_us is not None and sight.bar.start_us >= life.triggered_us:
        life.bars += 1
    while life.state not in OVER and (move := rule.bar(sight, life)) is not None:
        if move.state is SUSPENDED:
            life.status = Status.PARTIAL
        if move.state in OVER:
            yield from _unheld(life)
            yield change(life, move, sight)
            return
        yield from _firm(life)
        yield change(life, move, sight)
    yield from _firm(life)
    if rule.ages and life.state in _AFTER_TRIGGER and life.bars >= most_bars:
        over = COMPLETED if life.state is CONFIRMED else EXPIRED
        yield change(life, Move(over, "time"), sight)


def _firm(life: Life) -> Iterator[Change]:
    """Say again, now for good, what was found inside the bar that has closed."""
    for state in life.soft:
        yield Change(state, life.said[state], provisional=False)
    life.soft, life.hushed = [], []


def _unheld(life: Life) -> Iterator[Change]:
    """Say what was found with the last second of a bar that does not hold it."""
    for state in life.hushed:
        yield Change(state, life.said[state], provisional=True)
    life.hushed = []


def dump(life: Life) -> Plain:
    """Return a setup as plain values."""
    return msgspec.to_builtins(life)


def load(state: Plain) -> Life:
    """Take the values of `dump` back."""
    return msgspec.convert(state, Life)
