"""OpenTelemetry: FastAPI makes the spans where a tracer provider is set up; here it is kept from telling queries.

Elasticsearch's client adds a span of its own for each of its requests, without bodies.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from contextlib import AbstractContextManager
from typing import Any

from fastapi.telemetry import TelemetryConfig
from opentelemetry import trace
from opentelemetry.trace import Span, Tracer, TracerProvider
from opentelemetry.util.types import Attributes

TELLING = frozenset({"url.query"})
"""Attributes that hold what people search for."""
QUIET = frozenset({"/healthz", "/readyz"})


def telemetry(provider: TracerProvider) -> TelemetryConfig:
    """Return what FastAPI is to trace with `provider`: nothing where none was set up, for then a span costs in vain."""
    on = not isinstance(provider, trace.ProxyTracerProvider | trace.NoOpTracerProvider)
    # Metrics are Prometheus', errors are in the log.
    quiet: TelemetryConfig = {"metrics": False, "logs": False, "operation_spans": False, "auto_configure": False}
    return {**quiet, "tracing": on, "tracer_provider": Discreet(provider), "exclude": _is_quiet}


def _is_quiet(scope: MutableMapping[str, Any]) -> bool:
    return scope["path"] in QUIET


class Discreet(TracerProvider):
    """A provider that leaves out telling attributes."""

    def __init__(self, provider: TracerProvider) -> None:
        """Have the spans made by `provider`."""
        self._provider = provider

    def get_tracer(self, *given: Any, **named: Any) -> Tracer:  # noqa: ANN401 - passed on as they come
        """Return the provider's tracer, made discreet."""
        return _Discreet(self._provider.get_tracer(*given, **named))


class _Discreet(Tracer):
    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    # Arguments are named by those who call; what is not looked at is passed on as it comes.
    def start_span(  # type: ignore[override]
        self,
        name: str,
        *,
        attributes: Attributes = None,
        **named: Any,  # noqa: ANN401
    ) -> Span:
        return self._tracer.start_span(name, attributes=_shown(attributes), **named)

    def start_as_current_span(  # type: ignore[override]
        self,
        name: str,
        *,
        attributes: Attributes = None,
        **named: Any,  # noqa: ANN401
    ) -> AbstractContextManager[Span]:
        return self._tracer.start_as_current_span(name, attributes=_shown(attributes), **named)


def _shown(attributes: Attributes) -> Attributes:
    given: Mapping[str, Any] = attributes or {}
    return {name: value for name, value in given.items() if name not in TELLING}
