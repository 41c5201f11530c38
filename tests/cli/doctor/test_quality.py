"""What the doctor says of store and data, from what is seen of them."""

from dataclasses import dataclass
from typing import Any

import pytest

from runtime.cli.doctor.asking import Asker
from runtime.cli.doctor.data import DataSeen, Stream, unusable
from runtime.cli.doctor.findings import Finding, State
from runtime.cli.doctor.quality import (
    judge_books,
    judge_clock,
    judge_conservation,
    judge_data,
    judge_feed,
    judge_gaps,
)
from runtime.cli.doctor.store import (
    StoreSeen,
    judge_migrations,
    judge_parts,
    judge_rows,
    judge_store,
)
from runtime.cli.doctor.thresholds import (
    BOOKS_US,
    CLOCK_US,
    GAPS,
    PARTS,
    SILENT_US,
    STALE_US,
)
from runtime.errors import PerptapeError, StoreError
from runtime.settings import load_settings
from schemas.units import US_PER_HOUR as HOUR_US

NOW_US = 1_800_000_000_000_000
OK, WARN, WRONG = State.OK, State.WARN, State.WRONG


def said(finding: Finding) -> tuple[State, str]:
    assert bool(finding.do) == (finding.state is not OK)
    return finding.state, f"{finding.sees} {finding.do}"


@pytest.mark.parametrize(
    ("applied", "state", "words"),
    [
        ({"1": "a", "2": "b"}, OK, "all 2 applied"),
        ({"1": "a"}, WRONG, "not applied: 2 `perptape migrate`"),
        ({"1": "a", "2": "x"}, WRONG, "applied with another content: 2"),
        ({"1": "a", "2": "b", "3": "c"}, WRONG, "unknown here: 3 use the newer perptape"),
    ],
)
def test_tables_are_judged_by_their_migrations(
    applied: dict[str, str], state: State, words: str
) -> None:
    found = said(judge_migrations(applied, {"1": "a", "2": "b"}))
    assert found[0] is state
    assert words in found[1]


def test_many_migrations_are_some_names_and_a_number() -> None:
    wanted = {str(number): "" for number in range(6)}
    assert "not applied: 0, 1, 2 and 3 more" in said(judge_migrations({}, wanted))[1]


def test_parts_are_judged_as_the_alert_does() -> None:
    assert said(judge_parts((0, "")))[0] is OK
    assert said(judge_parts((PARTS, "trades_log 202611")))[0] is OK
    state, words = said(judge_parts((PARTS + 1, "trades_log 202611")))
    assert state is WRONG
    assert "301 in trades_log 202611" in words


@pytest.mark.parametrize(
    ("trade_us", "quality_us", "runs", "state", "words"),
    [
        (NOW_US, NOW_US - STALE_US, True, OK, "newest word on the feeds 2 min ago"),
        (NOW_US, NOW_US - STALE_US - 1, True, WRONG, "nothing new arrives"),
        (NOW_US, NOW_US - STALE_US - 1, False, OK, ""),
        (NOW_US - 1, None, True, WARN, "no live data"),
        (None, None, False, WARN, "none yet"),
    ],
)
def test_rows_are_judged_by_their_age_while_something_runs(
    trade_us: int | None, quality_us: int | None, runs: bool, state: State, words: str
) -> None:
    seen = StoreSeen({}, trade_us=trade_us, quality_us=quality_us)
    found = said(judge_rows(seen, NOW_US, runs=runs))
    assert found[0] is state
    assert words in found[1]


def streams(*states: tuple[str, int]) -> list[Stream]:
    """Return streams of a venue with their states, and for how long they have been in them."""
    return [
        Stream("okx", "BTC-USDT-PERP", f"trades:{number}", state, NOW_US - age_us, NOW_US)
        for number, (state, age_us) in enumerate(states)
    ]


LIVE, QUIET = ("live", HOUR_US), ("quiet", 0)


