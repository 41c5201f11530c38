"""From where on something is wrong: the figures of deploy/prometheus/rules/alerts.yml."""

from schemas.units import US_PER_MINUTE, US_PER_SECOND

DISK_FREE_BYTES = 5_000_000_000
"""DiskLow."""

SILENT_US = US_PER_MINUTE
"""FeedSilent, VenueDown: streams with nothing to say send a record each second."""

STALE_US = 120 * US_PER_SECOND
"""FeedStale."""

SPOOLED_US = 120 * US_PER_SECOND
"""LogAway."""

STUCK_US = 120 * US_PER_SECOND
"""ProcessorStuck."""

PROCESSOR_LAG_RECORDS = 5_000
"""ProcessorBehind: of a partition."""

SINK_LAG_RECORDS = 20_000
"""SinkBehind: of a topic."""

WEBHOOK_US = 300 * US_PER_SECOND
"""WebhookBehind: how long an alert may wait for its receiver."""

SNAPSHOT_US = 900 * US_PER_SECOND
"""SnapshotOld."""

GAPS = 3
"""GapsOfTrades: of a feed, that nothing filled, within `GAPS_US`."""

GAPS_US = 15 * US_PER_MINUTE
REFUSED_US = 15 * US_PER_MINUTE
"""Refused."""

CLOCK_US = 50_000
"""ClockOff: how much earlier than they happened trades may arrive, for `CLOCK_FOR_US`."""

CLOCK_FOR_US = 5 * US_PER_MINUTE
BOOKS_US = 2 * US_PER_MINUTE
"""BooksInvalid: for how long a book cannot be used."""

PARTS = 300
"""StorePartsHigh: in one partition of a table."""
