"""The main job on 9,750 films: from a file through Kafka and a real encoder into an index that can be searched."""
