"""Fixtures of this folder."""

from tests.kafka.broker import fragile_kafka3, kafka, kafka3, make_kafka

__all__ = ["fragile_kafka3", "kafka", "kafka3", "make_kafka"]
