"""The log on Apache Kafka: the bus, its topics, and how clients connect."""
