"""Metrics of the search service, in the rows that code, docs and tests read."""

from __future__ import annotations

from streamer.metrics import SECONDS, Metric

REQUESTS = Metric("search_api_requests_total", "counter", ("route", "status"), "HTTP requests, by route and status")
REQUEST_SECONDS = Metric("search_api_request_seconds", "histogram", ("route",), "Time of an HTTP request", SECONDS)
SEARCHES = Metric(
    "search_api_searches_total", "counter", ("index", "mode", "result"), "Searches by result: ok, partial or error"
)
ELASTIC_SECONDS = Metric(
    "search_api_elasticsearch_seconds",
    "histogram",
    ("operation", "result"),
    "Time of a request to Elasticsearch (search, inference), by result (ok, error)",
    SECONDS,
)
EXPANSIONS = Metric(
    "search_api_expansions_total",
    "counter",
    ("result",),
    "Queries that needed tokens: cached, shared (another request infers them), computed",
)
EXPANSION_ENTRIES = Metric("search_api_expansion_entries", "gauge", (), "Queries whose tokens are kept")

SEARCH_METRICS = (REQUESTS, REQUEST_SECONDS, SEARCHES, ELASTIC_SECONDS, EXPANSIONS, EXPANSION_ENTRIES)
