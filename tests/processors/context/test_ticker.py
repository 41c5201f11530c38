"""Last good values, and how old they are."""

from processors.context.ticker import TickerMemory, lots_of
from processors.measures.ticker_check import check_ticker
from schemas.market import DataSource
from schemas.tickers import TickerBatch
from tests.processors.context.builders import at, ticker
from tests.processors.seconds.builders import plainly

LOT = "0.001"


def take(known: TickerMemory, told: TickerBatch, end_us: int) -> None:
    """Have a record taken in as it comes out of the join."""
    checked, refused = check_ticker(told)
    known.take(checked, end_us, refused, there=True)


def test_values_keep_their_own_times_and_the_last_good_one_stays() -> None:
    known = TickerMemory(LOT)
    take(known, ticker(0, "1000", mark="60000", source=DataSource.REST), at(1))
    take(known, ticker(30, "-5", mark="60001"), at(31))
    assert known.interest == (at(0), 1_000_000, False, True, 0)
    assert known.mark == (at(30), "60001")
    assert known.refused == {"open_interest": "below_zero"}
    take(known, ticker(40, "990"), at(41))
    assert known.interest is not None
    assert (known.interest.lots, known.refused) == (990_000, {})
    assert known.mark == (at(30), "60001")


def test_an_observation_from_after_the_second_waits_for_its_time() -> None:
    known = TickerMemory(LOT)
    newest = ticker(5, "1000")
    take(known, newest, at(5) - 1)
    assert known.interest is None
    take(known, newest, at(5))
    assert known.interest is not None


def test_a_clock_that_is_ahead_makes_nothing_younger_than_its_receipt() -> None:
    known = TickerMemory(LOT)
    take(known, ticker(5, "1000", open_interest_time_us=at(65)), at(6))
    assert known.interest is not None
    assert known.interest.time_us == at(5)


def test_what_is_older_than_known_changes_nothing() -> None:
    known = TickerMemory(LOT)
    take(known, ticker(5, "1000"), at(6))
    take(known, ticker(7, "2000", open_interest_time_us=at(4)), at(8))
    assert known.interest == (at(5), 1_000_000, False, False, 0)


def test_the_interval_of_a_settlement_is_the_one_that_held_before_it() -> None:
    """Trap 18: the interval changes; one seen after the settlement says nothing of it."""
    known = TickerMemory(LOT)
    take(known, ticker(0, rate="0.0001", hours=8), at(1))
    take(known, ticker(100, rate="0.0001", hours=4), at(101))
    assert known.interval_before(at(0)) is None
    assert known.interval_before(at(50)) == 8 * 3600
    assert known.interval_before(at(100)) == 8 * 3600
    assert known.interval_before(at(101)) == 4 * 3600


def test_a_state_comes_back_as_it_was() -> None:
    known = TickerMemory(LOT)
    take(known, ticker(0, "1", mark="2", index="3", rate="-0.1", settled=("0.2", -1)), at(1))
    take(known, ticker(2, "x"), at(3))
    again = TickerMemory(LOT, plainly(known.dump()))
    assert again.dump() == known.dump()
    assert (again.predicted, again.settled, again.refused) == (
        known.predicted,
        known.settled,
        {"open_interest": "not_a_decimal"},
    )


def test_quantities_are_exact_on_the_grid_and_the_nearest_lot_off_it() -> None:
    assert lots_of("123456789012.001", LOT) == 123_456_789_012_001
    assert [lots_of(text, LOT) for text in ("0.0005", "0.0015", "0.0006")] == [0, 2, 1]
    assert lots_of("0.00000001", "0.00000001") == 1
