"""To Elasticsearch and back: bulks, what each answer means, dead letters and progress."""
