"""Faust's application: one agent on the topic of trades, and everything else off."""

import logging
from collections.abc import Mapping
from typing import Any

import faust
from yarl import URL

from processors.faust.reader import Owner, Transport
from processors.partitions import GROUP, SOURCE
from runtime.bus.kafka.bus import HEARTBEAT_SECONDS, PARTITION_FETCH_BYTES
from runtime.bus.kafka.settings import CLIENT_ID, KafkaSettings, brokers_of, client_options

COMMIT_SECONDS = 1.0
REQUEST_SECONDS = 90.0
"""How long Faust gives a request, and the restoring of all partitions."""

GROUP_SECONDS = 10.0
"""How much longer than a session a member waits for an answer of its group."""

MOST_POLL_SECONDS = 120.0


class App(faust.App):
    """An application that leaves the disk alone."""

    def _create_directories(self) -> None:
        """Make none: they are for tables on disk."""


async def _stand_by(stream: Any) -> None:
    """Have the topic subscribed; records go to the owner and never come here."""
    async for _ in stream:
        pass


def make_app(bus_name: str, kafka: KafkaSettings, most_records: int, owner: Owner) -> App:
    """Return an application that is not started yet.

    Args:
        bus_name: `kafka://host:port,host:port`.
        kafka: how to connect, and this process's name in the group.
        most_records: how many are fetched at once.
        owner: who works on the partitions.

    Raises:
        ConfigurationError: no such address, or wrong credentials.
    """
    options = client_options(brokers_of(bus_name), kafka)
    instance, session = kafka.instance, kafka.session_seconds
    app = App(
        GROUP,
        env={},
        version=1,
        autodiscover=False,
        broker=[URL(f"kafka://{address}") for address in options["bootstrap_servers"]],
        broker_client_id=CLIENT_ID,
        broker_credentials=_credentials(options),
        broker_commit_interval=COMMIT_SECONDS,
        broker_session_timeout=session,
        broker_heartbeat_interval=min(HEARTBEAT_SECONDS, session / 5),
        broker_request_timeout=max(REQUEST_SECONDS, session + GROUP_SECONDS),
        broker_max_poll_records=most_records,
        broker_max_poll_interval=MOST_POLL_SECONDS,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=f"{GROUP}.{instance}" if instance else None,
        consumer_max_fetch_size=PARTITION_FETCH_BYTES,
        key_serializer="raw",
        value_serializer="raw",
        processing_guarantee="at_least_once",
        stream_wait_empty=False,
        table_standby_replicas=0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        worker_redirect_stdouts=False,
    )
    app.boot_strategy.enable_web = False
    app.boot_strategy.enable_kafka_producer = False
    transport = Transport(app.conf.broker_consumer, app)
    transport.owner, transport.fetch_wait_ms = owner, kafka.fetch_wait_ms
    app.transport = transport
    topic = app.topic(SOURCE, key_type=bytes, value_type=bytes, acks=False)
    app.agent(topic, name="trades", concurrency=1)(_stand_by)
    _quieten()
    return app


def _credentials(options: Mapping[str, Any]) -> faust.SASLCredentials | faust.SSLCredentials | None:
    context = options.get("ssl_context")
    if "sasl_mechanism" in options:
        return faust.SASLCredentials(
            username=options["sasl_plain_username"],
            password=options["sasl_plain_password"],
            mechanism=options["sasl_mechanism"],
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context is not None else None


def _quieten() -> None:
    """Have the libraries say warnings and worse, through our logging."""
    least = max(logging.WARNING, logging.getLogger().getEffectiveLevel())
    for library in ("faust", "mode"):
        logging.getLogger(library).setLevel(least)
