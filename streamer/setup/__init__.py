"""What the stream needs in Kafka and Elasticsearch: create it, compare it, explain differences."""
