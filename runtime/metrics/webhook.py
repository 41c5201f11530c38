"""What the delivery of alerts counts."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from runtime.metrics.buckets import LATENCY_BUCKETS


class WebhookMetrics:
    """What the delivery of alerts counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.polls = Counter(
            "perptape_webhook_polls_total",
            "Times that the log was asked, also while a receiver is waited for.",
            registry=registry,
        )
        self.attempts = Counter(
            "perptape_webhook_attempts_total",
            "Requests to the receiver, by how they ended.",
            ("result",),
            registry=registry,
        )
        self.delivered = Counter(
            "perptape_webhook_delivered_alerts_total",
            "Alerts that the receiver took.",
            registry=registry,
        )
        self.skipped = Counter(
            "perptape_webhook_skipped_alerts_total",
            "Alerts that were too old to be sent.",
            registry=registry,
        )
        self.deadletters = Counter(
            "perptape_webhook_deadletters_total",
            "Alerts that the receiver refused, or that could not be read.",
            ("reason",),
            registry=registry,
        )
        self.request_seconds = Histogram(
            "perptape_webhook_request_seconds",
            "Time to the receiver's answer.",
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.lag = Gauge(
            "perptape_webhook_lag_records",
            "Alerts between the end of the topic and what was dealt with.",
            ("partition",),
            registry=registry,
        )