@pytest.mark.parametrize(
    ("states", "runs", "state", "words"),
    [
        ([LIVE, LIVE, QUIET], True, OK, "2 live, 1 quiet"),
        ([LIVE, ("down", SILENT_US)], True, WARN, "BTC-USDT-PERP trades:1 down"),
        ([LIVE, ("down", SILENT_US + 1)], True, WRONG, "1 down, 1 live: BTC-USDT-PERP trades:1"),
        ([LIVE, ("stale", STALE_US)], True, WARN, "stale"),
        ([LIVE, ("stale", STALE_US + 1)], True, WRONG, "stale"),
        ([("down", HOUR_US)] * 5, True, WRONG, "and 2 more"),
        ([("halted", HOUR_US), ("not_listed", HOUR_US)], True, OK, "1 halted, 1 not_listed"),
        ([("down", HOUR_US)], False, OK, "as it was left: 1 down"),
    ],
)
def test_a_feed_is_judged_by_how_long_its_streams_are_dead(
    states: list[tuple[str, int]], runs: bool, state: State, words: str
) -> None:
    found = said(judge_feed("okx", DataSeen(NOW_US, streams=streams(*states)), runs=runs))
    assert found[0] is state
    assert words in found[1]


def test_a_stream_of_which_nothing_is_heard_has_lost_its_collector() -> None:
    def judged(silent_us: int, state: str, *, runs: bool = True) -> tuple[State, str]:
        stream = Stream("okx", "BTC-USDT", "trades", state, 0, NOW_US - silent_us)
        return said(judge_feed("okx", DataSeen(NOW_US, streams=[stream]), runs=runs))

    assert judged(STALE_US, "live")[0] is OK
    assert judged(STALE_US + 1, "live")[0] is WRONG
    assert "no word for two minutes of BTC-USDT trades quiet" in judged(STALE_US + 1, "quiet")[1]
    assert judged(STALE_US + 1, "live", runs=False)[0] is OK


def test_a_venue_that_refuses_us_is_named_with_its_reason() -> None:
    seen = DataSeen(NOW_US, refused=[("bybit", "403: not from here", NOW_US)])
    [feed] = [one for one in judge_data(seen, runs=True) if one.name.startswith("feed")]
    assert feed.name == "feed bybit"
    assert said(feed)[0] is WRONG
    assert "403: not from here" in feed.sees


@pytest.mark.parametrize(
    ("gaps", "state"),
    [
        ([], OK),
        ([("okx", 0, 9)], WARN),
        ([("okx", GAPS, 9)], WARN),
        ([("binance", 0, 1), ("okx", GAPS + 1, 9)], WRONG),
    ],
)
def test_gaps_are_judged_by_their_number_in_a_quarter_hour(
    gaps: list[tuple[str, int, int]], state: State
) -> None:
    found = said(judge_gaps(DataSeen(NOW_US, gaps=gaps)))
    assert found[0] is state
    assert all(
        f"{venue} {hourly} in an hour ({recent} " in found[1] for venue, recent, hourly in gaps
    )


def test_books_that_were_invalid_all_the_time_cannot_be_used() -> None:
    ten = BOOKS_US // 12
    rows: list[tuple[Any, ...]] = [
        ("okx", "A", "books", 12 * ten, 12 * ten),
        ("okx", "B", "books", 11 * ten, 12 * ten),  # was there in between
        ("okx", "C", "books", 8 * ten, 8 * ten),  # not for two minutes yet
        ("okx", "D", "books", 9 * ten, 9 * ten),
    ]
    assert unusable(rows) == [("okx", "A"), ("okx", "D")]
    seen = DataSeen(NOW_US, books=[("okx", "A")])
    assert said(judge_books(seen, runs=True))[0] is WRONG
    assert said(judge_books(seen, runs=False))[0] is WARN
    assert said(judge_books(DataSeen(NOW_US), runs=True))[0] is OK


