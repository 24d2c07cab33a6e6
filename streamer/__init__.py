"""Index Kafka topics into Elasticsearch through a learned sparse encoder, at the encoder's pace."""

__version__ = "0.1.0"
