"""Setup 3: liquidation sweep and reclaim (definitions 5.13, 5.10)."""

import pytest

from schemas.cascades import CascadeState
from schemas.lineage import Status
from schemas.setups import SetupKind, SetupRecord
from tests.processors.setups.sent import cascade
from tests.processors.setups.story import PRICE, Bar, Story, closes, minute_of, path, told

KIND = SetupKind.SWEEP_AND_RECLAIM
EACH = pytest.mark.parametrize(
    ("sign", "seconds"), [(1, 60), (-1, 60), (1, 300), (-1, 300)], ids=str
)
S = CascadeState
SWEPT = PRICE - 1_000
AT = 3
"""The bar in which the level is swept, and the extreme is; the next one reclaims it."""


def end(made: Story, place: int) -> int:
    """Return the second that a bar ends with."""
    return (place + 1) * made.seconds - 1


def story(
    sign: int = 1,
    seconds: int = 60,
    *,
    states: tuple[CascadeState, ...] = (S.ACTIVE, S.PEAKED, S.PEAKED),
    interest: float | None = -0.003,
    delta: int = 5,
) -> Story:
    """Return a cascade with a record at the end of each bar from `AT` on, and the bars to it."""
    made = Story(sign, seconds)
    made.bars = {place: closes(PRICE) for place in range(AT)}
    made.bars[AT] = closes(SWEPT - 500, -9)
    made.bars[AT + 1] = closes(SWEPT + 1, delta)
    for place, state in enumerate(states):
        tell(made, AT + place, state, interest)
    return made


def tell(
    made: Story,
    place: int,
    state: CascadeState,
    interest: float | None = -0.003,
    outcome: CascadeState | None = None,
    of: int = 1,
) -> None:
    at, extreme = end(made, place), end(made, AT) - made.seconds // 2
    swept = made.price(SWEPT)
    made.told[at] = [
        cascade(
            at,
            made.sign,
            state,
            swept=swept,
            extreme=extreme,
            interest=interest,
            outcome=outcome,
            of=of,
        )
    ]


def found(made: Story, last: int) -> list[SetupRecord]:
    return told(made, made.until(last), kind=KIND)


@EACH
def test_the_whole_life_of_one_that_completes(sign: int, seconds: int) -> None:
    made = story(sign, seconds)
    armed, triggered, confirmed, over = found(made, AT + 21)
    assert [one.state.value for one in (armed, triggered, confirmed, over)] == [
        *("armed", "triggered", "confirmed", "completed")
    ]
    assert minute_of(armed) == (AT + 1) * seconds / 60
    assert armed.evidence == [f"cascade:1:{sign}"]
    assert armed.level_low_ticks == made.price(SWEPT)
    assert minute_of(triggered) == (AT + 2) * seconds / 60
    assert triggered.event_time_us == confirmed.event_time_us
    assert triggered.limit_ticks == made.price(SWEPT)
    assert triggered.values["delta_lots"] == 5 * sign
    assert triggered.evidence[-1].startswith("bar:venue:binance:BTC-USDT-PERP:")
    assert confirmed.values["interest_change"] == -0.003
    assert minute_of(over) == (AT + 22) * seconds / 60


@EACH
def test_open_interest_delta_and_the_cascade_each_may_be_missing(sign: int, seconds: int) -> None:
    for made in (
        story(sign, seconds, interest=-0.0029),
        story(sign, seconds, delta=0),
        story(sign, seconds, delta=-5),
        story(sign, seconds, states=(S.ACTIVE, S.ACTIVE)),
        story(sign, seconds, states=(S.ACTIVE, S.BUILDING)),
    ):
        seen = found(made, AT + 21)
        assert path(seen) == ["armed", "triggered", "expired"]
        assert minute_of(seen[-1]) == (AT + 22) * seconds / 60


@EACH
def test_the_cascade_may_peak_and_open_interest_fall_later(sign: int, seconds: int) -> None:
    made = story(sign, seconds, states=(S.ACTIVE, S.ACTIVE))
    tell(made, AT + 4, S.PEAKED, -0.001)
    tell(made, AT + 6, S.COOLDOWN, -0.004, S.RECLAIMED)
    confirmed = found(made, AT + 6)[-1]
    assert (confirmed.state.value, confirmed.values["interest_change"]) == ("confirmed", -0.004)
    assert minute_of(confirmed) == (AT + 7) * seconds / 60


def test_a_cascade_that_failed_or_was_none_confirms_nothing() -> None:
    for state, outcome in (
        (S.FAILED, S.FAILED),
        (S.COOLDOWN, S.FAILED),
        (S.IDLE, S.FAILED),
        (S.IDLE, None),
    ):
        made = story(states=(S.ACTIVE, S.ACTIVE))
        tell(made, AT + 2, state, outcome=outcome)
        assert path(found(made, AT + 2)) == ["armed", "triggered"]
    made = story(states=(S.ACTIVE, S.ACTIVE))
    tell(made, AT + 2, S.PEAKED, of=2)  # the next one
    assert path(found(made, AT + 2)) == ["armed", "triggered"]


