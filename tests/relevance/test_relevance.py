"""Judged queries through the whole path: Kafka, encoder, index, search service; nDCG@10 against written floors.

The floors lie a little below what was measured (README.md of this ring): a broken path loses much more than that. The
encoder is a tiny one: these figures prove the path, not ELSER. No boost is tuned on these sets.
"""

from collections.abc import Iterator, Mapping

import httpx
import pytest

from compose.local.stack import Stack
from tests.fixtures.kafka import Kafka
from tests.relevance import path
from tests.relevance.judged import Collection, films, noveleval
from tests.relevance.ndcg import mean_ndcg

pytestmark = pytest.mark.timeout(1_200)

FLOORS = {
    ("noveleval", "lexical"): 0.68,
    ("noveleval", "semantic"): 0.65,
    ("noveleval", "hybrid"): 0.695,
    ("films", "lexical"): 0.705,
    ("films", "semantic"): 0.37,
    ("films", "hybrid"): 0.59,
}


@pytest.fixture(scope="module")
def collections() -> Mapping[str, Collection]:
    return {"noveleval": noveleval(), "films": films()}


@pytest.fixture(scope="module")
def service(
    stack: Stack,
    kafka: Kafka,
    collections: Mapping[str, Collection],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("relevance")
    path.index(stack, kafka, folder, collections)
    with path.search_service(stack, folder) as client:
        yield client


@pytest.mark.parametrize(("name", "mode"), FLOORS)
def test_ranking_is_as_good_as_it_was(service, collections, name, mode, record_property):
    collection = collections[name]
    rankings = {key: path.ranking(service, name, query, mode) for key, query in collection.queries.items()}
    found = mean_ndcg(rankings, collection.judgments, path.DEPTH)
    record_property("ndcg@10", round(found, 4))
    assert found >= FLOORS[name, mode], f"nDCG@10 of {name} {mode} fell to {found:.4f}"
