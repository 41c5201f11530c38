"""Apache Kafka for development and tests: real brokers on loopback, without Docker."""

from deploy.kafka.cluster import Cluster
from deploy.kafka.errors import BrokerError, KafkaUnavailable, LibraryError
from deploy.kafka.java import Java, find_java
from deploy.kafka.libraries import fetch_libraries

__all__ = [
    "BrokerError",
    "Cluster",
    "Java",
    "KafkaUnavailable",
    "LibraryError",
    "fetch_libraries",
    "find_java",
]
