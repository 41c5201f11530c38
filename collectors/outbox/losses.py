"""What had to be given up on the way to the log, summed per asset until it can be put on record.

A record of a loss travels the same way as the data and may be given up itself. It is then summed
up again with the rest, so that the losses of a long outage end as one gap, not as none.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from runtime.bus.protocol import Outgoing
from schemas.ops import QualityEvent, QualityKind
from schemas.topics import QUALITY, TOPICS

STREAM = "outbox"
MAX_ASSETS = 4096
"""Losses of further assets are summed under the empty name."""

_DETAIL_LIMIT = 500
_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(QualityEvent).decode


@dataclass(slots=True)
class _Tally:
    """The losses of one asset: how many of what, between which times."""

    from_us: int
    to_us: int
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, what: str, count: int, from_us: int, to_us: int) -> None:
        self.counts[what] = self.counts.get(what, 0) + count
        self.from_us = min(self.from_us, from_us)
        self.to_us = max(self.to_us, to_us)


class Losses:
    """Counts of what was given up.

    `total` is all records so far; what is not on record yet makes it true.
    """

    def __init__(self) -> None:
        self.total = 0
        self._tallies: dict[str, _Tally] = {}

    def __bool__(self) -> bool:
        return bool(self._tallies)

    def add(self, records: Iterable[Outgoing], reason: str) -> None:
        """Count records that are given up."""
        for record in records:
            earlier = _recorded_loss(record)
            if earlier is not None:
                self._tally(
                    earlier.asset, "recorded before", earlier.count, earlier.from_us, earlier.to_us
                )
                continue
            self.total += 1
            time_us = record.timestamp_us
            self._tally(_asset(record), f"{record.topic} ({reason})", 1, time_us, time_us)

    def add_unreadable(self, count: int, from_us: int, to_us: int, reason: str) -> None:
        """Count records of which nothing is known but when they were put."""
        self.total += count
        self._tally("", f"unreadable ({reason})", count, from_us, to_us)

    def take(self) -> list[Outgoing]:
        """Return the records of all losses that are not on record yet, one for each asset."""
        taken, self._tallies = self._tallies, {}
        return [_record(asset, tally) for asset, tally in taken.items()]

    def _tally(self, asset: str, what: str, count: int, from_us: int, to_us: int) -> None:
        if asset not in self._tallies and len(self._tallies) >= MAX_ASSETS:
            asset = ""
        tally = self._tallies.setdefault(asset, _Tally(from_us, to_us))
        tally.add(what, count, from_us, to_us)


def _asset(record: Outgoing) -> str:
    topic = TOPICS.get(record.topic)
    keyed = topic is not None and topic.key == "asset"
    return record.key.decode("utf-8", "replace") if keyed else ""


def _recorded_loss(record: Outgoing) -> QualityEvent | None:
    """Return the loss that a record of ours reports, if it is one."""
    if record.topic != QUALITY.name or record.value is None:
        return None
    try:
        event = _decode(record.value)
    except msgspec.MsgspecError:  # left in a spool by another version
        return None
    return event if event.stream == STREAM and event.kind is QualityKind.GAP else None


def _record(asset: str, tally: _Tally) -> Outgoing:
    parts = ", ".join(f"{count} of {what}" for what, count in sorted(tally.counts.items()))
    event = QualityEvent(
        kind=QualityKind.GAP,
        venue="",
        symbol="",
        asset=asset,
        stream=STREAM,
        session="",
        from_us=tally.from_us,
        to_us=tally.to_us,
        count=sum(tally.counts.values()),
        detail=f"records given up before the log had them: {parts}"[:_DETAIL_LIMIT],
        log_time_us=tally.to_us,
    )
    return Outgoing(QUALITY.name, asset.encode(), _encode(event), tally.to_us)
