"""What the doctor says of a log, from what is seen of it."""

from dataclasses import replace

import pytest

from runtime.bus.look import LogSeen, Saved, Seen, Waiting
from runtime.cli.doctor import log
from runtime.cli.doctor.findings import Finding, State
from runtime.cli.doctor.thresholds import (
    PROCESSOR_LAG_RECORDS,
    SILENT_US,
    SINK_LAG_RECORDS,
    SNAPSHOT_US,
    STUCK_US,
    WEBHOOK_US,
)
from runtime.cli.lag import STORE, WEBHOOK
from runtime.settings import load_settings
from schemas.topics import ALERTS, BOOKS, FOOTPRINTS, INSTRUMENTS, TRADES

NOW_US = 1_800_000_000_000_000
OK, WARN, WRONG = State.OK, State.WARN, State.WRONG


def said(finding: Finding) -> tuple[State, str]:
    assert bool(finding.do) == (finding.state is not OK)
    assert "\n" not in finding.sees + finding.do
    return finding.state, f"{finding.sees} {finding.do}"


def aged(**ages_us: int | None) -> LogSeen:
    """Return a log whose topics have newest records of these ages."""
    names = {"trades": TRADES.name, "books": BOOKS.name, "instruments": INSTRUMENTS.name}
    seen = {
        names[name]: Seen(0 if age is None else 1, None if age is None else NOW_US - age)
        for name, age in ages_us.items()
    }
    return LogSeen(topics=seen)


