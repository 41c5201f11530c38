"""What a collector counts."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from runtime.metrics.buckets import LATENCY_BUCKETS


class CollectorMetrics:
    """What a collector counts; a feed is one product of one venue."""

    def __init__(self, registry: CollectorRegistry) -> None:
        feed = ("venue", "feed")
        self.messages = Counter(
            "perptape_collector_messages_total", "Frames received.", feed, registry=registry
        )
        self.trades = Counter(
            "perptape_collector_trades_total", "Trades accepted.", feed, registry=registry
        )
        self.records = Counter(
            "perptape_collector_records_total",
            "Records made, by dataset.",
            (*feed, "dataset"),
            registry=registry,
        )
        self.findings = Counter(
            "perptape_collector_findings_total",
            "What went wrong or was set right: gaps, repairs, resyncs, refusals, rotations.",
            (*feed, "kind"),
            registry=registry,
        )
        self.invalid_books = Gauge(
            "perptape_collector_invalid_books",
            "Books that cannot be used now.",
            feed,
            registry=registry,
        )
        self.spooled = Gauge(
            "perptape_collector_spooled_records",
            "Records that wait on disk for the log.",
            registry=registry,
        )
        self.dropped = Gauge(
            "perptape_collector_dropped_records",
            "Records given up because the log was away for too long.",
            registry=registry,
        )
        self.rejected = Counter(
            "perptape_collector_rejected_total",
            "Frames or items that could not be used.",
            (*feed, "reason"),
            registry=registry,
        )
        self.reconnects = Counter(
            "perptape_collector_reconnects_total",
            "Connections made again after one was lost.",
            feed,
            registry=registry,
        )
        self.connected = Gauge(
            "perptape_collector_connected_connections",
            "Connections that are up.",
            feed,
            registry=registry,
        )
        self.last_event = Gauge(
            "perptape_collector_last_event_timestamp_seconds",
            "Venue time of the newest trade.",
            feed,
            registry=registry,
        )
        self.clock_offset = Gauge(
            "perptape_collector_clock_offset_seconds",
            "Least lag of all streams in a minute: below zero our clock is behind the venue's.",
            feed,
            registry=registry,
        )
        self.venue_to_receive = Histogram(
            "perptape_collector_venue_to_receive_seconds",
            "From the venue's time of a trade to its receipt, clocks as they are.",
            feed,
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
