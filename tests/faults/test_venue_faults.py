"""The fault matrix: each fault of the simulator against each venue, and what is left of the data.

Several venues are in trouble at once, each its own: a round. That keeps the matrix short, and shows
that no venue's trouble is another's.
"""

import asyncio
import time

import pytest

from simulator.catalogue import FEEDS
from tests.faults.venues.bench import Bench, bench, hurry
from tests.faults.venues.cases import CASES
from tests.faults.venues.incident import Case, Incident
from tests.faults.venues.verdict import complaints
from tests.faults.venues.witness import Witness

FEEDS_AT_ONCE = 5
MOST_CPU = 0.9
"""Of a core, simulator included; about half of it is used where nothing is wrong."""

Round = tuple[tuple[str, Case], ...]


def _diagonal() -> list[Round]:
    """Return rounds in which every case comes up, and every feed several times."""
    pairs = [(FEEDS[number % len(FEEDS)], case) for number, case in enumerate(CASES)]
    return [tuple(pairs[n : n + FEEDS_AT_ONCE]) for n in range(0, len(pairs), FEEDS_AT_ONCE)]


def _others() -> list[Round]:
    """Return rounds of all other pairs, each feed at most once in a round."""
    done = {pair for one in _diagonal() for pair in one}
    left = [
        (FEEDS[(number + turn) % len(FEEDS)], case)
        for turn in range(1, len(FEEDS))
        for number, case in enumerate(CASES)
    ]
    assert not done & set(left)
    return [tuple(left[n : n + FEEDS_AT_ONCE]) for n in range(0, len(left), FEEDS_AT_ONCE)]


def _name(one: Round) -> str:
    return one[0][1].name.replace(" ", "-") + "@" + one[0][0]


async def _suffer(at: Bench, feed: str, case: Case) -> Incident:
    """Let one feed be well, fall ill and recover."""
    incident = Incident(at, feed, case)
    await at.until_healthy(feed, at.now_us())
    incident.began_us = at.now_us()
    incident.applied = [at.apply(fault) for fault in case.faults(at, feed)]
    await at.until(lambda: case.felt(incident), f"{feed} to feel {case}")
    for applied in incident.applied:
        at.simulator.lift(applied)
    incident.ended_us = at.now_us()
    await at.until_recovered([feed])
    incident.healed_us = at.now_us()
    return incident


async def _play(one: Round) -> list[str]:
    """Play a round and return everything that is wrong afterwards."""
    feeds = tuple(feed for feed, _ in one)
    async with bench(feeds) as at:
        began, cpu = time.monotonic(), time.process_time()
        incidents = await asyncio.gather(
            *(_suffer(at, feed, case) for feed, case in one), return_exceptions=True
        )
        seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    witness = Witness(at.now_us())
    wrong = [str(error) for error in incidents if isinstance(error, BaseException)]
    for incident in incidents:
        if isinstance(incident, Incident):
            wrong += complaints(incident, witness, seconds)
    if cpu > MOST_CPU * seconds:
        wrong.append(f"{cpu:.1f} s of CPU in {seconds:.1f} s")
    return wrong


@pytest.mark.parametrize("one", _diagonal(), ids=_name)
async def test_a_fault_of_each_kind_costs_nothing_that_is_not_on_record(
    one: Round, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    assert await _play(one) == []


@pytest.mark.long
@pytest.mark.parametrize("one", _others(), ids=_name)
async def test_every_fault_at_every_venue_costs_nothing_that_is_not_on_record(
    one: Round, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    assert await _play(one) == []
