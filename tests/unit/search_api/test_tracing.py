"""Spans: one for a request where tracing is set up, without what people search for; none where it is not."""

from contextlib import contextmanager

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, Tracer, TracerProvider

from search_api.app import create_app
from search_api.tracing import telemetry
from tests.unit.search_api.fakes import parts

TRACE = 0x4BF92F3577B34DA6A3CE929D0E0E4736


class Recorded(NonRecordingSpan):
    def __init__(self, name, attributes):
        super().__init__(SpanContext(TRACE, 1, is_remote=False, trace_flags=TraceFlags(1)))
        self.name, self.attributes = name, dict(attributes or {})

    def is_recording(self):
        return True

    def set_attributes(self, attributes):
        self.attributes |= attributes

    def set_attribute(self, key, value):
        self.attributes[key] = value

    def update_name(self, name):
        self.name = name


class Recorder(TracerProvider, Tracer):
    def __init__(self):
        self.spans, self.parents = [], []

    def get_tracer(self, *given, **named):
        return self

    def start_span(self, name, context=None, *, attributes=None, **named):
        self.spans.append(Recorded(name, attributes))
        self.parents.append(trace.get_current_span(context).get_span_context().trace_id)
        return self.spans[-1]

    @contextmanager
    def start_as_current_span(self, name, **named):
        yield self.start_span(name, **named)


@pytest.fixture
def recorder(monkeypatch):
    made = Recorder()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: made)
    return made


def client():
    return httpx.AsyncClient(transport=httpx.ASGITransport(create_app(parts())), base_url="http://test")


async def test_a_request_is_a_span_that_does_not_tell_the_query(recorder):
    async with client() as connected:
        parent = f"00-{TRACE:032x}-00f067aa0ba902b7-01"
        assert (await connected.get("/search?q=heist&genres=Crime", headers={"traceparent": parent})).is_success
        assert (await connected.post("/search", json={"query": "heist"})).is_success
        await connected.get("/healthz")
    assert [span.name for span in recorder.spans] == ["GET /search", "POST /search"]
    assert recorder.parents == [TRACE, 0]
    first = recorder.spans[0].attributes
    assert (first["http.route"], first["http.response.status_code"]) == ("/search", 200)
    assert "heist" not in str([span.attributes for span in recorder.spans])


def test_without_a_provider_nothing_is_traced():
    assert telemetry(trace.ProxyTracerProvider())["tracing"] is False
    assert telemetry(trace.NoOpTracerProvider())["tracing"] is False
    assert telemetry(Recorder())["tracing"] is True
