"""The data: feeds as they are now, what was missing, clocks, and whether bars add up.

Spans end at the newest word on quality in the store and not at this machine's clock: a market may
be simulated at another speed, and a store may be of yesterday.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from runtime.cli.doctor.asking import Asker, Rows
from runtime.cli.doctor.thresholds import BOOKS_US, CLOCK_FOR_US, GAPS_US, REFUSED_US
from runtime.cli.stages import stage
from schemas.units import US_PER_HOUR

CONSERVED_US = 2 * US_PER_HOUR
"""How much of the bars is asked whether it adds up."""

LEAST_SUMMARIES = 6
"""A minute: fewer do not say that something lasts."""

_SINCE = "fromUnixTimestamp64Micro({since:Int64}, 'UTC')"
_STREAMS = f"""
SELECT venue, symbol, stream, argMax(state, at) AS now_state,
       toUnixTimestamp64Micro(max(if(is_change, at, toDateTime64(0, 6, 'UTC')))) AS since_us,
       toUnixTimestamp64Micro(max(at)) AS told_us
FROM (
    SELECT venue, symbol, stream, toString(feed_state) AS state, to_time AS at, false AS is_change
    FROM feed_summaries_log WHERE from_time >= {_SINCE}
    UNION ALL
    SELECT venue, symbol, stream, arrayElement(splitByString(' -> ', detail), -1) AS state,
           log_time AS at, true AS is_change
    FROM quality_log WHERE kind = 'feed_state' AND log_time >= {_SINCE}
)
GROUP BY venue, symbol, stream ORDER BY venue, symbol, stream
"""  # noqa: S608  # our own
_GAPS = f"""
SELECT venue, countIf(log_time >= fromUnixTimestamp64Micro({{recent:Int64}}, 'UTC')), count()
FROM quality_log FINAL
WHERE kind = 'gap_permanent' AND log_time >= {_SINCE}
GROUP BY venue ORDER BY venue
"""  # noqa: S608  # our own
_REFUSED = f"""
SELECT venue, argMax(detail, log_time), toUnixTimestamp64Micro(max(log_time))
FROM quality_log WHERE kind = 'refused' AND log_time >= {_SINCE}
GROUP BY venue ORDER BY venue
"""  # noqa: S608  # our own
_BOOKS = f"""
SELECT venue, symbol, stream, sum(invalid_us), sum(dateDiff('microsecond', from_time, to_time))
FROM feed_summaries_log WHERE from_time >= {_SINCE} AND invalid_us > 0
GROUP BY venue, symbol, stream ORDER BY venue, symbol, stream
"""  # noqa: S608  # our own
_CLOCKS = f"""
SELECT venue, stream, max(clock_offset_us) AS best, count() AS summaries
FROM feed_summaries_log WHERE from_time >= {_SINCE} AND clock_offset_us IS NOT NULL
GROUP BY venue, stream HAVING summaries >= {LEAST_SUMMARIES}
ORDER BY best LIMIT 1
"""  # noqa: S608  # our own


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream now.

    `since_us` is when its state changed, 0 where that is more than an hour ago; `told_us` is when
    it was last heard of.
    """

    venue: str
    symbol: str
    stream: str
    state: str
    since_us: int
    told_us: int


@dataclass(frozen=True, slots=True)
class DataSeen:
    """What the store says of the data before `until_us`, the newest word on quality.

    `gaps` has, by venue, how many nothing filled in 15 minutes and in an hour. `refused` has the
    newest reason by venue, and when. `books` are those that could not be used for two minutes.
    `clock` is the stream with the least offset, which is in microseconds. `broken` counts bars, and
    names the newest.
    """

    until_us: int
    streams: Sequence[Stream] = ()
    gaps: Sequence[tuple[str, int, int]] = ()
    refused: Sequence[tuple[str, str, int]] = ()
    books: Sequence[tuple[str, str]] = ()
    clock: tuple[str, int] | None = None
    broken: tuple[int, str] = (0, "")
    problems: dict[str, str] = field(default_factory=dict)


def look_at_data(asker: Asker, until_us: int) -> DataSeen:
    """See how the data stands; the newest trade or word on quality ends the spans."""
    hour = {"since": until_us - US_PER_HOUR}
    broken = stage("sinks.clickhouse.conservation").newest_broken_bar
    streams = asker.ask("feeds", _STREAMS, hour)
    gaps = asker.ask("gaps", _GAPS, {**hour, "recent": until_us - GAPS_US})
    refused = asker.ask("refusals", _REFUSED, {"since": until_us - REFUSED_US})
    books = asker.ask("books", _BOOKS, {"since": until_us - BOOKS_US})
    clocks = asker.ask("clock", _CLOCKS, {"since": until_us - CLOCK_FOR_US})
    return DataSeen(
        until_us=until_us,
        streams=[Stream(*row) for row in streams],
        gaps=[(str(venue), int(recent), int(hourly)) for venue, recent, hourly in gaps],
        refused=[(str(venue), str(detail), int(at_us)) for venue, detail, at_us in refused],
        books=unusable(books),
        clock=(f"{clocks[0][0]} {clocks[0][1]}", int(clocks[0][2])) if clocks else None,
        broken=asker.run(
            "conservation", lambda: broken(asker.reader, until_us, CONSERVED_US), (0, "")
        ),
        problems=asker.problems,
    )


def unusable(rows: Rows) -> list[tuple[str, str]]:
    """Return the books that could not be used for all of two minutes, or nearly."""
    least = 0.75 * BOOKS_US  # a summary is missing at each end
    return [
        (str(venue), str(symbol))
        for venue, symbol, _, invalid, told in rows
        if told >= least and invalid >= 0.95 * told
    ]
