"""Logs as events with fields: the text is fixed, the values are fields, one line per batch and never per document."""

from __future__ import annotations

import logging
import sys
from typing import Literal, TextIO, cast

import orjson
import structlog

Format = Literal["json", "console"]


def _to_json(event: object, **_: object) -> str:
    return orjson.dumps(event, default=str).decode()


class _StandardError:
    """Looks standard error up at each write: a live line puts itself in its place, to keep below the log."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def configure(level: str, form: Format) -> None:
    """Send structlog's and the standard library's events to standard error.

    `level` is a name of the `logging` module (`INFO`); `form` is `json` (a line an event) or `console`.
    """
    render: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(serializer=_to_json)
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", _StandardError())),
        cache_logger_on_first_use=True,
    )
    # Foreign libraries speak only when something is wrong; their own retries and pings are noise.
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, force=True)
    # It tells of each request that failed, which is raised as an error all the same.
    logging.getLogger("elastic_transport").setLevel(logging.ERROR)


def get(action_prefix: str) -> structlog.stdlib.BoundLogger:
    """Return a logger whose events carry `component=action_prefix`."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(component=action_prefix)
    return logger
