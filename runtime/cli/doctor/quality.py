"""Judge the data: feeds by venue, gaps, books, clocks, conservation."""

from collections import Counter

from runtime.cli.doctor.data import CONSERVED_US, DataSeen, Stream
from runtime.cli.doctor.findings import Finding, duration, ok, some, warn, wrong
from runtime.cli.doctor.store import unanswered
from runtime.cli.doctor.thresholds import CLOCK_US, GAPS, SILENT_US, STALE_US

DEAD = {"down": SILENT_US, "stale": STALE_US}
"""For how long a stream may be in a state in which nothing comes."""

TOO_LONG = ("TIMEOUT", "TIMED OUT", "TAKES TOO LONG")
BROKEN = "do not trade on them; ConservationBroken in deploy/README.md says what broke what"


def judge_data(seen: DataSeen, *, runs: bool) -> list[Finding]:
    """Judge the data.

    Args:
        seen: of the store.
        runs: whether something runs; otherwise feeds are as they were left, and not dead.
    """
    venues = sorted({one.venue for one in seen.streams} | {venue for venue, _, _ in seen.refused})
    found = [judge_feed(venue, seen, runs=runs) for venue in venues]
    asked = {
        "gaps": judge_gaps(seen),
        "books": judge_books(seen, runs=runs),
        "clock": judge_clock(seen),
        "conservation": judge_conservation(seen),
    }
    for name in ("feeds", "refusals"):
        if name in seen.problems:
            found.append(unanswered(name, seen.problems[name]))
    for name, finding in asked.items():
        problem = seen.problems.get(name)
        found.append(finding if problem is None else unjudged(name, problem))
    return found


def unjudged(name: str, problem: str) -> Finding:
    """Say that a question had no answer; of conservation, which is much work, that is no fault."""
    if name == "conservation" and any(words in problem.upper() for words in TOO_LONG):
        do = "`perptape_sink_broken_bars` of the sink, or the view `conservation`, has the answer"
        return warn(name, "two hours of bars took too long", do)
    return unanswered(name, problem)


def judge_feed(venue: str, seen: DataSeen, *, runs: bool) -> Finding:
    """Judge the streams of a venue, and whether it refuses us."""
    name = f"feed {venue}"
    streams = [one for one in seen.streams if one.venue == venue]
    counts = Counter(one.state for one in streams)
    sees = ", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "no stream"
    if not runs:
        return ok(name, f"as it was left: {sees}")
    refusals = [detail for who, detail, _ in seen.refused if who == venue]
    if refusals:
        do = "Refused in deploy/README.md: a location, a limit, an instrument that is gone"
        return wrong(name, f"{sees}; refused: {refusals[0]}", do)
    dead = [one for one in streams if seen.until_us - one.since_us > DEAD.get(one.state, 1 << 62)]
    if dead:
        do = (
            "VenueDown, FeedStale in deploy/README.md; what was left out on purpose goes in an hour"
        )
        return wrong(name, f"{sees}: {_named(dead)}", do)
    lost = [one for one in streams if one.state not in DEAD and _is_lost(one, seen)]
    if lost:
        do = "its collector was killed or stands still: see its last lines, and start it again"
        return wrong(name, f"{sees}: no word for two minutes of {_named(lost)}", do)
    troubled = [one for one in streams if one.state in DEAD]
    if troubled:
        return warn(name, f"{sees}: {_named(troubled)}", "nothing yet: it reconnects by itself")
    return ok(name, sees)


def _is_lost(stream: Stream, seen: DataSeen) -> bool:
    """Say whether nothing is heard of a stream, of which there is a summary every 10 s."""
    return seen.until_us - stream.told_us > STALE_US


def _named(streams: list[Stream]) -> str:
    return some([f"{one.symbol} {one.stream} {one.state}" for one in streams])


def judge_gaps(seen: DataSeen) -> Finding:
    """Judge the gaps that nothing filled."""
    sees = ", ".join(
        f"{venue} {hourly} in an hour ({recent} in 15 min)" for venue, recent, hourly in seen.gaps
    )
    if any(recent > GAPS for _, recent, _ in seen.gaps):
        do = "GapsOfTrades in deploy/README.md: their bars stay partial; `redundant` holds spares"
        return wrong("gaps", f"not filled: {sees}", do)
    if seen.gaps:
        return warn("gaps", f"not filled: {sees}", "nothing: their bars stay partial")
    return ok("gaps", "none in an hour that was not filled")


def judge_books(seen: DataSeen, *, runs: bool) -> Finding:
    """Judge the books that cannot be used."""
    if not seen.books:
        return ok("books", "none invalid for two minutes")
    sees = f"invalid: {', '.join(f'{venue} {symbol}' for venue, symbol in seen.books[:5])}"
    do = "BooksInvalid in deploy/README.md: restart that collector if they do not come back"
    return wrong("books", sees, do) if runs else warn("books", f"as they were left, {sees}", do)


def judge_clock(seen: DataSeen) -> Finding:
    """Judge this machine's clock by those of the venues: nothing arrives before it happened."""
    if seen.clock is None:
        return ok("clock", "too little live data to tell")
    stream, offset_us = seen.clock
    if offset_us < -CLOCK_US:
        sees = f"trades of {stream} arrive {-offset_us / 1000:,.0f} ms before they happen"
        return wrong("clock", sees, "set this machine's clock: `chronyc tracking`")
    return ok("clock", f"{offset_us / 1000:,.1f} ms behind the first of the venues, at least")


def judge_conservation(seen: DataSeen) -> Finding:
    """Judge whether the final bars of two hours add up."""
    count, newest = seen.broken
    if count:
        return wrong(
            "conservation", f"{count:,} bars of two hours are broken, e.g. {newest}", BROKEN
        )
    return ok("conservation", f"no broken bar in the {duration(CONSERVED_US)} before the newest")
