"""The door to Kafka: the only package of the streamer that imports its client; foreign errors end here."""
