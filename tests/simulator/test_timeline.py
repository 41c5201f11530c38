"""Actions run at their times, in their order, whoever advances the timeline."""

import asyncio

from simulator.timeline import Timeline
from tests.simulator.support import START_US, ManualClock


def test_what_is_due_runs_in_time_order_and_ties_in_order_of_entry() -> None:
    timeline = Timeline(ManualClock())
    ran: list[str] = []
    timeline.at(START_US, lambda: ran.append("second"))
    timeline.at(START_US - 5, lambda: ran.append("first"))
    timeline.at(START_US, lambda: ran.append("third"))
    timeline.at(START_US + 1, lambda: ran.append("not yet"))
    assert ran == []
    timeline.advance()
    assert ran == ["first", "second", "third"]


def test_an_action_may_enter_another_and_does_not_run_it_from_within() -> None:
    timeline = Timeline(ManualClock())
    ran: list[str] = []

    def outer() -> None:
        timeline.at(START_US, lambda: ran.append("inner"))
        timeline.advance()
        ran.append("outer")

    timeline.at(START_US, outer)
    timeline.advance()
    assert ran == ["outer", "inner"]


async def test_it_runs_by_itself_and_wakes_for_what_is_entered_in_front() -> None:
    clock = ManualClock()
    timeline = Timeline(clock)
    ran: list[tuple[str, int]] = []

    def note(name: str) -> None:
        ran.append((name, clock.now_us() - START_US))

    running = asyncio.create_task(timeline.run())
    timeline.at(START_US + 2_000_000, lambda: note("late"))
    for _ in range(3):
        await asyncio.sleep(0)
    timeline.at(START_US + 1_000_000, lambda: note("early"))
    for _ in range(3):
        await asyncio.sleep(0)
    await clock.advance(3)
    running.cancel()
    assert ran == [("early", 1_000_000), ("late", 2_000_000)]