@pytest.mark.parametrize(
    ("seen", "runs", "state", "words"),
    [
        (aged(trades=1_000_000, books=2_000_000), True, OK, "trades 1 s ago, books 2 s ago"),
        (aged(trades=SILENT_US, books=SILENT_US), True, OK, "60 s ago"),
        (aged(trades=SILENT_US + 1, books=SILENT_US + 1), True, WRONG, "collectors are dead"),
        (aged(trades=SILENT_US + 1, instruments=0), True, WRONG, "collectors are dead"),
        (aged(trades=0, books=SILENT_US + 1), True, WARN, "nobody collects books"),
        (aged(trades=SILENT_US // 2, books=SILENT_US + 1), True, OK, "books 60 s ago"),
        (aged(trades=3_600_000_000 * 3, books=None), False, OK, "trades 3.0 h ago"),
        (aged(trades=0, books=SILENT_US + 1), False, OK, ""),
        (aged(trades=None, books=None), True, WARN, "nothing was collected yet"),
        (LogSeen(), False, WARN, "nothing was collected yet"),
    ],
)
def test_collectors_are_judged_by_the_age_of_what_they_write(
    seen: LogSeen, runs: bool, state: State, words: str
) -> None:
    found = said(log.judge_inputs(seen, NOW_US, runs=runs))
    assert found[0] is state
    assert words in found[1]


def test_trades_from_the_future_are_worth_a_look() -> None:
    def judged(ahead_us: int) -> tuple[State, str]:
        seen = Seen(1, NOW_US, NOW_US + ahead_us)
        return said(log.judge_market_time(LogSeen(topics={TRADES.name: seen})))

    assert judged(0)[0] is OK
    assert judged(61_000_000) == (WARN, "61 s ahead of this machine's clock `chronyc tracking`, "
        "if no market was simulated at another speed")  # fmt: skip
    assert "61 s behind" in judged(-61_000_000)[1]
    assert said(log.judge_market_time(LogSeen()))[0] is OK


def waiting(
    group: str, records: int, age_us: int | None, topic: str = TRADES.name, partition: int = 3
) -> Waiting:
    return Waiting(group, topic, partition, records, None if age_us is None else NOW_US - age_us)


PROCESSORS = "processors"


@pytest.mark.parametrize(
    ("group", "behind", "runs", "state", "words"),
    [
        (PROCESSORS, [], True, OK, "0 records wait"),
        (PROCESSORS, [waiting(PROCESSORS, 7, 1)], True, OK, "7 records wait, the oldest from 0 s"),
        # Much within a snapshot's interval is no lag: it is acknowledged with the next snapshot.
        (PROCESSORS, [waiting(PROCESSORS, PROCESSOR_LAG_RECORDS + 1, STUCK_US)], True, OK, ""),
        (
            PROCESSORS,
            [waiting(PROCESSORS, PROCESSOR_LAG_RECORDS + 1, STUCK_US + 1)],
            False,
            WRONG,
            "partition 3: 5,001 ProcessorBehind",
        ),
        (
            PROCESSORS,
            [waiting(PROCESSORS, PROCESSOR_LAG_RECORDS, STUCK_US + 1)],
            False,
            WARN,
            "they wait for `perptape up`, or `perptape process`",
        ),
        (PROCESSORS, [waiting(PROCESSORS, 1, STUCK_US + 1)], True, WRONG, "last lines"),
        (PROCESSORS, [waiting(STORE, 99_999, STUCK_US * 9)], True, OK, "0 records wait"),
        (STORE, [waiting(STORE, 15_000, STUCK_US + 1, TRADES.name),
                 waiting(STORE, 15_000, 0, BOOKS.name)], False, WARN, "30,000 records wait"),
        (STORE, [waiting(STORE, 15_000, None, FOOTPRINTS.name, 1),
                 waiting(STORE, 15_000, None, FOOTPRINTS.name, 2)], True, WRONG,
         f"{FOOTPRINTS.name}: 30,000 SinkBehind"),
        (STORE, [waiting(STORE, SINK_LAG_RECORDS, None, FOOTPRINTS.name)], True, OK, "20,000"),
        (WEBHOOK, [waiting(WEBHOOK, 9, WEBHOOK_US, ALERTS.name)], True, OK, "9 records wait"),
        (WEBHOOK, [waiting(WEBHOOK, 1, WEBHOOK_US + 1, ALERTS.name)], True, WRONG,
         "start `perptape sink webhook`, or see"),
    ],
)  # fmt: skip
def test_readers_are_judged_by_what_waits_and_since_when(
    group: str, behind: list[Waiting], runs: bool, state: State, words: str
) -> None:
    found = said(log.judge_waiting(group, LogSeen(waiting=behind), NOW_US, runs=runs))
    assert found[0] is state
    assert words in found[1]


def test_a_group_without_members_is_wrong_while_collectors_run() -> None:
    behind = LogSeen(waiting=[waiting(PROCESSORS, 5, 1_000_000)], members={PROCESSORS: 0})
    assert said(log.judge_waiting(PROCESSORS, behind, NOW_US, runs=True))[0] is WRONG
    assert said(log.judge_waiting(PROCESSORS, behind, NOW_US, runs=False))[0] is OK
    joined = replace(behind, members={PROCESSORS: 2})
    assert said(log.judge_waiting(PROCESSORS, joined, NOW_US, runs=True)) == (
        OK,
        "5 records wait, the oldest from 1 s ago, 2 in the group ",
    )


@pytest.mark.parametrize(
    ("saved", "state", "words"),
    [
        ([], OK, "none needed yet"),
        ([Saved(1, NOW_US, NOW_US - SNAPSHOT_US), Saved(2, NOW_US, NOW_US)], OK, "of 2 partitions"),
        ([Saved(1, NOW_US, NOW_US - SNAPSHOT_US - 1), Saved(2, NOW_US, NOW_US)], WRONG,
         "partition 1: saved 15 min before its newest input SnapshotOld"),
        ([Saved(4, NOW_US, None), Saved(2, NOW_US, NOW_US)], WARN, "partitions 4: never saved"),
        ([Saved(4, NOW_US, None)], WARN, "never saved"),
    ],
)  # fmt: skip
def test_snapshots_are_judged_by_the_input_behind_them(
    saved: list[Saved], state: State, words: str
) -> None:
    found = said(log.judge_saved(saved, NOW_US))
    assert found[0] is state
    assert words in found[1]


def test_dead_letters_are_named_by_reason_most_first() -> None:
    assert said(log.judge_letters(LogSeen()))[0] is OK
    state, words = said(log.judge_letters(LogSeen(letters={"rare": 1, "malformed": 12})))
    assert state is WRONG
    assert "13 in the last hour: 12 malformed, 1 rare" in words
    assert "perptape deadletter list" in words
    assert "at least 1,000" in said(log.judge_letters(LogSeen(letters={"many": 1000})))[1]


def test_topics_that_differ_are_wrong_with_the_command_that_mends_them() -> None:
    differs = LogSeen(differences=["a: partitions is 1, wanted 2", "b: the topic is missing"])
    cluster = load_settings(bus="kafka://broker:9092")
    state, words = said(log.judge_topics(cluster, differs))
    assert state is WRONG
    assert "a: partitions is 1, wanted 2 (and 1 more) `perptape topics diff`" in words
    assert "in place" in said(log.judge_topics(load_settings(), differs))[1]
    assert said(log.judge_topics(cluster, LogSeen()))[0] is OK
