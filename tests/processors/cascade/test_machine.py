"""Every edge of the diagram of definitions 5.10, by tables of inputs, on both sides.

Prices are given for liquidated longs, whose direction is down; for shorts they are mirrored.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.cascade.machine import CascadeMachine, Inputs, Transition
from processors.cascade.params import DEFAULT, CascadeParams
from schemas.cascades import CascadeBar, CascadeLevel, CascadeState
from schemas.liquidations import LiquidatedSide
from schemas.units import US_PER_SECOND
from tests.processors.seconds.builders import NOON_SECOND

LONG, SHORT = LiquidatedSide.LONG, LiquidatedSide.SHORT
IDLE, BUILDING, ACTIVE = CascadeState.IDLE, CascadeState.BUILDING, CascadeState.ACTIVE
PEAKED, EXHAUSTED = CascadeState.PEAKED, CascadeState.EXHAUSTED
RECLAIMED, FAILED, FADED = CascadeState.RECLAIMED, CascadeState.FAILED, CascadeState.FADED
COOLDOWN, SUSPENDED = CascadeState.COOLDOWN, CascadeState.SUSPENDED

START = 10_000
THRESHOLD = 1000
BOTH = pytest.mark.parametrize("side", [LONG, SHORT])


class Table:
    """A machine of one side and the clock; `at` counts seconds since noon."""

    def __init__(self, side: LiquidatedSide = LONG) -> None:
        self.side = side
        self.machine = CascadeMachine(side, DEFAULT)
        self.at = 0

    def step(self, price: int | None = START, **fields: Any) -> CascadeState | None:
        """Take the next second in; return the state that it changes to, if any."""
        found = self.transition(price, **fields)
        return None if found is None else found.state

    def transition(self, price: int | None = START, **fields: Any) -> Transition | None:
        self.at += 1
        price = None if price is None else self.mirrored(price)
        inputs = Inputs(time_us=self.time_us, high=price, low=price, last=price, flow60=100)
        return self.machine.step(inputs._replace(threshold=THRESHOLD)._replace(**fields))

    @property
    def time_us(self) -> int:
        return (NOON_SECOND + self.at) * US_PER_SECOND

    def mirrored(self, price: int) -> int:
        return price if self.side is LONG else 2 * START - price

    def steps(self, count: int, price: int | None = START, **fields: Any) -> list[CascadeState]:
        found = [self.step(price, **fields) for _ in range(count)]
        return [one for one in found if one is not None]

    def until_minute(self, **fields: Any) -> list[CascadeState]:
        """Go on to the second before the one that closes a minute."""
        return self.steps(59 - self.at % 60, **fields)

    def bar(
        self, delta: int = 5, close: int = START - 50, *, is_complete: bool = True
    ) -> CascadeBar:
        """Return the minute that closes with the next second; a positive delta is a turn."""
        sign = 1 if self.side is LONG else -1
        return CascadeBar(
            start_us=self.time_us + US_PER_SECOND - 60 * US_PER_SECOND,
            high_ticks=None,
            low_ticks=None,
            close_ticks=self.mirrored(close),
            delta_lots=sign * delta,
            is_complete=is_complete,
        )

    # --- into states

    def build(self, **fields: Any) -> None:
        given: dict[str, Any] = {"l10": 500, "l60": 1000, "episodes60": 4, "interest": {"a": 1000}}
        given |= fields
        assert self.step(**given) is BUILDING

    def activate(self, **fields: Any) -> None:
        """BUILDING, then ACTIVE at a low of START - 100, with max(L10) 1000."""
        self.build(**fields)
        assert self.step(START - 100, l10=1000, l60=3000, flow60=1000) is ACTIVE

    def peak(self, **fields: Any) -> None:
        self.activate(**fields)
        assert self.steps(20, START - 50, l10=300) == [PEAKED]

    def exhaust(self, **fields: Any) -> None:
        self.peak(**fields)
        fields = {"interest": {"a": 995}}
        self.until_minute(price=START - 50, **fields)
        self.steps(60, START - 50, **fields)
        assert self.step(START - 50, bar=self.bar(), flow60=500, **fields) is EXHAUSTED


# --- IDLE


@BOTH
@pytest.mark.parametrize(
    ("l60", "episodes60", "state"),
    [(1000, 4, BUILDING), (999, 4, None), (1000, 3, None), (10**6, 3, None)],
)
def test_idle_builds_at_the_threshold_with_four_episodes(
    side: LiquidatedSide, l60: int, episodes60: int, state: CascadeState | None
) -> None:
    table = Table(side)
    assert table.step(l60=l60, episodes60=episodes60) is state


def test_without_any_price_nothing_can_be_measured() -> None:
    assert Table().step(None, l60=1000, episodes60=4) is None


# --- BUILDING


@BOTH
@pytest.mark.parametrize(("l60", "state"), [(3000, ACTIVE), (2999, None)])
def test_building_is_active_at_three_times_the_threshold(
    side: LiquidatedSide, l60: int, state: CascadeState | None
) -> None:
    table = Table(side)
    table.build()
    assert table.step(l60=l60) is state


@BOTH
@pytest.mark.parametrize(
    ("fall", "interest", "state"),
    [
        (150, 997, ACTIVE),
        (149, 997, None),
        (150, 998, None),
        (150, None, None),
        (-150, 997, None),
    ],
)
def test_building_is_active_at_one_and_a_half_atr_with_open_interest_falling(
    side: LiquidatedSide, fall: int, interest: int | None, state: CascadeState | None
) -> None:
    """ATR is 100: 14 true ranges of 100. Both are inclusive, in the direction only."""
    table = Table(side)
    table.build(true_ranges=1400)
    known = {} if interest is None else {"a": interest}
    assert table.step(START - fall, l60=1000, interest=known) is state


@pytest.mark.parametrize("true_ranges", [None, 0])
def test_without_an_atr_price_proves_nothing(true_ranges: int | None) -> None:
    table = Table()
    table.build(true_ranges=true_ranges)
    assert table.step(START - 5000, l60=1000, interest={"a": 900}) is None


def test_the_atr_is_that_of_the_beginning() -> None:
    table = Table()
    table.build(true_ranges=1400)
    fields = {"l60": 1000, "interest": {"a": 990}, "true_ranges": 14_000}
    assert table.step(START - 150, **fields) is ACTIVE


def test_open_interest_is_compared_over_who_was_known_both_times() -> None:
    table = Table()
    table.build(true_ranges=1400, interest={"a": 1000, "b": 500})
    assert table.step(START - 200, l60=900, interest={"b": 499, "c": 1}) is None
    assert table.step(START - 200, l60=900, interest={"b": 498, "c": 9000}) is ACTIVE


@BOTH
def test_building_ends_after_sixty_calm_seconds_in_a_row(side: LiquidatedSide) -> None:
    table = Table(side)
    table.build()
    assert table.steps(59, l60=499) == []
    assert table.steps(1, l60=500) == []
    assert table.steps(59, l60=499) == []
    assert table.steps(1, l60=499) == [IDLE]
    assert table.machine.event is None


def test_the_threshold_is_that_of_the_beginning() -> None:
    table = Table()
    table.build()
    assert table.step(l60=3000, threshold=50_000) is ACTIVE


# --- ACTIVE


@BOTH
def test_active_peaks_after_twenty_eased_seconds(side: LiquidatedSide) -> None:
    table = Table(side)
    table.activate()
    assert table.steps(19, l10=300) == []
    assert table.steps(1, l10=301) == []
    assert table.steps(19, l10=300) == []
    assert table.steps(1, l10=300) == [PEAKED]


@BOTH
def test_active_does_not_peak_within_ten_seconds_of_a_new_extreme(side: LiquidatedSide) -> None:
    table = Table(side)
    table.activate()
    assert table.steps(15, START - 50, l10=300) == []
    assert table.step(START - 101, l10=300) is None
    assert table.steps(9, START - 50, l10=300) == []
    assert table.steps(1, START - 50, l10=300) == [PEAKED]


def test_an_equal_price_is_no_new_extreme() -> None:
    table = Table()
    table.activate()
    assert table.steps(20, START - 100, l10=300) == [PEAKED]


def test_the_greatest_ten_seconds_include_the_minute_that_began_it() -> None:
    table = Table()
    table.build(l10=10, l10_max60=900)
    assert table.machine.event is not None
    assert table.machine.event.max_l10 == 900


# --- PEAKED


@BOTH
@pytest.mark.parametrize(
    ("price", "l10", "state"),
    [
        (START - 101, 300, ACTIVE),
        (START - 101, 299, None),
        (START - 100, 599, None),
        (START - 50, 600, ACTIVE),
        (START - 50, 599, None),
    ],
)
def test_peaked_is_active_again(
    side: LiquidatedSide, price: int, l10: int, state: CascadeState | None
) -> None:
    table = Table(side)
    table.peak()
    assert table.step(price, l10=l10) is state


TURN: dict[str, Any] = {"delta": 5, "flow60": 500, "interest": {"a": 995}}


@BOTH
@pytest.mark.parametrize(
    ("changed", "state", "confirmed"),
    [
        ({}, EXHAUSTED, True),
        ({"interest": {}}, EXHAUSTED, False),
        ({"interest": {"a": 996}}, None, None),
        ({"delta": 0}, None, None),
        ({"delta": -1}, None, None),
        ({"flow60": 501}, None, None),
        ({"is_complete": False}, None, None),
    ],
)
def test_peaked_exhausts_at_a_closed_minute_that_turned(
    side: LiquidatedSide,
    changed: dict[str, Any],
    state: CascadeState | None,
    confirmed: bool | None,
) -> None:
    """Unknown open interest needs the other three and confirms nothing."""
    table = Table(side)
    table.peak()
    table.until_minute(price=START - 50)
    table.steps(60, START - 50)
    given = TURN | changed
    bar = table.bar(given.pop("delta"), is_complete=given.pop("is_complete", True))
    event = table.machine.event
    assert event is not None
    assert table.step(START - 50, bar=bar, **given) is state
    assert event.oi_confirmed is confirmed


@BOTH
@pytest.mark.parametrize("second", [0, 1])
def test_a_minute_that_extended_the_extreme_did_not_turn(side: LiquidatedSide, second: int) -> None:
    """An extreme in the last second before the minute is not of it, one in its first is."""
    table = Table(side)
    table.peak()
    table.until_minute(price=START - 50)
    table.steps(60, START - 50)
    table.step(START - (120 if second == 0 else 50))
    table.step(START - (120 if second == 1 else 50))
    table.steps(58, START - 50)
    expected = None if second else EXHAUSTED
    assert table.step(START - 50, bar=table.bar(), flow60=500, interest={"a": 990}) is expected


@BOTH
def test_peaked_fades_after_ten_minutes(side: LiquidatedSide) -> None:
    table = Table(side)
    table.peak()
    assert table.steps(599) == []
    assert table.steps(1) == [FADED]


# --- EXHAUSTED

LEVEL = START - 80


def levels(table: Table, ticks: int = LEVEL) -> list[CascadeLevel]:
    return [CascadeLevel("pivot", table.mirrored(ticks), 1)]


def exhausted_below_a_level(side: LiquidatedSide) -> Table:
    """EXHAUSTED at START - 90 after a low of START - 100, with a level at START - 80 above."""
    table = Table(side)
    table.build()
    low = START - 100
    assert table.step(low, l10=1000, l60=3000, flow60=1000, levels=levels(table)) is ACTIVE
    assert table.steps(20, START - 90, l10=300) == [PEAKED]
    fields: dict[str, Any] = {"interest": {"a": 995}}
    table.until_minute(price=START - 90, **fields)
    table.steps(60, START - 90, **fields)
    assert table.step(START - 90, bar=table.bar(), flow60=500, **fields) is EXHAUSTED
    return table


@BOTH
@pytest.mark.parametrize(
    ("closes", "states"),
    [
        ([LEVEL + 1], [RECLAIMED]),
        ([LEVEL, LEVEL + 1], [RECLAIMED]),
        ([LEVEL, LEVEL], []),
        ([LEVEL, LEVEL, LEVEL + 1], []),
    ],
)
def test_exhausted_is_reclaimed_by_one_of_two_minutes_that_close_beyond_the_level(
    side: LiquidatedSide, closes: Sequence[int], states: list[CascadeState]
) -> None:
    table = exhausted_below_a_level(side)
    found: list[CascadeState] = []
    for close in closes:
        found += table.steps(59, LEVEL + 20)
        found += table.steps(1, close, bar=table.bar(close=close))
    assert found == states


def test_a_minute_with_a_hole_does_not_hold() -> None:
    table = exhausted_below_a_level(LONG)
    table.steps(59, LEVEL + 20)
    assert table.step(LEVEL + 9, bar=table.bar(close=LEVEL + 9, is_complete=False)) is None


@BOTH
def test_exhausted_fails_at_a_new_extreme_even_if_the_minute_closes_back(
    side: LiquidatedSide,
) -> None:
    table = exhausted_below_a_level(side)
    assert table.step(START - 100) is None
    table.steps(58, START - 90)
    assert table.step(START - 101, bar=table.bar(close=LEVEL + 20)) is FAILED
    assert table.machine.event is not None
    assert table.machine.event.outcome is FAILED


@BOTH
def test_a_level_that_is_crossed_after_the_end_is_not_the_swept_one(side: LiquidatedSide) -> None:
    table = exhausted_below_a_level(side)
    lower = [*levels(table), *levels(table, START - 105)]
    assert table.step(START - 101, levels=lower) is FAILED
    table.steps(5, START - 110, levels=lower)
    assert table.machine.event is not None
    assert table.machine.event.swept == levels(table)[0]
    assert table.machine.event.extreme == table.mirrored(START - 110)


@BOTH
def test_exhausted_fades_after_ten_minutes(side: LiquidatedSide) -> None:
    table = exhausted_below_a_level(side)
    assert table.steps(599, START - 90) == []
    assert table.steps(1, START - 90) == [FADED]


@BOTH
def test_exhausted_without_a_swept_level_fades_at_once(side: LiquidatedSide) -> None:
    table = Table(side)
    table.exhaust()
    assert table.transition(START - 50, bar=table.bar(close=START + 999)) is not None
    assert table.machine.state is FADED


@BOTH
@pytest.mark.parametrize(
    ("ticks", "swept"),
    [
        ((START - 80,), START - 80),
        ((START - 100,), None),
        ((START + 1,), None),
        ((START,), START),
        ((START - 80, START - 99, START - 30), START - 99),
    ],
)
def test_the_swept_level_is_the_last_one_crossed_since_building(
    side: LiquidatedSide, ticks: Sequence[int], swept: int | None
) -> None:
    """A touch does not cross, and what price was beyond already is not swept."""
    table = Table(side)
    table.build()
    given = [CascadeLevel("pivot", table.mirrored(one), 1) for one in ticks]
    table.step(START - 100, levels=given)
    event = table.machine.event
    assert event is not None
    found = None if event.swept is None else event.swept.ticks
    assert found == (None if swept is None else table.mirrored(swept))


def test_of_equal_minutes_the_first_is_the_peak() -> None:
    table = Table()
    table.build()
    table.step(l60=1500)
    first_us = table.time_us
    table.steps(3, l60=1500)
    event = table.machine.event
    assert event is not None
    assert (event.peak_l60, event.peak_us) == (1500, first_us)


# --- the end


@BOTH
def test_a_terminal_state_cools_down_for_five_minutes(side: LiquidatedSide) -> None:
    table = Table(side)
    table.peak()
    assert table.steps(600)[-1:] == [FADED]
    storm = {"l10": 10**6, "l60": 10**6, "episodes60": 99}
    assert table.steps(1, **storm) == [COOLDOWN]
    assert table.steps(299, **storm) == []
    assert table.steps(1, **storm) == [IDLE]
    assert table.steps(1, **storm) == [BUILDING]


def test_the_whole_life_has_one_beginning_and_one_change_a_second() -> None:
    table = Table()
    began: list[Transition] = []
    for fields in ({"l60": 9000, "l10": 9000, "episodes60": 9}, {"l60": 9000, "l10": 9000}):
        found = table.transition(**fields)
        assert found is not None
        began.append(found)
    assert [(one.previous, one.state) for one in began] == [(IDLE, BUILDING), (BUILDING, ACTIVE)]
    assert began[0].start_us == began[1].start_us
    assert began[0].event is began[1].event


# --- SUSPENDED


def in_state(state: CascadeState, side: LiquidatedSide = LONG) -> Table:
    if state is EXHAUSTED:
        return exhausted_below_a_level(side)
    table = Table(side)
    if state in (PEAKED, FADED, COOLDOWN):
        table.peak()
        table.steps({PEAKED: 0, FADED: 600, COOLDOWN: 601}[state])
    elif state is ACTIVE:
        table.activate()
    elif state is BUILDING:
        table.build()
    assert table.machine.state is state
    return table


@BOTH
@pytest.mark.parametrize("state", [IDLE, BUILDING, ACTIVE, PEAKED, EXHAUSTED, FADED, COOLDOWN])
def test_every_state_is_suspended_and_resumed_within_a_minute(
    state: CascadeState, side: LiquidatedSide
) -> None:
    table = in_state(state, side)
    calm = {"price": START - 90, "l60": 900, "l10": 0}
    found = table.transition(START - 90, suspended="price_feed")
    assert found is not None
    assert (found.previous, found.state, found.reason) == (state, SUSPENDED, "price_feed")
    assert table.steps(59, suspended="price_feed") == []
    assert table.step(**calm) is state


@pytest.mark.parametrize("state", [BUILDING, ACTIVE, PEAKED, EXHAUSTED])
def test_a_longer_suspension_ends_the_cascade_without_an_outcome(state: CascadeState) -> None:
    table = in_state(state)
    table.steps(61, suspended="liquidation_feeds")
    found = table.transition()
    assert found is not None
    assert found.event is not None
    assert (found.state, found.reason, found.event.outcome) == (IDLE, "away_too_long", None)
    assert table.machine.event is None


def test_a_suspension_breaks_what_was_counted_in_a_row() -> None:
    table = in_state(ACTIVE)
    table.steps(19, l10=300)
    assert table.steps(2, l10=300, suspended="x") == [SUSPENDED]
    assert table.steps(1, l10=300) == [ACTIVE]
    assert table.steps(19, l10=300) == []
    assert table.steps(1, l10=300) == [PEAKED]


@pytest.mark.parametrize("state", [PEAKED, COOLDOWN])
def test_a_suspension_stops_no_clock_of_a_state(state: CascadeState) -> None:
    table = in_state(state)
    seconds = {PEAKED: 600, COOLDOWN: 300}[state]
    assert table.steps(200) == []
    assert table.steps(30, suspended="price_feed") == [SUSPENDED]
    assert table.steps(1) == [state]
    assert table.steps(seconds - 232) == []
    assert table.steps(1) == [FADED if state is PEAKED else IDLE]


def test_a_missing_second_breaks_what_was_counted_in_a_row_and_more_than_five_suspend() -> None:
    table = in_state(ACTIVE)
    table.steps(19, l10=300)
    table.at += 5
    assert table.steps(19, l10=300) == []
    assert table.steps(1, l10=300) == [PEAKED]
    table.at += 6
    found = table.transition()
    assert found is not None
    assert (found.state, found.reason) == (SUSPENDED, "jump")
    assert table.steps(1) == [PEAKED]


@pytest.mark.parametrize("why", ["", "price_feed"])
def test_a_jump_longer_than_a_minute_ends_the_cascade(why: str) -> None:
    table = in_state(ACTIVE)
    table.at += 60
    assert table.steps(1, suspended=why) == [SUSPENDED]
    assert table.steps(1) == [IDLE]


def test_an_extreme_of_the_time_away_counts_when_it_is_over() -> None:
    table = exhausted_below_a_level(LONG)
    table.steps(2, START - 90, suspended="liquidation_feeds")
    table.step(START - 101, suspended="liquidation_feeds")
    assert table.step(START - 90) is EXHAUSTED
    assert table.step(START - 90) is FAILED


# --- what always holds

EDGES = {
    IDLE: {BUILDING},
    BUILDING: {ACTIVE, IDLE},
    ACTIVE: {PEAKED},
    PEAKED: {ACTIVE, EXHAUSTED, FADED},
    EXHAUSTED: {RECLAIMED, FAILED, FADED},
    RECLAIMED: {COOLDOWN},
    FAILED: {COOLDOWN},
    FADED: {COOLDOWN},
    COOLDOWN: {IDLE},
}

ROWS = st.lists(
    st.tuples(
        st.integers(-120, 120),
        st.sampled_from([0, 200, 600, 1500]),
        st.sampled_from([0, 400, 1000, 4000]),
        st.sampled_from([900, 996, 1000]),
        st.sampled_from([-5, 5]),
        st.sampled_from(["", "", "", "price_feed"]),
        st.integers(1, 40),
    ),
    max_size=30,
)


def walk(table: Table, rows: Iterable[Any], *, restart: bool = False) -> list[Transition]:
    found = []
    for way, l10, l60, interest, delta, suspended, count in rows:
        for _ in range(count):
            closes = (table.at + 1) % 60 == 0
            one = table.transition(
                START + way,
                l10=l10,
                l60=l60,
                episodes60=9,
                interest={"a": interest},
                true_ranges=700,
                flow60=l10,
                bar=table.bar(delta, START + way) if closes else None,
                levels=levels(table),
                suspended=suspended,
            )
            if one is not None:
                event = one.event and json.loads(json.dumps(table.machine.dump()))
                found.append(one._replace(event=event))
            if restart:
                state = json.loads(json.dumps(table.machine.dump()))
                table.machine = CascadeMachine(table.side, DEFAULT, state)
    return found


@given(ROWS)
def test_only_edges_of_the_diagram_are_taken(rows: list[Any]) -> None:
    found = walk(Table(), rows)
    state, before = IDLE, IDLE
    for one in found:
        assert one.previous is state
        if one.state is SUSPENDED:
            before = state
        elif state is SUSPENDED:
            assert one.state in (before, IDLE)
        else:
            assert one.state in EDGES[state]
        state = one.state


@given(ROWS)
def test_both_sides_are_mirror_images(rows: list[Any]) -> None:
    states = [[one[:3] for one in walk(Table(side), rows)] for side in (LONG, SHORT)]
    assert states[0] == states[1]


@given(ROWS)
def test_a_machine_continues_from_its_plain_values(rows: list[Any]) -> None:
    assert walk(Table(), rows, restart=True) == walk(Table(), rows)


# --- parameters


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"calm_share": (0, 1)}, "calm_share"),
        ({"calm_seconds": 0}, "calm_seconds"),
        ({"eased_share": (6, 10)}, "eased_share"),
        ({"leader_minutes": 6}, "leader_minutes"),
        ({"floor_usd": 0}, "floor_usd"),
        ({"depth_band_bp": 55}, "depth_band_bp"),
    ],
)
def test_parameters_that_lead_nowhere_are_refused(params: dict[str, Any], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        CascadeParams(**params)


@pytest.mark.parametrize(
    ("asset", "usd"),
    [("BTC", 10**6), ("ETH", 500_000), ("SOL", 250_000), ("DOGE", 100_000)],
)
def test_floors_by_asset(asset: str, usd: int) -> None:
    """Definitions 5.10."""
    assert DEFAULT.floor_usd_cents(asset) == 100 * usd
    assert CascadeParams(floor_usd=7).floor_usd_cents(asset) == 700
