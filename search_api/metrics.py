"""Metrics of the search service, in the rows that code, docs and tests read."""

from __future__ import annotations

from streamer.metrics import SECONDS, Metric

REQUESTS = Metric("search_api_requests_total", "counter", ("route", "status"), "HTTP requests, by route and status")
REQUEST_SECONDS = Metric("search_api_request_seconds", "histogram", ("route",), "Time of an HTTP request", SECONDS)
SEARCHES = Metric(
    "search_api_searches_total",
    "counter",
    ("index", "mode", "result"),
    "Searches by result: ok, partial, degraded (answered by words, without tokens), shed or error",
)
ELASTIC_SECONDS = Metric(
    "search_api_elasticsearch_seconds",
    "histogram",
    ("operation", "result"),
    "Time of a request to Elasticsearch (search, inference, open_point, close_point), by result (ok, error)",
    SECONDS,
)
EXPANSIONS = Metric(
    "search_api_expansions_total",
    "counter",
    ("result",),
    "Queries that needed tokens: cached, shared (another request infers them), computed",
)
EXPANSION_FAILURES = Metric(
    "search_api_expansion_failures_total",
    "counter",
    ("reason",),
    "Queries that got no tokens: open (the breaker), busy (too many inferences), slow (for this query), failed",
)
BREAKER_OPEN = Metric(
    "search_api_breaker_open_ratio",
    "gauge",
    ("endpoint",),
    "Breaker of an inference endpoint: 0 closed, 1 open, 0.5 tried with one query (half-open)",
)
IN_FLIGHT = Metric("search_api_in_flight_requests", "gauge", (), "HTTP requests that are being answered")
SEARCHES_LIMIT = Metric(
    "search_api_elasticsearch_limit", "gauge", (), "Searches that may be at Elasticsearch at a time"
)
SEARCHES_IN_FLIGHT = Metric("search_api_elasticsearch_in_flight", "gauge", (), "Searches that are at Elasticsearch")
SHED = Metric(
    "search_api_shed_total", "counter", (), "Searches that were refused because as many as allowed were running"
)
EXPANSION_ENTRIES = Metric("search_api_expansion_entries", "gauge", (), "Queries whose tokens are kept")
CURSORS = Metric(
    "search_api_cursors_total", "counter", ("event",), "Walks by cursor: begun, continued, ended, closed or expired"
)
CURSORS_OPEN = Metric("search_api_open_cursors", "gauge", (), "Walks by cursor that are open at this process")

FRESHNESS_SECONDS = Metric(
    "search_api_freshness_wait_seconds",
    "histogram",
    ("index", "result"),
    "Time that a search waited for the index to come as far as it asks, by result: fresh, stale, refused",
    SECONDS,
)
REFRESHES = Metric(
    "search_api_refreshes_total", "counter", ("result",), "Refreshes for searches that wait, by result: ok, error"
)
INDEX_AGE = Metric(
    "search_api_index_age_seconds",
    "gauge",
    ("index",),
    "Everything that was in the index's topics so long ago is searchable; absent while that is unknown",
)
WAITING = Metric("search_api_waiting_searches", "gauge", (), "Searches that wait for an index")

TURNED_AWAY = Metric(
    "search_api_turned_away_total",
    "counter",
    ("problem",),
    "Requests that ended before they were looked at: without credentials, with wrong ones, or too many",
)

SEARCH_METRICS = (
    REQUESTS,
    TURNED_AWAY,
    REQUEST_SECONDS,
    IN_FLIGHT,
    SEARCHES,
    ELASTIC_SECONDS,
    SEARCHES_LIMIT,
    SEARCHES_IN_FLIGHT,
    SHED,
    EXPANSIONS,
    EXPANSION_FAILURES,
    BREAKER_OPEN,
    EXPANSION_ENTRIES,
    CURSORS,
    CURSORS_OPEN,
    FRESHNESS_SECONDS,
    REFRESHES,
    INDEX_AGE,
    WAITING,
)
