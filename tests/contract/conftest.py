"""The client as it comes, against the local Elasticsearch."""

from collections.abc import AsyncIterator

import pytest
from elasticsearch import AsyncElasticsearch

from compose.local.stack import Stack
from tests.contract.sandbox import Sandbox


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[AsyncElasticsearch]:
    """It retries nothing, so that every answer is seen, and has a connection for every request that waits."""
    async with AsyncElasticsearch(
        stack.elasticsearch_url, max_retries=0, request_timeout=120, connections_per_node=64
    ) as client:
        yield client


@pytest.fixture
async def sandbox(client: AsyncElasticsearch) -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(client)
    yield sandbox
    await sandbox.close()
