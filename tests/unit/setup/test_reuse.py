"""Where tokens can be read back, and what the server must be asked for."""

import pytest

from streamer.errors import ElasticRefused
from streamer.setup.mapping import index_body, index_differences
from streamer.setup.reuse import hides_vectors, hides_vectors_as, reuse_of
from tests.fakes.resources import FakeResources
from tests.unit.setup.samples import route

NESTED = route(inference=[{"input": "text", "output": "ml.tokens"}])


@pytest.mark.parametrize(
    ("version", "hidden"),
    [
        ({"number": "8.19.3"}, False),
        ({"number": "9.1.4"}, False),
        ({"number": "9.2.0"}, True),
        ({"number": "9.10.1-SNAPSHOT"}, True),
        ({"number": "10.0.0"}, True),
        ({"number": "8.11.0", "build_flavor": "serverless"}, True),
    ],
)
def test_vectors_are_hidden_from_a_version_on(version, hidden):
    assert hides_vectors_as(version) is hidden


async def test_an_outage_is_no_answer_about_the_version():
    elastic = FakeResources()

    async def unwell(path):
        raise ElasticRefused(503, "cluster_block_exception", "blocked")

    elastic.get = unwell
    with pytest.raises(ElasticRefused):
        await hides_vectors(elastic)


@pytest.mark.parametrize(
    ("given", "source"),
    [
        (route(), {}),
        (route(), {"excludes": ["text", "text_tokens_too"]}),
        (route(), {"includes": ["*"]}),
        (NESTED, {"excludes": ["tokens"]}),
        (NESTED, {"includes": ["ml", "_streamer.*"]}),
    ],
)
def test_tokens_can_be_read_back(given, source):
    assert reuse_of(given, {"mappings": {"_source": source}}, hidden=False).off == ""


@pytest.mark.parametrize(
    ("given", "source", "named"),
    [
        (route(), {"excludes": ["text_tokens"]}, "'text_tokens'"),
        (route(), {"excludes": ["text_tokens.*"]}, "'text_tokens'"),
        (route(), {"excludes": ["*_id"]}, "'model_id'"),
        (route(), {"excludes": ["_streamer"]}, "'_streamer.text_hash'"),
        (route(), {"includes": ["_streamer.*", "text*"]}, "'model_id'"),
        (NESTED, {"excludes": ["ml"]}, "'ml.tokens'"),
        (NESTED, {"excludes": ["ml.*"]}, "'ml.tokens'"),
        (route(), {"enabled": False}, "does not keep"),
        (route(), {"mode": "synthetic"}, "does not keep"),
    ],
)
def test_where_they_cannot_it_says_why(given, source, named):
    assert named in reuse_of(given, {"mappings": {"_source": source}}, hidden=False).off


def test_an_index_that_makes_its_source_up_gives_other_tokens():
    found = {"mappings": {}, "settings": {"index.mapping.source.mode": "synthetic"}}
    assert "does not keep" in reuse_of(route(), found, hidden=True).off


@pytest.mark.parametrize("pattern", ["text_tokens", "text_tokens.*"])
def test_a_source_without_tokens_is_no_difference(pattern):
    found = index_body(route())
    found["mappings"]["_source"] = {"excludes": [pattern]}
    assert index_differences(route(), found) == []
    assert reuse_of(route(), found, hidden=False).off
