"""The command `setup`, in the order in which one thing needs the other; run again, it changes nothing."""

from __future__ import annotations

from streamer.clock import SystemClock
from streamer.elastic import Elastic
from streamer.kafka.admin import Admin
from streamer.settings import Settings
from streamer.setup.check import require_routes
from streamer.setup.deploy import ensure_deployment
from streamer.setup.endpoint import endpoint_body
from streamer.setup.index import ensure_index, ensure_pipeline
from streamer.setup.mapping import index_body
from streamer.setup.state import ensure_state_index
from streamer.setup.step import Say
from streamer.setup.topics import ensure_topics

DEFAULT_TIMEOUT_S = 600.0


async def setup(settings: Settings, say: Say, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
    """Create what is missing and wait for each deployment up to `timeout_s` seconds.

    Raises SettingsError before anything is touched; SetupDifference, SetupError, DeploymentNotReady, StateError,
    KafkaError, ElasticError.
    """
    _judge(settings)
    await ensure_topics(Admin(settings.kafka), settings.topics, say)
    elastic = Elastic(settings.elasticsearch)
    clock = SystemClock()
    try:
        for deployment in settings.deployments:
            await ensure_deployment(elastic, deployment, clock, timeout_s, say)
        await ensure_state_index(elastic, settings.state_index, say)
        for route in settings.routes:
            await ensure_pipeline(elastic, route, say)
            await ensure_index(elastic, route, say)
    finally:
        await elastic.close()


def _judge(settings: Settings) -> None:
    require_routes(settings)
    for route in settings.routes:
        index_body(route)
    for deployment in settings.deployments:
        if deployment.type == "endpoint":
            endpoint_body(deployment)