def test_an_open_interest_that_is_unknown_suspends_where_it_alone_decides() -> None:
    last = found(story(interest=None), AT + 1)[-1]
    assert (last.state.value, last.reason) == ("suspended", "open_interest_unknown")
    assert last.null_reasons["interest_change"] == "open_interest_unknown"
    assert last.status is Status.PARTIAL
    assert path(found(story(interest=None, delta=0), AT + 2)) == ["armed", "triggered"]


@EACH
def test_the_close_has_to_be_above_the_level(sign: int, seconds: int) -> None:
    made = story(sign, seconds)
    made.bars[AT + 1] = closes(SWEPT, 5)
    assert path(found(made, AT + 1)) == ["armed"]


@EACH
def test_the_reclaim_is_in_the_bar_of_the_extreme_or_the_next_two(sign: int, seconds: int) -> None:
    for place, triggered in ((AT, True), (AT + 2, True), (AT + 3, False)):
        made = story(sign, seconds, states=(S.PEAKED,) * 4)
        made.bars |= {AT + n: closes(SWEPT - 500, -9) for n in range(5)}
        made.bars[place] = closes(SWEPT + 1, 5)
        assert ("triggered" in path(found(made, AT + 3))) == triggered


@EACH
def test_three_closes_below_with_falling_cvd_invalidate(sign: int, seconds: int) -> None:
    def lost(*deltas: int, closing: int = SWEPT - 1) -> list[SetupRecord]:
        made = story(sign, seconds)
        below = {AT + 2 + n: closes(SWEPT - 1, delta) for n, delta in enumerate(deltas)}
        made.bars |= below | {AT + 3: closes(closing, deltas[1])}
        return found(made, AT + 1 + len(deltas))

    seen = lost(-5, 3, 1)
    assert path(seen)[-1] == "invalidated"
    assert seen[-1].reason == "closes_beyond"
    assert minute_of(seen[-1]) == (AT + 5) * seconds / 60
    assert path(lost(-5, 4, 1))[-1] == "confirmed"
    assert path(lost(-5, -5))[-1] == "confirmed"
    assert path(lost(-5, -5, -5, closing=SWEPT))[-1] == "confirmed"


@EACH
def test_it_is_disarmed_with_the_cascade_and_has_one_setup(sign: int, seconds: int) -> None:
    for state in (S.IDLE, S.FAILED, S.FADED, S.COOLDOWN):
        made = story(sign, seconds)
        made.bars[AT + 1] = closes(SWEPT - 500)
        tell(made, AT + 1, state)
        seen = found(made, AT + 1)
        assert path(seen) == ["armed", "expired"]
        assert seen[-1].reason == "cascade_over"
    made = story(sign, seconds, states=(S.ACTIVE,) * 40, interest=-0.1)
    assert path(found(made, AT + 30)) == ["armed", "triggered", "expired"]


def test_a_cascade_that_reclaims_between_two_bars_is_seen() -> None:
    made = story(states=())
    tell(made, AT + 1, S.RECLAIMED, outcome=S.RECLAIMED)
    assert path(found(made, AT + 1)) == ["armed", "triggered", "confirmed"]


def test_without_a_level_or_on_another_tape_nothing_is_armed() -> None:
    made = story(states=())
    at = end(made, AT)
    made.told[at] = [cascade(at, 1, S.ACTIVE, swept=None, extreme=at)]
    assert found(made, AT + 1) == []
    made.told[at] = [cascade(at, 1, S.ACTIVE, swept=SWEPT, extreme=at, reference="okx:BTC-PERP")]
    assert found(made, AT + 1) == []


@EACH
def test_a_suspended_cascade_suspends_before_it_is_confirmed(sign: int, seconds: int) -> None:
    made = story(sign, seconds, states=(S.ACTIVE, S.SUSPENDED))
    assert path(found(made, AT + 1)) == ["armed", "suspended"]
    made = story(sign, seconds, states=(S.ACTIVE, S.ACTIVE, S.SUSPENDED))
    assert path(found(made, AT + 2)) == ["armed", "triggered", "suspended"]
    made = story(sign, seconds)
    tell(made, AT + 2, S.SUSPENDED)
    assert path(found(made, AT + 2)) == ["armed", "triggered", "confirmed"]


@EACH
def test_a_partial_bar_suspends_in_every_state(sign: int, seconds: int) -> None:
    for place, states in (
        (AT + 1, ["armed", "suspended"]),
        (AT + 2, ["armed", "triggered", "suspended"]),
    ):
        made = story(sign, seconds, states=(S.ACTIVE, S.ACTIVE))
        made.bars[place] = Bar(status=Status.PARTIAL)
        assert path(found(made, place)) == states
