"""Kafka and Elasticsearch with an ML node on one machine without containers: for tests, the demo and development.

`python -m compose.local setup` builds it, `python -m compose.local up` runs it; `compose.local.stack.Stack` is the same
as a context manager. README.md says what of it is real, emulated or absent.
"""
