"""The cases of the fault matrix: what goes wrong, how it is felt, and what must be said of it."""

from collections.abc import Callable

from collectors.venue import Channel
from schemas.books import BookState
from schemas.ops import QualityKind
from simulator.faults import (
    ClockJump,
    Close,
    Corrupt,
    Delay,
    Drop,
    Duplicate,
    Fault,
    HalfOpen,
    Maintenance,
    MaxAge,
    Refuse,
    Reorder,
    ResetBooks,
    RestHang,
    RestSlow,
    RestWrong,
    Silence,
    SlowPongs,
    Throttle,
    Truncate,
)
from tests.faults.venues.bench import Bench
from tests.faults.venues.incident import US, Case, Felt, Incident
from tests.faults.venues.witness import GAPLESS

FLIPS = 40
"""So many changed bytes never leave a frame that can be read, let alone a trade of another size."""

JUMP_US = 7_207_000
SEND_LIMITS = {"binance.spot": 5, "binance.usdm": 10, "okx": 3, "bybit": 20, "hyperliquid": 33}
"""Messages of ours a second that a venue bears on one connection."""


def _touched(number: int) -> Felt:
    return lambda incident: incident.touched >= number


def _noted(kind: QualityKind) -> Felt:
    return lambda incident: incident.noted(kind)


def _lasted(seconds: float) -> Felt:
    return lambda incident: incident.lasted(seconds)


def _gapless(feed: str) -> tuple[QualityKind, ...]:
    return (QualityKind.GAP, QualityKind.GAP_REPAIRED) if feed in GAPLESS else ()


def _resync(feed: str) -> tuple[QualityKind, ...]:
    return () if feed.startswith("hyperliquid") else (QualityKind.RESYNC,)


def _silent_book(feed: str) -> tuple[QualityKind, ...]:
    return (QualityKind.RESYNC,)


def _always(*kinds: QualityKind) -> Callable[[str], tuple[QualityKind, ...]]:
    return lambda feed: kinds


def _trades(at: Bench, feed: str) -> str:
    return at.stream(feed, Channel.TRADES)


def _book(at: Bench, feed: str) -> str:
    return at.stream(feed, Channel.BOOK)


def _rate_of(feed: str) -> int:
    return SEND_LIMITS.get(feed) or SEND_LIMITS[feed.split(".", maxsplit=1)[0]]


def _cut(feed: str) -> Fault:
    return Close(feed=feed, code=1006)


def _refused(feed: str, status: int, retry_after_seconds: int | None = None) -> list[Fault]:
    """Refuse handshakes, counted apart from calls, and cut what is open."""
    after = retry_after_seconds
    return [
        Refuse(feed=feed, status=status, retry_after_seconds=after, rest=False),
        Refuse(feed=feed, status=status, retry_after_seconds=after, handshakes=False),
        _cut(feed),
    ]


def _refused_twice(incident: Incident) -> bool:
    return incident.touched >= 2 and incident.said(incident.case.words)


FRAME_CASES = (
    Case(
        "trades dropped",
        lambda at, feed: [Drop(feed=feed, stream=_trades(at, feed), every=3)],
        lambda one: one.touched >= 3 and (one.feed not in GAPLESS or one.noted(QualityKind.GAP)),
        says=_gapless,
        one=True,
        unseen=True,
    ),
    Case(
        "book updates dropped",
        lambda at, feed: [Drop(feed=feed, stream=_book(at, feed), every=9)],
        lambda one: (
            one.touched >= 2 and (one.feed.startswith("hyperliquid") or one.book_was(BookState.GAP))
        ),
        says=_resync,
        one=True,
    ),
    Case(
        "trades silent",
        lambda at, feed: [Silence(feed=feed, stream=_trades(at, feed))],
        lambda one: one.touched >= 3 and one.lasted(8),
        says=_gapless,
        one=True,
        unseen=True,
    ),
    Case(
        "book silent",
        lambda at, feed: [Silence(feed=feed, stream=_book(at, feed))],
        lambda one: one.book_was(BookState.SILENT) and one.lasted(9),
        says=_silent_book,
        one=True,
    ),
    Case(
        "everything silent",
        lambda at, feed: [Silence(feed=feed)],
        _noted(QualityKind.STALE),
        says=_always(QualityKind.STALE, QualityKind.CONNECTED),
        words="no word on any stream",
        reconnects=True,
    ),
    Case(
        "delayed",
        lambda at, feed: [Delay(feed=feed, at_least_ms=50, up_to_ms=900)],
        lambda one: one.touched >= 100 and one.lasted(5),
    ),
    Case(
        "duplicated",
        lambda at, feed: [Duplicate(feed=feed, copies=2)],
        lambda one: one.touched >= 100 and one.lasted(5),
    ),
    Case(
        "trades reordered",
        lambda at, feed: [Reorder(feed=feed, stream=_trades(at, feed), window=2, hold_ms=700)],
        lambda one: one.touched >= 4,
        one=True,
    ),
    Case(
        "book updates reordered",
        lambda at, feed: [Reorder(feed=feed, stream=_book(at, feed), window=3)],
        lambda one: one.touched >= 4,
        says=_resync,
        one=True,
    ),
    Case(
        "trades corrupted",
        lambda at, feed: [Corrupt(feed=feed, stream=_trades(at, feed), flips=FLIPS, every=2)],
        lambda one: one.touched >= 3 and (one.feed not in GAPLESS or one.noted(QualityKind.GAP)),
        says=_gapless,
        one=True,
        unseen=True,
        damages=True,
    ),
    Case(
        "no text",
        lambda at, feed: [Corrupt(feed=feed, flips=FLIPS, binary=True, count=60, every=3)],
        _touched(60),
        unseen=True,
        damages=True,
    ),
    Case(
        "cut off",
        lambda at, feed: [
            Truncate(feed=feed, stream=_trades(at, feed), every=2),
            Truncate(feed=feed, stream=_book(at, feed), every=9, count=3),
        ],
        _touched(2),
        one=True,
        unseen=True,
        damages=True,
    ),
)