@pytest.mark.parametrize(
    ("offset_us", "state"), [(None, OK), (1_000, OK), (-CLOCK_US, OK), (-CLOCK_US - 1, WRONG)]
)
def test_a_clock_is_wrong_where_trades_arrive_before_they_happen(
    offset_us: int | None, state: State
) -> None:
    clock = None if offset_us is None else ("okx trades", offset_us)
    found = said(judge_clock(DataSeen(NOW_US, clock=clock)))
    assert found[0] is state
    assert ("chronyc" in found[1]) == (state is WRONG)


def test_broken_bars_are_counted_and_one_is_named() -> None:
    assert said(judge_conservation(DataSeen(NOW_US)))[0] is OK
    state, words = said(judge_conservation(DataSeen(NOW_US, broken=(3, "BTC perp 60 s: rows"))))
    assert state is WRONG
    assert "3 bars of two hours are broken, e.g. BTC perp 60 s: rows" in words


def test_what_the_store_did_not_answer_is_wrong_by_its_name() -> None:
    problems = {
        "gaps": "Code: 47",
        "feeds": "Code: 60",
        "conservation": "Code: 159. TIMEOUT_EXCEEDED",
    }
    found = {one.name: one for one in judge_data(DataSeen(NOW_US, problems=problems), runs=True)}
    assert found["gaps"].state is found["feeds"].state is WRONG
    assert "Code: 60" in found["feeds"].sees
    assert found["conservation"].state is WARN
    assert found["books"].state is OK


@pytest.mark.parametrize(
    ("problem", "state"),
    [
        ("Code: 159. DB::Exception: Timeout exceeded", WARN),
        ("the store at http://b:1: Read timed out.", WARN),
        ("not asked: the store takes too long", WARN),
        ("Code: 47. DB::Exception: Unknown identifier", WRONG),
    ],
)
def test_bars_that_take_too_long_to_add_up_are_no_fault(problem: str, state: State) -> None:
    seen = DataSeen(NOW_US, problems={"conservation": problem})
    [found] = [one for one in judge_data(seen, runs=True) if one.name == "conservation"]
    assert said(found)[0] is state


@dataclass
class Refusing:
    error: PerptapeError
    asked: int = 0

    def query(self, sql: str, parameters: dict[str, Any] | None = None) -> Any:
        self.asked += 1
        raise self.error


def test_a_store_that_went_away_is_not_asked_again() -> None:
    away = Refusing(StoreError("connection lost"))
    asker = Asker(away)
    assert asker.ask("one", "SELECT 1") == asker.ask("two", "SELECT 2") == []
    assert away.asked == 1
    assert asker.problems == {
        "one": "connection lost",
        "two": "not asked: the store takes too long",
    }


def test_a_question_that_is_refused_leaves_the_others() -> None:
    refusing = Refusing(PerptapeError("Code: 62"))
    asker = Asker(refusing)
    asker.ask("one", "SELECT 1")
    asker.ask("two", "SELECT 2")
    assert refusing.asked == 2


def test_no_question_is_asked_after_the_time_for_all() -> None:
    times = iter([0.0, 19.9, 20.1])
    refusing = Refusing(PerptapeError("Code: 62"))
    asker = Asker(refusing, monotonic=lambda: next(times))
    asker.ask("one", "SELECT 1")
    asker.ask("two", "SELECT 2")
    assert refusing.asked == 1


@pytest.mark.parametrize(
    ("problem", "state"),
    [("Code: 497. DB::Exception: ingest: Not enough privileges", OK), ("Code: 241.", WRONG)],
)
def test_parts_that_a_user_may_not_see_are_no_fault(problem: str, state: State) -> None:
    asker = Asker(Refusing(PerptapeError("")))
    asker.problems["parts"] = problem
    seen = StoreSeen({}, trade_us=NOW_US, quality_us=NOW_US)
    found = {one.name: one for one in judge_store(load_settings(), seen, asker, NOW_US, runs=True)}
    assert found["parts"].state is state
    assert found["rows"].state is OK
    assert found["migrations"].state is WRONG
