"""Walks through all hits: a point in time at Elasticsearch, and a cursor that only its owner can use."""