CONNECTION_CASES = (
    Case(
        "half-open",
        lambda at, feed: [HalfOpen(feed=feed)],
        _noted(QualityKind.STALE),
        says=_always(QualityKind.STALE, QualityKind.CONNECTED),
        words="nothing heard for",
        reconnects=True,
    ),
    Case(
        "slow pongs",
        lambda at, feed: [SlowPongs(feed=feed, seconds=1.5), Silence(feed=feed)],
        _lasted(9),
        unseen=True,
    ),
    Case(
        "cut",
        lambda at, feed: [_cut(feed)],
        _noted(QualityKind.DISCONNECTED),
        says=_always(QualityKind.DISCONNECTED, QualityKind.CONNECTED),
        words="closed by the venue",
        reconnects=True,
    ),
    Case(
        "closed",
        lambda at, feed: [Close(feed=feed, code=1012)],
        _noted(QualityKind.DISCONNECTED),
        says=_always(QualityKind.DISCONNECTED, QualityKind.CONNECTED),
        words="1012",
        reconnects=True,
    ),
    Case(
        "throttled",
        lambda at, feed: [Throttle(feed=feed, messages=_rate_of(feed)), _cut(feed)],
        lambda one: one.noted(QualityKind.CONNECTED) and one.lasted(6),
        says=_always(QualityKind.CONNECTED),
        reconnects=True,
    ),
    Case(
        "maintenance",
        lambda at, feed: [Maintenance(feed=feed, after_seconds=2.0)],
        lambda one: one.noted(QualityKind.ROTATED) or one.noted(QualityKind.DISCONNECTED),
        says=_always(QualityKind.CONNECTED),
        reconnects=True,
    ),
    Case(
        "too old",
        lambda at, feed: [MaxAge(feed=feed, seconds=0.1, until_us=4 * US)],
        _noted(QualityKind.DISCONNECTED),
        says=_always(QualityKind.DISCONNECTED, QualityKind.CONNECTED),
        reconnects=True,
    ),
)

REQUEST_CASES = (
    Case(
        "away",
        lambda at, feed: _refused(feed, status=503),
        _refused_twice,
        says=_always(QualityKind.DISCONNECTED, QualityKind.CONNECTED),
        words="HTTP 503",
        reconnects=True,
        refuses=True,
    ),
    Case(
        "too many requests",
        lambda at, feed: _refused(feed, status=429, retry_after_seconds=1),
        _refused_twice,
        says=_always(QualityKind.RATE_LIMITED, QualityKind.CONNECTED),
        words="too many requests (HTTP 429)",
        reconnects=True,
        refuses=True,
    ),
    Case(
        "banned",
        lambda at, feed: _refused(feed, status=418, retry_after_seconds=1),
        _refused_twice,
        says=_always(QualityKind.RATE_LIMITED, QualityKind.CONNECTED),
        words="banned for a while (HTTP 418)",
        reconnects=True,
        refuses=True,
    ),
    Case(
        "denied",
        lambda at, feed: _refused(feed, status=403),
        _refused_twice,
        says=_always(QualityKind.REFUSED, QualityKind.CONNECTED),
        words="access denied, by rate or by location (HTTP 403)",
        reconnects=True,
        refuses=True,
    ),
    Case(
        "geo-blocked",
        lambda at, feed: _refused(feed, status=451),
        _refused_twice,
        says=_always(QualityKind.REFUSED, QualityKind.CONNECTED),
        words="not served to this location (geo-block) (HTTP 451)",
        reconnects=True,
        refuses=True,
    ),
    Case(
        "REST hangs",
        lambda at, feed: [RestHang(feed=feed), _cut(feed)],
        lambda one: one.noted(QualityKind.CONNECTED) and one.lasted(6),
        says=_always(QualityKind.DISCONNECTED, QualityKind.CONNECTED),
        reconnects=True,
    ),
    Case(
        "REST slow",
        lambda at, feed: [RestSlow(feed=feed, seconds=0.7), _cut(feed)],
        lambda one: one.noted(QualityKind.CONNECTED) and one.lasted(8),
        says=_always(QualityKind.DISCONNECTED, QualityKind.CONNECTED),
        reconnects=True,
    ),
    Case(
        "REST cut off",
        lambda at, feed: [RestWrong(feed=feed), _cut(feed)],
        lambda one: one.noted(QualityKind.CONNECTED) and one.lasted(6),
        says=_always(QualityKind.DISCONNECTED, QualityKind.CONNECTED),
        reconnects=True,
    ),
)

FEED_CASES = (
    Case(
        "books begin anew",
        lambda at, feed: [ResetBooks(feed=feed)],
        _lasted(4),
        restarts=True,
    ),
    Case(
        "clock ahead",
        lambda at, feed: [ClockJump(feed=feed, seconds=JUMP_US / US)],
        _lasted(10),
        shift_us=JUMP_US,
    ),
    Case(
        "clock behind",
        lambda at, feed: [ClockJump(feed=feed, seconds=-JUMP_US / US)],
        _lasted(10),
        shift_us=-JUMP_US,
    ),
)

CASES = (*FRAME_CASES, *CONNECTION_CASES, *REQUEST_CASES, *FEED_CASES)
