"""Which bar stays when a file and a live run have the same one."""

from typing import Any

import msgspec
import pytest

from schemas.footprints import FootprintBar
from schemas.lineage import InputRange, Status
from schemas.market import Scope
from sinks.clickhouse.backfill.admission import Stored, admit, is_better, key_of, minutes_of
from tests.sinks.clickhouse.records import bar

BOTH, ONE = frozenset({"binance:BTC", "okx:BTC"}), frozenset({"binance:BTC"})
INPUTS = [InputRange("dump/file/abc", 0, 0, 99)]


def filed(status: Status, who: frozenset[str] = ONE, **changes: Any) -> FootprintBar:
    made = bar("BTC", **changes)
    about = msgspec.structs.replace(made.completeness, status=status, venues_expected=sorted(who))
    return msgspec.structs.replace(made, completeness=about)


def stored(status: str, who: frozenset[str] = ONE, *, final: bool = True) -> Stored:
    return Stored(revision=1 << 60, version=1, is_final=final, status=status, venues_expected=who)


@pytest.mark.parametrize(
    ("ours", "theirs", "wins"),
    [
        (filed(Status.COMPLETE), None, True),
        (filed(Status.PARTIAL), None, True),
        (filed(Status.COMPLETE), stored("partial"), True),
        (filed(Status.COMPLETE), stored("gap"), True),
        (filed(Status.COMPLETE), stored("complete", final=False), True),
        (filed(Status.COMPLETE), stored("complete"), False),
        (filed(Status.PARTIAL), stored("partial"), False),
        (filed(Status.PARTIAL), stored("gap"), False),
        (filed(Status.COMPLETE, ONE), stored("partial", BOTH), False),
        (filed(Status.COMPLETE, BOTH), stored("complete", ONE), True),
        (filed(Status.COMPLETE, BOTH), stored("partial", BOTH), True),
    ],
)
def test_only_a_better_bar_takes_the_place(
    ours: FootprintBar, theirs: Stored | None, wins: bool
) -> None:
    assert is_better(ours, theirs) is wins


def test_the_bar_that_wins_has_a_revision_above_the_other_and_says_why() -> None:
    ours = filed(Status.COMPLETE, revision=5, version=1)
    (made,) = admit([ours], {key_of(ours): stored("partial")}, INPUTS)
    assert (made.revision, made.version, made.reason) == ((1 << 60) + 1, 2, "dump_reconcile")
    assert made.inputs == INPUTS


def test_a_bar_of_its_own_keeps_its_revision_and_the_last_of_an_identity_counts() -> None:
    first, later = filed(Status.COMPLETE, version=1), filed(Status.COMPLETE, version=2)
    (made,) = admit([first, later], {}, INPUTS)
    assert (made.revision, made.version, made.reason) == (later.revision, 2, later.reason)


def test_trades_are_stored_for_base_bars_of_instruments_only() -> None:
    own: dict[str, Any] = {"scope": Scope.VENUE, "venue": "okx", "symbol": "BTC-USDT-PERP"}
    base = filed(Status.COMPLETE, **own)
    wide = filed(Status.COMPLETE, **own, interval_seconds=300)
    assert minutes_of([base, wide, filed(Status.COMPLETE)], 60) == {
        ("okx", "BTC-USDT-PERP"): {base.bar_start_us}
    }
    assert minutes_of([wide], 60) == {}
