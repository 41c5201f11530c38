"""The log between the stages: one protocol, one implementation embedded, one on Kafka."""
